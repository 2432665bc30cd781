import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Numbers of types that have no kernels.
@Suite struct DTypeNumbersTests {
    @Test func doubles() throws {
        let exact: [Double] = [1.5, -0.0, 0.1, -1e300, .infinity, .nan, 0x1p-149, 0x1p-150]
        var numbers = [Float](repeating: 7, count: exact.count)
        var tally = Tally()
        try exact.withUnsafeBytes { source in
            try numbers.withUnsafeMutableBufferPointer { try DType.f64.decode(source, into: $0, tally: &tally) }
        }
        let bits = [0x3FC0_0000, 0x8000_0000, 0x3DCC_CCCD, 0xFF80_0000, 0x7F80_0000, 0x7FC0_0000, 1, 0] as [UInt32]
        #expect(numbers.map(\.bitPattern) == bits)
        #expect(tally.roundedCount == 3)
        #expect(tally.overflowCount == 1)
    }

    /// Integers are carried, never computed with; nor are those floats whose order within their bytes nobody has defined.
    @Test func typesThatAreOnlyCarried() throws {
        let carried = DType.all.filter { $0.kind == .integer || $0.kind == .complex } + [.bool, .f6e2m3, .f6e3m2]
        #expect(carried.count == 12)
        for dtype in carried {
            #expect(!dtype.isDecodable && !dtype.isEncodable)
            expectRejection(.unsupported, "numbers stored as \(dtype) cannot be converted yet") {
                var tally = Tally()
                try [UInt8](repeating: 0, count: dtype.blockBytes).withUnsafeBytes { source in
                    var numbers = [Float](repeating: 0, count: dtype.blockElements)
                    try numbers.withUnsafeMutableBufferPointer { try dtype.decode(source, into: $0, tally: &tally) }
                }
            }
        }
    }
}
