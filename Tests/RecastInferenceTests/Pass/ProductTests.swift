import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Products of weights as they are stored with rounded activations.
@Suite struct ProductTests {
    static let dtypes: [DType] = [
        .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl, .mxfp4, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq4_xs,
    ]

    /// A weight of some type, and what its numbers are.
    private struct Weight {
        var tensor: LazyTensor
        var decoded: [Float]
        var rows: Int
        var columns: Int

        init(_ dtype: DType, rows: Int, columns: Int) throws {
            var random = SystemRandomNumberGenerator()
            var bytes: [UInt8] = []
            for _ in 0..<rows * columns {
                let value = Float.random(in: -1...1, using: &random) * Float.random(in: 0.1...1, using: &random)
                bytes.append(littleEndian: value.bitPattern)
            }
            var reader = Reader(files: FilePool([]))
            let source = LazyTensor.literal(.f32, [rows, columns], bytes).converted(to: dtype)
            var stored = [UInt8](repeating: 0, count: source.byteCount)
            try stored.withUnsafeMutableBytes { try source.read(source.window(), into: $0, using: &reader) }
            tensor = .literal(dtype, [rows, columns], stored)
            let numbers = tensor.converted(to: .f32)
            var decoded = [Float](repeating: 0, count: rows * columns)
            try decoded.withUnsafeMutableBytes { try numbers.read(numbers.window(), into: $0, using: &reader) }
            (self.decoded, self.rows, self.columns) = (decoded, rows, columns)
        }

        var bytes: [UInt8] { if case .literal(let bytes) = tensor.recipe { bytes } else { [] } }
    }

    /// Rows beyond whole panels and columns beyond whole vectors.
    private func weight(_ dtype: DType) throws -> Weight {
        try Weight(dtype, rows: 37, columns: dtype.blockElements == 256 ? 1536 : 1248)
    }

