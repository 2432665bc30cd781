#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which jobs of a plan are done and on the disk, in a text file beside the staged destination, so that an interrupted
/// conversion can be completed.
///
/// The first line names the plan; each further line is a finished job with its tally.
struct Journal: ~Copyable {
    private let sink: FileSink
    private var byteCount: Int
    /// Jobs that an earlier run has finished.
    let finished: [Int: Tally]

    /// Opens or begins the journal of a plan.
    ///
    /// - Parameter isTrue: whether the staged files are still those that the journal speaks of.
    /// - Throws: `usage` where the journal belongs to another plan.
    init(path: String, plan: Plan, isTrue: Bool) throws(RecastError) {
        let title = "recast plan \(String(plan.fingerprint, radix: 16))"
        var finished: [Int: Tally] = [:]
        if POSIX.status(path) != nil {
            let lines = String(decoding: try FileSource.contents(of: path), as: UTF8.self)
                .split(separator: "\n", omittingEmptySubsequences: false)
            guard lines.first.map(String.init) == title else {
                throw RecastError(
                    .usage,
                    "belongs to a conversion with other options or another source; remove it, or leave out "
                        + "--resume", trail: [path])
            }
            // The last line may be cut off.
            for line in isTrue ? lines.dropFirst().dropLast() : [] {
                let numbers = line.split(separator: " ").compactMap { Int($0) }
                guard let job = numbers.first, let tally = Tally(numbers: numbers.dropFirst()) else { continue }
                finished[job] = tally
            }
        }
        let lines = [title] + finished.sorted { $0.key < $1.key }.map { Self.line($0.key, $0.value) }
        let bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
        let sink = try FileSink(path: path)
        try sink.setSize(0)
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: 0) }
        self.sink = sink
        self.finished = finished
        byteCount = bytes.count
    }

    /// Records jobs whose output has been synchronised.
    mutating func record(_ jobs: [(job: Int, tally: Tally)]) throws(RecastError) {
        let lines = jobs.map { Self.line($0.job, $0.tally) + "\n" }
        let bytes = Array(lines.joined().utf8)
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: byteCount) }
        byteCount += bytes.count
        try sink.synchronize()
    }

    private static func line(_ job: Int, _ tally: Tally) -> String {
        ([job] + tally.numbers).map(String.init).joined(separator: " ")
    }
}

extension Tally {
    /// All of it, for the journal.
    fileprivate var numbers: [Int] {
        let counts = [
            overflowCount, roundedCount, lostBlockCount, nonfiniteCount, roundedScaleCount, lostScaleCount,
        ]
        let errors = [
            Int(bitPattern: UInt(error.squaredError.bitPattern)), Int(bitPattern: UInt(error.squaredSource.bitPattern)),
            error.count, Int(error.maximum.bitPattern),
        ]
        return counts + errors
            + written.flatMap { [$0.output, $0.offset, $0.rowByteCount, $0.rowCount, $0.stride, Int($0.checksum)] }
    }

    fileprivate init?(numbers: ArraySlice<Int>) {
        let numbers = Array(numbers)
        guard numbers.count >= 10, (numbers.count - 10) % 6 == 0 else { return nil }
        (overflowCount, roundedCount, lostBlockCount) = (numbers[0], numbers[1], numbers[2])
        (nonfiniteCount, roundedScaleCount, lostScaleCount) = (numbers[3], numbers[4], numbers[5])
        error.squaredError = Double(bitPattern: UInt64(UInt(bitPattern: numbers[6])))
        error.squaredSource = Double(bitPattern: UInt64(UInt(bitPattern: numbers[7])))
        error.count = numbers[8]
        error.maximum = Float(bitPattern: UInt32(truncatingIfNeeded: numbers[9]))
        for first in stride(from: 10, to: numbers.count, by: 6) {
            written.append(
                WrittenBytes(
                    output: numbers[first], offset: numbers[first + 1], rowByteCount: numbers[first + 2],
                    rowCount: numbers[first + 3], stride: numbers[first + 4],
                    checksum: UInt32(truncatingIfNeeded: numbers[first + 5])))
        }
    }
}

extension Plan {
    /// A number that two plans share only if they write the same bytes from the same files (FNV-1a, 64 bits).
    var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ bytes: some Sequence<UInt8>) {
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        // Another version may cut a plan into other jobs.
        add(Version.recast.utf8)
        for source in sources { add("\(source.path)|\(source.byteCount)|\(source.modified);".utf8) }
        for output in outputs {
            add("\(output.name)|\(output.byteCount);".utf8)
            for literal in output.literals { add(literal.bytes) }
        }
        for transfer in transfers {
            add("\(transfer.source)|\(transfer.encoding)|\(transfer.method)|\(transfer.targets)".utf8)
            if let importance = transfer.importance { add("|\(importance)".utf8) }
            add(";".utf8)
        }
        return hash
    }
}
