import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// What workers have read in pieces adds up to what the files say, or is known not to.
struct SourceLogTests {
    private let directory = TemporaryDirectory()

    private func checksum(_ bytes: ArraySlice<UInt8>, of file: FileID, at range: Range<Int>) -> SourceChecksum {
        var checksum = CRC32()
        Array(bytes).withUnsafeBytes { checksum.update($0) }
        return SourceChecksum(file: file, bytes: range, value: checksum.value)
    }

    @Test func piecesInAnyOrder() throws {
        var random = SeededGenerator(seed: 26)
        let bytes = (0..<2_000_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let source = try FileSource(path: directory.write("a", bytes))
        let file = FileID(0)
        let ranges = [0..<700_000, 700_000..<1_300_000, 1_300_000..<2_000_000]
        let wanted = ranges.map { checksum(bytes[$0], of: file, at: $0) }
        let log = SourceLog(wanted)
        func read(_ range: Range<Int>) throws {
            var buffer = [UInt8](repeating: 0, count: range.count)
            try buffer.withMutableBytes { (buffer) throws(RecastError) in
                try log.read(source, file, into: buffer, at: range.lowerBound)
            }
            #expect(buffer == Array(bytes[range]))
        }
        #expect(log.found(wanted) == [nil, nil, nil])
        // The first in three pieces, one of them twice; the second but for a byte; the third by copying.
        for range in [400_000..<700_000, 0..<100_000, 100_000..<400_000, 0..<100_000] { try read(range) }
        for range in [700_000..<1_000_000, 1_000_001..<1_300_000] { try read(range) }
        let sink = try FileSink(creating: directory.file("copy"))
        try log.copy(source, file, at: 1_300_000, to: sink, at: 5, count: 700_000, scratch: Scratch())
        #expect(directory.bytes("copy") == [0, 0, 0, 0, 0] + bytes[1_300_000...])
        #expect(log.found(wanted) == [wanted[0].value, nil, wanted[2].value])
    }

    @Test func whatIsNotWanted() {
        let recorded = SourceChecksum(file: FileID(1), bytes: 0..<10, value: 3)
        let unrecorded = SourceChecksum(file: FileID(2), bytes: 0..<10, value: 0)
        let log = SourceLog([recorded, unrecorded])
        #expect(log.wants(FileID(1), 1 << 20) && !log.wants(FileID(1), 100))
        #expect(!log.wants(FileID(2), 1 << 20) && !log.wants(FileID(0), 1 << 20))
    }

    /// Only what a tensor reads is looked at.
    @Test func checksumsThatCount() {
        let checksums = (0..<4).map {
            SourceChecksum(file: FileID($0 / 2), bytes: $0 % 2 * 100..<$0 % 2 * 100 + 100, value: 1)
        }
        let first = LazyTensor.stored(.u8, [50], in: FileID(0), at: 50)
        let across = LazyTensor.stored(.f32, [5, 5], in: FileID(1), at: 50)
        #expect(checksums.covering([first]) == [checksums[0]])
        #expect(checksums.covering([across.transposed(), first]) == [checksums[0], checksums[2], checksums[3]])
        #expect(checksums.covering([.zeros(.f32, [3])]).isEmpty)
    }
}
