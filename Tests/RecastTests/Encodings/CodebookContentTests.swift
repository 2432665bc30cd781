import TestSupport
import Testing

@testable import RecastTensors

/// Blocks of codewords taken apart and put together.
@Suite struct CodebookContentTests {
    static let types: [DType] = [.iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s]

    @Test(arguments: types) func blocksAreTheirContent(_ dtype: DType) throws {
        let type = try #require(dtype.codebookBlock)
        var random = SeededGenerator(seed: 7)
        for _ in 0..<50 {
            var content = CodebookContent(unit: 0.0078125, of: type)
            let multiples = [.iq1_s, .iq1_m].contains(dtype) ? 8 : 16
            for i in content.multiples.indices {
                content.multiples[i] = Int.random(in: 0..<multiples, using: &random)
            }
            for i in content.entries.indices {
                content.entries[i] = Int.random(in: 0..<type.entryCount, using: &random)
            }
            for i in content.signs.indices {
                switch type.signs {
                case .free: content.signs[i] = Int.random(in: 0..<256, using: &random)
                case .even: content.signs[i] = Int.random(in: 0..<128, using: &random)
                case .sides(let count):
                    content.signs[i] =
                        i % (count / 8) == 0 ? Int.random(in: 0...1, using: &random) : content.signs[i - 1]
                }
            }
            var bytes = [UInt8](repeating: 0, count: type.blockByteCount)
            bytes.withUnsafeMutableBytes { type.write(content, into: $0.baseAddress!) }
            #expect(bytes.withUnsafeBytes { type.read($0.baseAddress!) } == content)
            let numbers = (0..<256).map { type.number(content, $0) }
            #expect(
                numbers == bytes.withUnsafeBytes { block in (0..<256).map { type.element($0, of: block.baseAddress!) } }
            )
            // Whatever the bytes, nothing of them is lost.
            for i in bytes.indices where i > 1 { bytes[i] = UInt8.random(in: 0...255, using: &random) }
            var again = [UInt8](repeating: 0, count: bytes.count)
            let read = bytes.withUnsafeBytes { type.read($0.baseAddress!) }
            again.withUnsafeMutableBytes { type.write(read, into: $0.baseAddress!) }
            #expect(again == bytes || dtype == .iq1_m && !read.unit.isFinite)
        }
    }
}
