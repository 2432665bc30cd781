import Recast
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Results go to standard output, everything else to standard error.
enum Console {
    static func result(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// Whether the one JSON document of a command has been written.
    static let hasDocument = Atomic<Bool>(false)

    static func result(_ json: JSON) {
        hasDocument.store(true, ordering: .relaxed)
        result(json.text(.indented))
    }

    /// Part of a line, at once.
    static func stream(_ bytes: [UInt8]) { write(bytes, to: STDOUT_FILENO) }

    static func error(_ message: String) { write("error: \(message)\n", to: STDERR_FILENO) }

    static func warning(_ message: String) { write("warning: \(message)\n", to: STDERR_FILENO) }

    static func note(_ message: String) { write("note: \(message)\n", to: STDERR_FILENO) }

    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    static func write(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { platformWrite(descriptor, $0.baseAddress! + done, bytes.count - done) }
            if count < 0, errno != EINTR { return }
            done += max(0, count)
        }
    }
}

private func platformWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

func endProcess(_ status: Int32) -> Never { exit(status) }

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
        let line = state.withLock { state -> String? in
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
            var text = "\(title) \(Int(fraction * 100)) %"
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
        if let line { Console.write(line, to: STDERR_FILENO) }
    }

    /// Takes the bar away.
    func finish() {
        let hadBar = state.withLock { state in
            defer { state.hasBar = false }
            return state.hasBar
        }
        if hadBar { Console.write("\r\u{1B}[K", to: STDERR_FILENO) }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
