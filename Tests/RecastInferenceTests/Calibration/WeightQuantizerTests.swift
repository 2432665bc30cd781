import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference
@testable import RecastTensors

@Suite struct WeightQuantizerTests {
    static let blocks: [DType] = [
        .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq4_nl, .iq4_xs, .mxfp4, .nvfp4, .tq1_0,
        .tq2_0, .q2_0, .q1_0, .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s,
    ]
    static let packings: [(name: String, Packing.Choices)] = {
        var asymmetric = Packing.Choices()
        asymmetric.isSymmetric = false
        asymmetric.groupSize = 32
        var group = Packing.Choices()
        group.groupSize = 64
        var tensor = Packing.Choices()
        tensor.per = .tensor
        return [
            ("gptq-int4", Packing.Choices()), ("gptq-int3", group), ("gptq-int2", group), ("gptq-int8", group),
            ("gptq-int4", asymmetric), ("gptq-v1-int4", asymmetric), ("awq-int4", Packing.Choices()),
            ("ct-int4", Packing.Choices()), ("ct-mxfp4", Packing.Choices()), ("int8-absmax", Packing.Choices()),
            ("mlx-int4", Packing.Choices()), ("mlx-int2", Packing.Choices()), ("llm-int8", Packing.Choices()),
            ("nf4", Packing.Choices()), ("fp4", Packing.Choices()), ("nf4-nested", Packing.Choices()),
            ("fp8", Packing.Choices()), ("int8-absmax", tensor), ("int8-zero-point", tensor), ("ct-fp8", tensor),
        ]
    }()

    static func encodings() throws -> [Encoding] {
        try blocks.map { .plain($0) }
            + packings.map { name, choices in
                let tensor = LazyTensor.zeros(.bf16, [Self.rows, columns])
                var encoding = try Packing.named(name, choices)!.encoding(of: tensor, modelType: .f16)
                if encoding.format == .bitsandbytes { encoding.flatShape = tensor.shape }
                return .packed(encoding)
            }
    }

    /// Not all whole tiles, but for squares.
    private static let (rows, columns) = (160, 512)
    private static func rows(of encoding: Encoding) -> Int {
        if case .packed(let packed) = encoding { max(rows, 2 * packed.scheme.block.rows) } else { rows }
    }

    private struct Outcome {
        var weight: [Float]
        var codes: [(Range<Int>, EncodedRows)]
        var errors: OutputErrors
    }

    private static func quantize(
        _ encoding: Encoding, _ source: [Float], _ hessian: Hessian, effort: Int, workers: Int = 1
    ) throws -> Outcome {
        let target = try #require(WeightTarget(encoding, columns: columns))
        var options = CalibrationOptions()
        options.effort = effort
        let factor = try HessianFactor(hessian, damping: 0.01, target.order)
        let quantizer = WeightQuantizer(factor, target, options, by: Workers(count: workers))
        var weight = source
        let codes = Collected()
        let errors = try weight.withUnsafeMutableBufferPointer { buffer in
            try quantizer.quantize(buffer, rows: source.count / columns) { (range, rows) throws(RecastError) in
                codes.add(range, rows)
            }
        }
        return Outcome(weight: weight, codes: codes.sorted, errors: errors)
    }

