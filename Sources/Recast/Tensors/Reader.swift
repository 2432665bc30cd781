/// What one worker needs to read tensors: the files, reusable buffers, and a tally of what happened to the numbers.
public struct Reader: ~Copyable {
    let files: FilePool
    let scratch = Scratch()
    public var tally = Tally()

    public init(files: FilePool) { self.files = files }
}

/// What happened to numbers on their way; added up over jobs, in the order of the jobs.
public struct Tally: Sendable, Hashable, Codable {
    /// Finite numbers that became infinite because the type cannot hold them.
    public var overflowCount = 0
    /// Numbers that the type holds only after rounding.
    public var roundedCount = 0
    /// Blocks whose scale became infinite, and with it all their numbers.
    public var lostBlockCount = 0
    /// Scales and minima of re-packed weights that their new type holds only after rounding.
    public var roundedScaleCount = 0
    /// NaNs and infinities where an encoding needs numbers.
    public var nonfiniteCount = 0

    public init() {}

    public static func += (sum: inout Tally, other: Tally) {
        sum.overflowCount += other.overflowCount
        sum.roundedCount += other.roundedCount
        sum.lostBlockCount += other.lostBlockCount
        sum.roundedScaleCount += other.roundedScaleCount
        sum.nonfiniteCount += other.nonfiniteCount
    }
}

/// Buffers that are used again, so that reading does not allocate.
final class Scratch {
    private var free: [UnsafeMutableRawBufferPointer] = []

    deinit { free.forEach { $0.deallocate() } }

    /// A buffer of at least `byteCount` bytes, cut to that size, with undefined content.
    func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let fitting = free.indices.filter { free[$0].count >= byteCount }.min { free[$0].count < free[$1].count }
        if let fitting { return free.remove(at: fitting) }
        if let smaller = free.popLast() { smaller.deallocate() }
        return .allocate(byteCount: byteCount.aligned(to: 4096), alignment: 64)
    }

    func give(_ buffer: UnsafeMutableRawBufferPointer) { free.append(buffer) }
}

extension Reader {
    /// Lends `body` a buffer of `byteCount` bytes.
    mutating func withScratch<Result>(
        _ byteCount: Int, _ body: (inout Reader, UnsafeMutableRawBufferPointer) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let buffer = scratch.take(byteCount)
        defer { scratch.give(buffer) }
        return try body(&self, UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount]))
    }
}
