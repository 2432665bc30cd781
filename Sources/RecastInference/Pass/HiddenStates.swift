import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

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
        let count = range.count * columns
        switch storage {
        case .memory(let buffer): try body(buffer.base + range.lowerBound * columns)
        case .file(let file):
            if (staging?.count ?? 0) < count { staging = FloatBuffer(count: count) }
            let rows = staging!.base
            let bytes = UnsafeMutableRawBufferPointer(start: rows, count: count * 4)
            let offset = range.lowerBound * columns * 4
            if access != .write { try file.read(into: bytes, at: offset) }
            try body(rows)
            if access != .read { try file.write(UnsafeRawBufferPointer(bytes), at: offset) }
        }
    }
}

/// A file that has no name, so that it cannot outlive the process.
final class ScratchFile: Sendable {
    private let descriptor: Int32
    private let directory: String

    init(directory: String) throws(RecastError) {
        var path = Array((directory + "/recast.XXXXXX").utf8CString)
        descriptor = mkstemp(&path)
        self.directory = directory
        guard descriptor >= 0 else { throw Self.failure("create a temporary file", directory) }
        unlink(path)
    }

    deinit { close(descriptor) }

    private static func failure(_ action: String, _ directory: String) -> RecastError {
        RecastError(.inputOutput, "cannot \(action): \(String(cString: strerror(errno)))", trail: [directory])
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("read a temporary file", directory) }
            done += count
        }
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let count = pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure("write a temporary file", directory) }
            done += count
        }
    }
}
