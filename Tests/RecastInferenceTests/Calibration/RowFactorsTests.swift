import Recast
import Testing

@testable import Recast
@testable import RecastInference
@testable import RecastTensors

/// Rows that are multiplied after their codes are chosen.
@Suite struct RowFactorsTests {
    /// Powers of two are exact in every scale that takes factors: all numbers are multiplied by just that.
    @Test(arguments: try! WeightQuantizerTests.encodings()) func numbersAreMultiplied(_ encoding: Encoding) throws {
        let (rows, columns) = (3, 512)
        let target = try #require(WeightTarget(encoding, columns: columns))
        guard target.takesRowFactors else { return }
        // So large that halves of units are normal numbers.
        let source = CorrelatedInputs.weight(rows: rows, columns: columns).map { $0 * 64 }
        let codes = try source.withUnsafeBufferPointer {
            try target.search($0, rows: rows, columns: columns, weights: nil)
        }
        let factors: [Float] = [2, 1, 0.5]
        let (before, after) = (numbers(codes), numbers(codes.scaled(by: factors, target)))
        #expect(after == before.indices.map { before[$0] * factors[$0 / columns] })
        #expect(before.contains { $0 != 0 })
    }

    /// Scales that are powers of two cannot be multiplied by anything else.
    @Test func powersOfTwo() throws {
        #expect(try #require(WeightTarget(.plain(.mxfp4), columns: 512)).takesRowFactors == false)
        for dtype in [DType.q4_0, .q2_k, .iq1_m, .iq3_s] {
            #expect(try #require(WeightTarget(.plain(dtype), columns: 512)).takesRowFactors)
        }
    }

    private func numbers(_ codes: EncodedRows) -> [Float] {
        var numbers = [Float](repeating: 0, count: codes.rows * codes.columns)
        numbers.withUnsafeMutableBufferPointer { codes.decode(into: $0) }
        return numbers
    }
}
