internal import CKernels

/// Ctrl-C, and a request to terminate: noticed by long work at its next step. A second one kills.
public enum Interruption {
    public static func catchSignals() { ck_catch_interrupts() }

    public static var hasCome: Bool { ck_interrupted() != 0 }

    /// Runs what cannot look for the signal and has nothing to clean up: it ends the process there and then.
    static func endingAtOnce<Result>(_ body: () -> Result) -> Result {
        ck_ends_at_once(1)
        defer { ck_ends_at_once(-1) }
        return body()
    }

    /// - Throws: `interrupted` where it has come.
    package static func check() throws(RecastError) {
        if hasCome { throw RecastError(.interrupted, "interrupted") }
    }
}
