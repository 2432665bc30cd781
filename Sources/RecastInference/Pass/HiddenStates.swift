import Recast

/// A matrix with a row for each token of the sample: in memory, or in a file without a name that goes with it.
final class HiddenStates: Sendable {
    let rows: Int
    let columns: Int
    private let storage: Storage

    private enum Storage: Sendable {
        case memory(FloatBuffer)
        case file(ScratchFile)
    }

    /// - Parameter maximumMemory: in bytes; what needs more goes to a file in `directory`.
    init(rows: Int, columns: Int, maximumMemory: Int, directory: String) throws(RecastError) {
        self.rows = rows
        self.columns = columns
        let byteCount = rows * columns * 4
        storage =
            byteCount <= maximumMemory
            ? .memory(FloatBuffer(count: rows * columns)) : .file(try ScratchFile(directory: directory))
    }

    /// What of it is in memory.
    var memoryByteCount: Int {
        if case .memory(let buffer) = storage { buffer.count * 4 } else { 0 }
    }

    enum Access {
        case none
        case read
        case write
        case update
    }

    /// Lends `body` some consecutive rows. Different rows may be lent at the same time.
    ///
    /// - Parameter staging: holds the rows while they are away from the file.
    func withRows(
        _ range: Range<Int>, _ access: Access, staging: inout FloatBuffer?,
        _ body: (UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        if let place = place(of: range.lowerBound) { return try body(place) }
        let count = range.count * columns
        if (staging?.count ?? 0) < count { staging = FloatBuffer(count: count) }
        let rows = staging!.base
        if access == .read || access == .update { try load(count, from: range.lowerBound, into: rows) }
        try body(rows)
        if access == .write || access == .update { try store(count, to: range.lowerBound, from: rows) }
    }

    /// Where a row and those after it are; nil where they are in a file.
    func place(of row: Int) -> UnsafeMutablePointer<Float>? {
        if case .memory(let buffer) = storage { buffer.base + row * columns } else { nil }
    }

    /// Reads numbers from the beginning of a row; does nothing where these are in memory, and so in their place.
    func load(_ count: Int, from row: Int, into target: UnsafeMutablePointer<Float>) throws(RecastError) {
        guard case .file(let file) = storage else { return }
        try file.read(
            into: UnsafeMutableRawBufferPointer(start: target, count: count * 4), at: row * columns * 4)
    }

    /// Writes numbers from the beginning of a row; does nothing where these are in memory, and so in their place.
    func store(_ count: Int, to row: Int, from source: UnsafePointer<Float>) throws(RecastError) {
        guard case .file(let file) = storage else { return }
        try file.write(UnsafeRawBufferPointer(start: source, count: count * 4), at: row * columns * 4)
    }
}
