import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// From every encoding to every other: refused before anything is done, or done within what the target's definition allows,
/// with the same bytes for any number of workers; and where the plan says exact, it is.
struct EncodingMatrixTests {
    private let directory = TemporaryDirectory()

    /// The numbers of each matrix in the order of the graph, whatever the container.
    private func numbers(_ path: String) throws -> [Role: [Float]] {
        let model = try Model(Checkpoint(path: path))
        var reader = Reader(files: FilePool(model.files))
        var numbers: [Role: [Float]] = [:]
        for (role, _, _, shape) in EncodingMatrix.matrices {
            let tensor = try #require(model.graph[role, layer: 0])
            #expect(tensor.shape == shape)
            numbers[role] = try tensor.converted(to: .f32).numbers(rows: 0..<shape[0], as: Float.self, using: &reader)
        }
        return numbers
    }

    @Test(arguments: EncodingMatrix.sources) func everyTarget(_ source: EncodingMatrix.Source) throws {
        let path = try source.write(to: directory)
        let before = try numbers(path)
        #expect(before.values.allSatisfy { $0.allSatisfy(\.isFinite) && $0.contains { $0 != 0 } })
        let checkpoint = try Checkpoint(path: path)
        for target in EncodingMatrix.targets {
            let name = target.isGGUF ? "out.gguf" : "out"
            let plan: Plan
            do throws(RecastError) {
                plan = try Planning(checkpoint, target.options).plan(destination: directory.file(name))
            } catch {
                // What has more bits than a float32 is rounded to one, and not again. All else there is an answer to.
                #expect(error.code == .unsupported && source.isDouble && target.roundsTwice, "\(target): \(error)")
                continue
            }
            #expect(!source.isDouble || !target.roundsTwice, "\(target)")
            defer { directory.remove(name) }
            do {
                let report = try Conversion(plan, to: directory.file(name)).run()
                for tally in report.tallies {
                    #expect(tally.error.count == 0 || tally.error.relative.isFinite, "\(target)")
                }
                try check(try numbers(directory.file(name)), before, plan, target)
                try checkWorkers(plan, name, target)
            } catch {
                Issue.record("\(target): \(error)")
            }
        }
    }