    /// What activations are rounded to, by llama.cpp's definitions of Q8_0 and Q8_K, or to bfloat16.
    private func rounded(_ x: [Float], for dtype: DType) -> [Double] {
        if dtype == .bf16 {
            return x.map { value in
                let bits = value.bitPattern
                return Double(Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000))
            }
        }
        return stride(from: 0, to: x.count, by: dtype.blockElements).flatMap { first -> [Double] in
            let block = x[first..<first + dtype.blockElements]
            let greatest = block.map(abs).max()!
            if dtype.blockElements == 32 {
                let inverse = 127 / greatest
                let scale = Double(Float16(greatest / 127))
                return block.map { Double(($0 * inverse).rounded(.toNearestOrEven)) * scale }
            }
            let inverse = -127 / block.first { abs($0) == greatest }!
            return block.map { Double(min(127, ($0 * inverse).rounded(.toNearestOrEven))) / Double(inverse) }
        }
    }

    private func product(
        _ weight: Weight, _ x: [Float], tokens: Int, _ kernels: ProductKernels, accumulatingOn start: Float? = nil
    ) throws -> [Float]? {
        guard let type = PanelType(weight.tensor.dtype, columns: weight.columns, kernels) else { return nil }
        let memory = FloatBuffer(count: PanelMatrix.byteCount(type, rows: weight.rows) / 4)
        let matrix = PanelMatrix(type, rows: weight.rows, at: memory.base)
        weight.bytes.withUnsafeBufferPointer { matrix.fill(0..<weight.rows, from: $0.baseAddress!) }
        // Panels lose nothing.
        var row = [UInt8](repeating: 0, count: type.rowByteCount)
        for index in [0, 15, 16, weight.rows - 1] {
            row.withUnsafeMutableBufferPointer { matrix.copyRow(index, into: $0.baseAddress!) }
            #expect(row == Array(weight.bytes[index * row.count..<(index + 1) * row.count]))
        }
        var output = [Float](repeating: start ?? .nan, count: tokens * weight.rows)
        let resources = WorkerResources(files: FilePool([]))
        output.withUnsafeMutableBufferPointer { output in
            RecastInference.multiply(
                x, rows: tokens, by: matrix, into: output.baseAddress!, accumulating: start != nil, using: resources)
        }
        return output
    }

    private func activations(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1) * (Int.random(in: 0..<40) == 0 ? 30 : 1) }
    }

    @Test(arguments: dtypes)
    func productsAreThoseOfTheNumbers(_ dtype: DType) throws {
        let weight = try weight(dtype)
        for tokens in [1, 2, 3, 7, 13, 25, 40] {
            let x = activations(tokens * weight.columns)
            var results: [[Float]] = []
            for level in Int32(0)..<3 {
                let kernels = ProductKernels(levels: level..<level + 1)
                guard let result = try product(weight, x, tokens: tokens, kernels) else { continue }
                results.append(result)
            }
            // All instruction sets give the same bits.
            #expect(!results.isEmpty && results.allSatisfy { $0.map(\.bitPattern) == results[0].map(\.bitPattern) })
            for token in 0..<tokens {
                let rounded = rounded(Array(x[token * weight.columns..<(token + 1) * weight.columns]), for: dtype)
                for row in 0..<weight.rows {
                    let terms = (0..<weight.columns).map {
                        Double(weight.decoded[row * weight.columns + $0]) * rounded[$0]
                    }
                    let (sum, size) = (terms.reduce(0, +), terms.reduce(0) { $0 + abs($1) })
                    #expect(abs(Double(results[0][token * weight.rows + row]) - sum) < 2e-6 * size)
                }
            }
        }
    }

    /// A token's products do not depend on which others are beside it.
    @Test(arguments: dtypes)
    func tokensAreApart(_ dtype: DType) throws {
        let weight = try weight(dtype)
        let x = activations(30 * weight.columns)
        guard let all = try product(weight, x, tokens: 30, .best) else { return }
        for token in [0, 11, 12, 29] {
            let own = Array(x[token * weight.columns..<(token + 1) * weight.columns])
            let alone = try product(weight, own, tokens: 1, .best)!
            #expect(alone == Array(all[token * weight.rows..<(token + 1) * weight.rows]))
            let added = try product(weight, own, tokens: 1, .best, accumulatingOn: 2)!
            #expect(added == alone.map { 2 + $0 })
        }
    }

    @Test(arguments: dtypes, [Float.nan, .infinity])
    func whatIsNoNumberStaysNone(_ dtype: DType, _ value: Float) throws {
        let weight = try weight(dtype)
        var x = activations(13 * weight.columns)
        x[5 * weight.columns + 40] = value
        for level in Int32(0)..<3 {
            guard let result = try product(weight, x, tokens: 13, ProductKernels(levels: level..<level + 1)) else {
                continue
            }
            for token in 0..<13 {
                let products = result[token * weight.rows..<(token + 1) * weight.rows]
                #expect(token == 5 ? products.allSatisfy { !$0.isFinite } : products.allSatisfy(\.isFinite))
            }
        }
    }

    /// Zeros, and what is next to nothing, give zeros.
    @Test(arguments: dtypes)
    func smallNumbers(_ dtype: DType) throws {
        let weight = try weight(dtype)
        for value in [0, Float.leastNonzeroMagnitude, 1e-39, -1e-37] as [Float] {
            let x = [Float](repeating: value, count: weight.columns)
            for level in Int32(0)..<3 {
                let result = try product(weight, x, tokens: 1, ProductKernels(levels: level..<level + 1))
                #expect(result?.allSatisfy { abs($0) < 1e-33 } ?? true)
            }
        }
    }

    @Test func otherRowsHaveNone() {
        #expect(PanelType(.q4_0, columns: 40) == nil)
        #expect(PanelType(.q4_k, columns: 128) == nil)
        #expect(PanelType(.bf16, columns: 33) == nil)
        #expect(PanelType(.f16, columns: 64) == nil)
        #expect(PanelType(.iq2_xs, columns: 256) == nil)
    }
}
