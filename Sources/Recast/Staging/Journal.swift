/// Which jobs of a plan are done and on the disk, in a text file beside the staged destination, so that an interrupted
/// conversion can be completed.
///
/// The first lines name the plan, the state of its sources, and the staged files; each further line is a finished job with
/// its tally. A line that is not whole is none.
struct Journal: ~Copyable {
    static let name = "journal"

    private let sink: FileSink
    private var byteCount: Int
    private let key: Key
    /// Jobs that an earlier run has finished.
    let finished: [Int: Tally]

    /// What a journal belongs to.
    struct Key: Sendable, Hashable {
        var plan: UInt64
        /// The sources as they were.
        var sources: UInt64

        init(_ plan: Plan) { (self.plan, sources) = (plan.fingerprint, plan.sourcesFingerprint) }

        fileprivate init?(_ line: String) {
            let words = line.split(separator: " ")
            guard words.count == 7, words[0...3].joined(separator: " ") == Self.title, words[5] == "sources",
                let plan = UInt64(words[4], radix: 16), let sources = UInt64(words[6], radix: 16)
            else { return nil }
            (self.plan, self.sources) = (plan, sources)
        }

        fileprivate static let title = "recast journal 2 plan"
        fileprivate var line: String {
            "\(Self.title) \(String(plan, radix: 16)) sources \(String(sources, radix: 16))"
        }
        /// Stands in every line, so that none can be taken for one of another plan.
        fileprivate var mark: String { String(plan ^ sources, radix: 16) }
    }

    /// What an earlier run has left.
    struct Content: Sendable {
        var key: Key
        /// The staged files, by output.
        var files: [Int: (identity: FileIdentity, byteCount: Int)] = [:]
        var finished: [Int: Tally] = [:]
    }

    /// Reads the lines of a journal: of those that are not whole, or say what cannot be, none counts.
    ///
    /// - Returns: nil where they do not begin as a journal's.
    static func content(of lines: [String]) -> Content? {
        guard let first = lines.first, let key = Key(first) else { return nil }
        var content = Content(key: key)
        for line in lines.dropFirst() {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count > 2, words[1] == key.mark else { continue }
            if words[0] == "file", words.count == 6, let output = Int(words[2]), output >= 0,
                let identity = FileIdentity(words[3], words[4]), let byteCount = Int(words[5]), byteCount >= 0
            {
                content.files[output] = (identity, byteCount)
            } else if words[0] == "job" {
                let numbers = words.dropFirst(2).map { Int($0) }
                guard let job = numbers[0], job >= 0, !numbers.contains(nil),
                    let tally = Tally(numbers: numbers.dropFirst().compactMap { $0 })
                else { continue }
                content.finished[job] = tally
            }
        }
        return content
    }

    /// Begins the journal of a plan, in the place of any that was there.
    ///
    /// - Parameters:
    ///   - files: the staged files, by output.
    ///   - finished: jobs that are done.
    init(
        in folder: StagingFolder, _ key: Key, files: [(identity: FileIdentity, byteCount: Int)], finished: [Int: Tally]
    ) throws(RecastError) {
        let names = files.enumerated().map { output, file in
            "file \(key.mark) \(output) \(file.identity.device) \(file.identity.inode) \(file.byteCount)"
        }
        let jobs = finished.sorted { $0.key < $1.key }.map { Self.line($0.key, $0.value, key) }
        (sink, byteCount) = try folder.write([key.line] + names + jobs, to: Self.name)
        self.key = key
        self.finished = finished
    }

    /// Records jobs whose output has been synchronised.
    mutating func record(_ jobs: [(job: Int, tally: Tally)]) throws(RecastError) {
        let bytes = ChecksummedLines.bytes(jobs.map { Self.line($0.job, $0.tally, key) })
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: byteCount) }
        byteCount += bytes.count
        try sink.synchronize()
    }

    private static func line(_ job: Int, _ tally: Tally, _ key: Key) -> String {
        (["job", key.mark, String(job)] + tally.numbers.map(String.init)).joined(separator: " ")
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

    fileprivate init?(numbers: [Int]) {
        guard numbers.count >= 10, (numbers.count - 10) % 6 == 0, numbers[..<6].allSatisfy({ $0 >= 0 }) else {
            return nil
        }
        self.init()
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

extension WrittenBytes {
    /// Whether all of it lies in a file of that size; false for numbers that are no place at all.
    func lies(within byteCount: Int) -> Bool {
        guard offset >= 0, rowByteCount >= 0, rowCount > 0, stride >= rowByteCount,
            let rows = stride.multiplied(checked: rowCount - 1), let first = offset.adding(checked: rows),
            let end = first.adding(checked: rowByteCount)
        else { return false }
        return end <= byteCount
    }
}

extension Plan {
    /// A number that two plans share only if they write the same bytes from files of the same names (FNV-1a, 64 bits).
    var fingerprint: UInt64 {
        var hash = Fingerprint()
        // Another version may cut a plan into other jobs.
        hash.add(Version.recast)
        for source in sources { hash.add("\(source.path);") }
        for output in outputs {
            hash.add("\(output.name)|\(output.byteCount);")
            for literal in output.literals { hash.add(literal.bytes) }
        }
        for transfer in transfers {
            hash.add("\(transfer.source)|\(transfer.encoding)|\(transfer.method)|\(transfer.targets)")
            if let importance = transfer.importance { hash.add("|\(importance)") }
            hash.add(";")
        }
        return hash.value
    }

    /// A number that tells whether the sources are those that were there.
    var sourcesFingerprint: UInt64 {
        var hash = Fingerprint()
        for source in sources {
            hash.add("\(source.place)|\(source.name)|\(source.byteCount)|\(source.tag);")
        }
        return hash.value
    }
}