    /// For every grid: the error is what it is said to be, feedback beats the search it begins with, and more effort never
    /// makes it worse.
    @Test(arguments: try! encodings()) func errorsFall(_ encoding: Encoding) throws {
        let hessian = try CorrelatedInputs(rows: 900, columns: Self.columns).hessian()
        let source = CorrelatedInputs.weight(rows: Self.rows, columns: Self.columns)
        let factor = try HessianFactor(hessian, damping: 0.01, unitWidth: 512)
        let matrix = Matrix(512, 512, (0..<512 * 512).map { factor.matrix.base[$0] })
        var last = Double.infinity
        var finals: [Double] = []
        for effort in [0, 1, 2] {
            let outcome = try Self.quantize(encoding, source, hessian, effort: effort)
            let exact = Matrix(Self.rows, 512, zip(source, outcome.weight).map { $0 - $1 }).outputError(matrix)
            #expect(abs(outcome.errors.final / exact - 1) < 1e-3)
            #expect(outcome.errors.final <= outcome.errors.searched * 1.0001)
            #expect(outcome.errors.final <= last * 1.0001, "effort \(effort)")
            last = min(last, outcome.errors.final)
            finals.append(outcome.errors.final)
        }
        // Codewords have much to gain: their scales were found before any error was fed back.
        if encoding.dtype?.codebookBlock != nil { #expect(finals[2] < 0.97 * finals[0], "\(finals)") }
    }

    /// Codes and scales are such as the encoding stores: written and read again they stand for the same numbers.
    @Test(arguments: try! encodings()) func codesAreStoredAsTheyAre(_ encoding: Encoding) throws {
        let hessian = try CorrelatedInputs(rows: 900, columns: Self.columns).hessian()
        let rows = Self.rows(of: encoding)
        let source = CorrelatedInputs.weight(rows: rows, columns: Self.columns)
        let outcome = try Self.quantize(encoding, source, hessian, effort: 1)
        let directory = TemporaryDirectory()
        let slot = Slot(.gate, layer: 0)
        let weight = CodeFile.Weight(slot: slot, encoding: encoding, rows: rows, columns: Self.columns)
        let file = try CodeFile(creating: directory.file("codes"), for: [weight])
        for (range, codes) in outcome.codes {
            if case .plain(let dtype) = encoding, case .tile(let tile) = codes.content {
                #expect(tile.obstacle(asBlocksOf: dtype) == nil)
            }
            try file.write(codes, rows: range, of: slot)
        }
        try file.synchronize()
        let files = FilePool()
        let tensor = try CodeFile.tensors(of: [weight], in: directory.file("codes"), files: files)[slot]!
        var reader = Reader(files: files)
        let read = try tensor.floats(&reader)
        #expect(read == outcome.weight)
    }

    @Test func bytesDoNotDependOnWorkers() throws {
        let hessian = try CorrelatedInputs(rows: 600, columns: Self.columns).hessian()
        let source = CorrelatedInputs.weight(rows: Self.rows, columns: Self.columns)
        let outcomes = try [1, 3].map {
            try Self.quantize(.plain(.q4_k), source, hessian, effort: 2, workers: $0).weight
        }
        #expect(outcomes[0] == outcomes[1])
    }

    /// A weight that is on the grid already stays as it is.
    @Test func nothingIsLostTwice() throws {
        let hessian = try CorrelatedInputs(rows: 600, columns: Self.columns).hessian()
        let source = CorrelatedInputs.weight(rows: Self.rows, columns: Self.columns)
        let grid = try #require(WeightGrid(.plain(.q8_0), columns: Self.columns))
        let tile = try source.withUnsafeBufferPointer {
            try grid.search($0, rows: Self.rows, columns: Self.columns, weights: nil)
        }
        var rounded = source
        rounded.withUnsafeMutableBufferPointer { tile.decode(into: $0) }
        let again = try Self.quantize(.plain(.q8_0), rounded, hessian, effort: 2)
        #expect(again.weight == rounded && again.errors.final == 0)
    }

    /// Degenerate weights and Hessians give finite numbers.
    @Test(arguments: try! encodings()) func degenerateInputs(_ encoding: Encoding) throws {
        let normal = try CorrelatedInputs(rows: 900, columns: Self.columns).hessian()
        let constant = Hessian(columns: 512)
        try constant.add([Float](repeating: 1, count: 20 * 512), rows: 20, by: Workers(count: 1))
        constant.complete()
        let nothing = Hessian(columns: 512)
        nothing.count = 10
        var source = CorrelatedInputs.weight(rows: Self.rows, columns: Self.columns)
        for i in 0..<512 {
            source[i] = 0
            source[512 + i] = 0.25
            source[1024 + i] = i == 100 ? 30 : 1e-4
            source[1536 + i] = 1e-30
        }
        for hessian in [normal, constant, nothing] {
            let outcome = try Self.quantize(encoding, source, hessian, effort: 2)
            let isFinite = outcome.weight.allSatisfy { $0.isFinite }
            #expect(isFinite)
            let zeros = outcome.weight[..<512].map { abs($0) }
            #expect(zeros.max()! < 0.02)
        }
    }
}

private final class Collected: @unchecked Sendable {
    private var codes: [(Range<Int>, EncodedRows)] = []
    private let lock = NSLock()

    func add(_ range: Range<Int>, _ rows: EncodedRows) { lock.withLock { codes.append((range, rows)) } }

    var sorted: [(Range<Int>, EncodedRows)] { codes.sorted { $0.0.lowerBound < $1.0.lowerBound } }
}
