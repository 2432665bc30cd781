import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The file that answers are appended to, in order. Beside it stands, until all is answered, what they were made with, so that
/// a run goes on only with what is the same.
final class AnswerFile {
    private let path: String
    private let mark: String
    private let descriptor: Int32
    private var end: Int
    /// Answers that are in the file.
    private(set) var count: Int
    /// Those of them that are failures.
    private(set) var failures: [Int] = []

    /// - Parameter inputs: what is read, which no answers may take the place of.
    init(
        _ path: String, fingerprint: String, lines: [PromptLine], besides inputs: [String], resumes: Bool,
        replaces: Bool
    ) throws(RecastError) {
        self.path = path
        mark = path + ".recast-infer"
        let exists = try POSIX.exists(path)
        if exists, let there = try POSIX.target(path) {
            for input in inputs where try POSIX.target(input).map({ $0.isSameFile(as: there) }) ?? false {
                throw RecastError(.destinationExists, "is what is read itself", trail: [path])
            }
        }
        if exists, !resumes, !replaces {
            throw RecastError(
                .destinationExists, "exists already; --resume goes on behind it, --force replaces it", trail: [path])
        }
        var kept: (count: Int, end: Int) = (0, 0)
        if exists, resumes {
            guard try POSIX.exists(mark) else {
                throw RecastError(
                    .usage, "is not of a run that was interrupted; --force replaces it", trail: [path])
            }
            guard try FileSource.contents(of: mark, limit: 1 << 16) == Array(fingerprint.utf8) else {
                throw RecastError(
                    .usage, "was made by another model or with other options; --force replaces it", trail: [path])
            }
            kept = try Self.whole(path, lines, &failures)
        }
        (count, end) = kept
        descriptor = try POSIX.open(path, O_RDWR | O_CREAT | (resumes ? 0 : O_TRUNC))
        // Half a line is what is left of a run that was killed.
        try POSIX.setSize(descriptor, end, path: path)
        let isMarked = try POSIX.exists(mark)
        if !resumes || !isMarked {
            _ = POSIX.remove(mark)
            let file = try FileSink(creating: mark)
            try Array(fingerprint.utf8).withBytes { (bytes) throws(RecastError) in try file.write(bytes, at: 0) }
        }
    }

    deinit { close(descriptor) }

    /// The whole lines of a file, each an answer to the line of its number.
    private static func whole(
        _ path: String, _ lines: [PromptLine], _ failures: inout [Int]
    ) throws(RecastError) -> (count: Int, end: Int) {
        let bytes = try FileSource.contents(of: path, limit: 1 << 32)
        var (count, start) = (0, 0)
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard let json = try? JSON(parsing: Array(bytes[start..<end]), file: path), let answer = PromptAnswer(json),
                answer.index == count, count < lines.count, answer.id == lines[count].id
            else {
                throw RecastError(
                    .malformedInput,
                    "line \(count + 1) is no answer to line \(lines.indices.contains(count) ? lines[count].number : count + 1) of the prompts",
                    trail: [path])
            }
            if answer.isFailure { failures.append(count) }
            (count, start) = (count + 1, end + 1)
        }
        return (count, start)
    }

    func append(_ answer: PromptAnswer) throws(RecastError) {
        precondition(answer.index == count)
        let line = Array((answer.line.text() + "\n").utf8)
        try line.withBytes { (bytes) throws(RecastError) in
            try POSIX.write(descriptor, bytes, at: end, path: path)
        }
        end += line.count
        count += 1
    }

    /// Nothing is left to go on with.
    func finish() throws(RecastError) {
        try POSIX.synchronize(descriptor, path: path)
        _ = POSIX.remove(mark)
    }
}
