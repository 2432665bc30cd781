import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How a pass may use the machine, and who hears of it.
public struct PassOptions: Sendable {
    /// Threads. Results are the same for any number.
    public var workers: Int
    public var precision: Precision
    /// Bytes of hidden states (tokens × hidden size × 4) that may be kept in memory; more go to a temporary file. One layer's
    /// weights in float32 and each worker's buffers come on top; what is kept between the stages of an observed pass counts
    /// like hidden states.
    public var maximumMemory: Int
    /// Where the temporary file is made; it has no name and goes with the process.
    public var temporaryDirectory: String
    /// Called after each piece of work, by one thread at a time.
    public var progress: (@Sendable (Progress) -> Void)?
    /// Asked before each piece of work, by any thread; true ends the pass with `interrupted`.
    public var isCancelled: (@Sendable () -> Bool)?

    public init(
        workers: Int = 1, precision: Precision = .exact, maximumMemory: Int = 4 << 30,
        temporaryDirectory: String? = nil,
        progress: (@Sendable (Progress) -> Void)? = nil, isCancelled: (@Sendable () -> Bool)? = nil
    ) {
        self.workers = workers
        self.precision = precision
        self.maximumMemory = maximumMemory
        // Not /tmp: that is often kept in memory, which is what a spilled sample is to be spared.
        self.temporaryDirectory =
            temporaryDirectory ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
        self.progress = progress
        self.isCancelled = isCancelled
    }
}