    private func check(
        _ after: [Role: [Float]], _ before: [Role: [Float]], _ plan: Plan, _ target: EncodingMatrix.Target
    ) throws {
        for (role, huggingFace, gguf, shape) in EncodingMatrix.matrices {
            let name = target.isGGUF ? "blk.0.\(gguf).weight" : EncodingMatrix.name(huggingFace)
            let (old, new) = (before[role]!, after[role]!)
            // Codes that are kept have only parts.
            let transfer = plan.transfers.first { $0.name == name }
            if transfer == nil { #expect(plan.exactness == .bit && !target.isGGUF, "\(target), \(name)") }
            guard let transfer, transfer.exactness != .bit else {
                // Zeros have no sign where a minimum is added.
                let isSame = zip(old, new).allSatisfy { ($0 + 0).bitPattern == ($1 + 0).bitPattern }
                #expect(isSame, "\(target), \(name): \(transfer?.treatment ?? "copied"), and is not")
                continue
            }
            let complaint = EncodingLimit(transfer.encoding).complaint(old, new, columns: shape[1])
            #expect(complaint == nil, "\(target), \(name), \(transfer.treatment): \(complaint!)")
        }
    }

    /// Jobs of few rows, on several threads.
    private func checkWorkers(_ plan: Plan, _ name: String, _ target: EncodingMatrix.Target) throws {
        let paths = plan.outputs.map { directory.file("again-" + $0.name) }
        var executor = Executor(plan, stagedPaths: paths, workers: 4, jobByteCount: 4096)
        executor.verification = .none
        try executor.prepare()
        executor.reductions = try executor.reduce()
        _ = try executor.run(journal: nil, progress: nil)
        for output in plan.outputs {
            let one = directory.bytes(plan.form == .directory ? name + "/" + output.name : name)
            #expect(one != nil && one == directory.bytes("again-" + output.name), "\(target), \(output.name)")
            directory.remove("again-" + output.name)
        }
    }

    // MARK: The same again

    /// What is stored so already is moved, to the last byte.
    @Test(arguments: EncodingMatrix.targets) func again(_ target: EncodingMatrix.Target) throws {
        let source = EncodingMatrix.model.write(to: directory)
        var paths = [source]
        for turn in 0..<2 {
            let path = directory.file("turn\(turn)" + (target.isGGUF ? ".gguf" : ""))
            let plan = try Planning(Checkpoint(path: paths[turn]), target.options).plan(destination: path)
            _ = try Conversion(plan, to: path).run()
            if turn == 1 {
                #expect(plan.exactness == .bit)
                #expect(plan.warnings.allSatisfy { !$0.contains("quantized again") }, "\(plan.warnings)")
            }
            paths.append(path)
        }
        let file = target.isGGUF ? ".gguf" : "/model.safetensors"
        let (first, second) = (directory.bytes("turn0" + file), directory.bytes("turn1" + file))
        #expect(first != nil && first == second)
    }

    // MARK: Stacks

    /// Experts that lie in one tensor are each what they were.
    @Test(arguments: DType.all.filter { $0.isQuantized && $0.isDecodable }) func stacks(dtype: DType) throws {
        let shape = [3, 8, 256]
        var random = SeededGenerator(seed: 8)
        let bytes = dtype.randomBlocks(shape.reduce(1, *) / dtype.blockElements, &random)
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string("strange")
        var plan = Plan(sources: [], form: .file)
        let name = "blk.0.ffn_up_exps.weight"
        try GGUFLayout(
            metadata: metadata,
            tensors: [TypedTensor(NamedTensor(name, .literal(dtype, shape, bytes)), dtype)]
        ).lay(out: "source.gguf", maximumShardSize: nil, into: &plan)
        let path = directory.file("source.gguf")
        _ = try Conversion(plan, to: path).run()
        let before = try stack(path)
        for target in EncodingMatrix.targets where target.isGGUF {
            let destination = directory.file("out.gguf")
            let plan = try Planning(Checkpoint(path: path), target.options).plan(destination: destination)
            _ = try Conversion(plan, to: destination).run()
            defer { directory.remove("out.gguf") }
            let after = try stack(destination)
            if plan.exactness == .bit {
                #expect(zip(before, after).allSatisfy { $0 == $1 }, "\(target): \(plan.transfers[0].treatment)")
            } else {
                let complaint = EncodingLimit(plan.transfers[0].encoding).complaint(before, after, columns: 256)
                #expect(complaint == nil, "\(target): \(complaint!)")
            }
            try checkWorkers(plan, "out.gguf", target)
        }
    }

    private func stack(_ path: String) throws -> [Float] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        let tensor = checkpoint.tensors[0].tensor.converted(to: .f32)
        #expect(tensor.shape == [3, 8, 256])
        let bytes = try tensor.bytes(using: &reader)
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    // MARK: What is no number

    /// GGUF reads an exponent of 255 as a power like any other; elsewhere it is NaN.
    @Test func exponentsThatAreNoNumberElsewhere() throws {
        let source = EncodingMatrix.Source(testDescription: "", kind: .blocks(.mxfp4))
        let path = try source.write(to: directory)
        let checkpoint = try Checkpoint(path: path)
        let tensor = try #require(checkpoint.tensors.first { $0.name == "blk.0.ffn_up.weight" }).tensor
        guard case .stored(_, let offset) = tensor.recipe else { preconditionFailure() }
        var bytes = try FileSource.contents(of: path)
        // The first block, of nothing but ones.
        bytes.replaceSubrange(offset..<offset + 17, with: [255] + [UInt8](repeating: 0x22, count: 16))
        directory.write("changed.gguf", bytes)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("ct-mxfp4")
        let plan = try Planning(Checkpoint(path: directory.file("changed.gguf")), options).plan(
            destination: directory.file("out"))
        expectRejection(.unsupported, ["mlp.up_proj.weight", "1 scales are too large or too small"]) {
            _ = try Conversion(plan, to: directory.file("out")).run()
        }
        #expect(!directory.names.contains("out"))
    }

    /// The error of numbers beside what became of them, by the definition of each.
    struct ErrorCase: Sendable {
        var source: [Float]
        var result: [Float]
        var isFinite = true
        /// Those that count.
        var count: Int
        var squaredError: Double
    }

    static let errorCases = [
        ErrorCase(source: [1, 2, 3], result: [1, 2, 4], count: 3, squaredError: 1),
        ErrorCase(source: [.nan, 2], result: [.nan, 2], count: 1, squaredError: 0),
        ErrorCase(source: [-.infinity, 2], result: [-.infinity, 1], count: 1, squaredError: 1),
        ErrorCase(source: [1, 2], result: [1, .nan], isFinite: false, count: 2, squaredError: .infinity),
        ErrorCase(source: [1, 2], result: [-.infinity, 2], isFinite: false, count: 2, squaredError: .infinity),
        ErrorCase(source: [.infinity], result: [-.infinity], isFinite: false, count: 0, squaredError: .infinity),
        ErrorCase(source: [.nan, 2], result: [3, 2], isFinite: false, count: 1, squaredError: .infinity),
        ErrorCase(source: [0, 0], result: [0, -0.0], count: 2, squaredError: 0),
        ErrorCase(source: [0x1p100, 0], result: [-0x1p100, 0], count: 2, squaredError: 0x1p202),
    ]

    @Test(arguments: errorCases) func errors(_ each: ErrorCase) {
        // Long enough for the vectors of every instruction set.
        let padding = [Float](repeating: 0, count: 61)
        for kernels in Kernels.available {
            for (before, after) in [([], []), (padding, []), ([], padding)] {
                let source = before + each.source + after
                let result = before + each.result + after
                var error = QuantizationError()
                error.add(source, result, count: source.count, with: kernels)
                #expect(error.isFinite == each.isFinite)
                #expect(error.count == each.count + before.count + after.count)
                #expect(error.squaredError == each.squaredError)
                #expect(!error.relative.isNaN)
            }
        }
    }

    /// A maximum that was read as a scale is found again, and so is the scale of any shorter type.
    @Test func maximaOfRows() {
        var random = SeededGenerator(seed: 9)
        for _ in 0..<200_000 {
            let maximum = Float(bitPattern: UInt32.random(in: 0..<0x7F00_0000, using: &random))
            let scale = RowMaximum.scale(of: maximum)
            #expect(RowMaximum.scale(of: RowMaximum.of(scale: scale)) == scale)
            if RowMaximum.scale(of: RowMaximum.of(scale: scale)) != scale { break }
        }
        for bits in 0..<UInt16(0x7C00) {
            let half = HalfFloat.value(of: bits)
            #expect(RowMaximum.scale(of: RowMaximum.of(scale: half)) == half)
        }
        // Up to where 127 of them are no number any more.
        for bits in 0..<UInt16(0x7F80) {
            let brain = BrainFloat.value(of: bits)
            guard (127 * brain).isFinite else { break }
            #expect(RowMaximum.scale(of: RowMaximum.of(scale: brain)) == brain)
        }
    }
}

extension EncodingMatrix.Target {
    /// Whether a double would be rounded to a float32 on the way.
    fileprivate var roundsTwice: Bool {
        switch self {
        case .huggingFace(let dtype), .gguf(let dtype): dtype != nil && dtype != .f32
        case .fileType(let type): type != .f32
        // The scales of blocks are computed in float32.
        case .packed: false
        }
    }
}
