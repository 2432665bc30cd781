import Recast
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Results go to standard output, everything else to standard error. Nothing that a file says reaches either as it is.
///
/// A result that cannot be written is an error; a message that cannot be is lost, as there is nowhere else to say it.
enum Console {
    /// - Throws: `inputOutput`.
    static func result(_ text: TerminalText) throws(RecastError) { try stream(text + "\n") }

    /// The one JSON document of a command.
    ///
    /// - Throws: `inputOutput`.
    static func document(_ json: JSON) throws(RecastError) {
        hasDocument.store(true, ordering: .relaxed)
        try stream(TerminalText(verbatim: json.text(.indented, escaping: .terminalControls) + "\n"))
    }

    /// Whether a command's document has been written, or has been tried to.
    static let hasDocument = Atomic<Bool>(false)

    /// Part of a line, at once.
    ///
    /// - Throws: `inputOutput`.
    static func stream(_ text: TerminalText) throws(RecastError) { try output(Array(text.string.utf8)) }

    /// Bytes as they are, for what is no terminal.
    ///
    /// - Throws: `inputOutput`.
    static func streamToFile(_ bytes: [UInt8]) throws(RecastError) { try output(bytes) }

    static func error(_ error: RecastError) {
        message(([error.headline] + error.details).map(TerminalText.init(escaping:)).joined(separator: "\n  "), "error")
    }

    static func warning(_ text: String) { message("\(text)", "warning") }

    static func note(_ text: String) { message("\(text)", "note") }

    private static func message(_ text: TerminalText, _ kind: TerminalText) { showError(kind + ": " + text + "\n") }

    static func showError(_ text: TerminalText) { _ = write(Array(text.string.utf8), to: STDERR_FILENO) }

    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

// MARK: The descriptors

extension Console {
    /// Whether whoever has read standard output has gone, and the way of programs then is to end without a word.
    private static let readerHasGone = Atomic<Bool>(false)
    private static let ignoresClosedPipes = Atomic<Bool>(false)

    /// To be called before anything is opened.
    static func prepare() {
        // The number of a standard descriptor that is closed would go to the next file that is opened, and results into it.
        // In its place stands one that cannot be used in its direction.
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
        // A message to a pager that has been left must not end a conversion half-way.
        let former = signal(SIGPIPE, SIG_IGN)
        let isIgnored = unsafeBitCast(former, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
        ignoresClosedPipes.store(isIgnored, ordering: .relaxed)
    }

    /// To be called when all is written: some file systems say only now that it was not.
    ///
    /// - Throws: `inputOutput`.
    static func finish() throws(RecastError) {
        if close(STDOUT_FILENO) != 0 { throw problem(errno) }
    }

    /// Ends the process: by SIGPIPE, as without handling it, where the reader of standard output has gone.
    static func end(_ status: Int32) -> Never {
        if readerHasGone.load(ordering: .relaxed) {
            signal(SIGPIPE, SIG_DFL)
            raise(SIGPIPE)
        }
        exit(status)
    }

    private static func output(_ bytes: [UInt8]) throws(RecastError) {
        guard let number = write(bytes, to: STDOUT_FILENO) else { return }
        if number == EPIPE, !ignoresClosedPipes.load(ordering: .relaxed) {
            readerHasGone.store(true, ordering: .relaxed)
        }
        throw problem(number)
    }

    private static func problem(_ number: Int32) -> RecastError {
        RecastError(.inputOutput, "cannot write: \(String(cString: strerror(number)))", trail: ["standard output"])
    }

    /// Whether `error` needs no words, as nobody is there to read what it is about.
    static func isSilent(_ error: RecastError) -> Bool {
        error.code == .inputOutput && readerHasGone.load(ordering: .relaxed)
    }

    /// - Returns: the error's number; nil where all is written.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { platformWrite(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count >= 0 {
                done += count
            } else if errno == EAGAIN {
                // A descriptor that others have made non-blocking.
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&request, 1, -1) < 0, errno != EINTR { return errno }
            } else if errno != EINTR {
                return errno
            }
        }
        return nil
    }
}

private func platformWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

/// The progress of one piece of work on standard error: a bar on a terminal, a line every few seconds elsewhere.
final class ProgressDisplay: Sendable {
    private struct State {
        /// When it was first shown something.
        var start: ContinuousClock.Instant?
        var last: ContinuousClock.Instant?
        var hasBar = false
    }

    private let title: String
    private let unit: Unit
    private let state = Mutex(State())

    enum Unit { case bytes, fraction }

    init(_ title: String, unit: Unit = .bytes) {
        self.title = title
        self.unit = unit
    }

    func show(_ progress: Progress) {
        let line = state.withLock { state -> TerminalText? in
            let now = ContinuousClock.now
            let start = state.start ?? now
            state.start = start
            let pause: Duration = Console.errorIsTerminal ? .milliseconds(100) : .seconds(3)
            guard (state.last ?? start).duration(to: now) > pause, progress.done < progress.total else {
                return nil
            }
            state.last = now
            let seconds = start.duration(to: now).seconds
            let fraction = Double(progress.done) / Double(max(1, progress.total))
            let left = fraction > 0 ? Int((seconds / fraction - seconds).rounded()) : 0
            var text: TerminalText = "\(title) \(Int(fraction * 100)) %"
            if unit == .bytes {
                text += ", \(Format.bytes(progress.done)) of \(Format.bytes(progress.total))"
                text += ", \(Format.bytes(Int(Double(progress.done) / max(seconds, 0.001))))/s"
            }
            text += ", \(left) s left"
            guard Console.errorIsTerminal else { return text + "\n" }
            state.hasBar = true
            let filled = Int(fraction * 30)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 30 - filled)
            return "\r\u{1B}[K\(bar) \(text)"
        }
        if let line { Console.showError(line) }
    }

    /// Takes the bar away.
    func finish() {
        let hadBar = state.withLock { state in
            defer { state.hasBar = false }
            return state.hasBar
        }
        if hadBar { Console.showError("\r\u{1B}[K") }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
