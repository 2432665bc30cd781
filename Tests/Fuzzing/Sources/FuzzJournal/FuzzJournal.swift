import FuzzSupport

@testable import Recast
@testable import RecastTensors

/// Journals, and records of commits, whose lines are damaged, or have checksums that are right and say anything.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJournal(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    let forged = bytes.split(separator: 10, omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
    for lines in [ChecksummedLines.lines(in: bytes), forged] {
        if let content = Journal.content(of: lines) {
            for tally in content.finished.values {
                for piece in tally.written where piece.lies(within: 1 << 40) && piece.offset > 1 << 40 {
                    fatalError("a piece beyond the end of its file")
                }
            }
        }
        if let record = CommitRecord(lines: lines) {
            guard CommitRecord(lines: ChecksummedLines.lines(in: ChecksummedLines.bytes(record.lines))) == record else {
                fatalError("a record that was written reads as another")
            }
        }
    }
    return 0
}

@_cdecl("FuzzJournal_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzJournal($0, $1) }
}
