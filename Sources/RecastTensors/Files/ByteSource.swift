#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where bytes come from: a file of some place.
package protocol ByteSource: AnyObject, Sendable {
    /// What it is called in messages.
    var name: String { get }
    var byteCount: Int { get }
    /// What it takes to open it again.
    var file: SourceFile { get }
    /// A descriptor whose bytes are the source's own, at the same offsets, for copies inside the kernel.
    var descriptor: Int32? { get }
    /// Fills the buffer from `offset`; ending before is an error.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError)
}

/// A file open for reading; closed with its last reference.
package final class FileSource: ByteSource {
    package let name: String
    package let file: SourceFile
    private let handle: Int32

    package convenience init(path: String) throws(RecastError) {
        let (directory, name) = Path.split(path)
        try self.init(path: path, place: Directory(opening: directory).reference, name: name)
    }

    /// - Parameters:
    ///   - place: the directory that it is to be found in again.
    ///   - name: its name there.
    package init(path: String, place: PlaceReference, name inPlace: String) throws(RecastError) {
        // Opening a pipe would wait for its other end.
        handle = try POSIX.open(path, O_RDONLY | O_NONBLOCK)
        name = path
        do throws(RecastError) {
            let status = try POSIX.status(of: handle, path: path)
            guard !status.isDirectory else { throw RecastError(.inputMissing, "is a directory", trail: [path]) }
            guard !status.isPipe else {
                throw RecastError(.inputMissing, "is a pipe, which cannot be read at will", trail: [path])
            }
            // However the path is spelled, it is the same file when it is opened again.
            file = SourceFile(
                place: place, name: inPlace, byteCount: status.byteCount, tag: status.tag,
                localPath: Path.join(place.path, inPlace))
        } catch {
            close(handle)
            throw error
        }
    }

    deinit { close(handle) }

    package var byteCount: Int { file.byteCount }

    package var descriptor: Int32? { handle }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        try POSIX.read(handle, into: buffer, at: offset, path: name)
    }
}

extension ByteSource {
    /// A copy of some of the bytes, for headers and small files.
    package func bytes(_ range: Range<Int>) throws(RecastError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withMutableBytes { (buffer) throws(RecastError) in try read(into: buffer, at: range.lowerBound) }
        return bytes
    }

    /// All of a small file.
    ///
    /// - Throws: `malformedInput` where it is larger than `limit`.
    package func contents(limit: Int = 1 << 28) throws(RecastError) -> [UInt8] {
        guard byteCount <= limit else {
            throw RecastError(.malformedInput, "is larger than \(limit) bytes", trail: [name])
        }
        return try bytes(0..<byteCount)
    }
}

extension FileSource {
    /// nil where there is no file to be read.
    ///
    /// - Throws: `inputOutput` where there is one, and it cannot be opened.
    package static func ifPresent(_ path: String) throws(RecastError) -> FileSource? {
        do throws(RecastError) { return try FileSource(path: path) } catch {
            guard error.code == .inputMissing else { throw error }
            return nil
        }
    }

    /// A whole small file.
    ///
    /// - Throws: `malformedInput` where it is larger than `limit`.
    package static func contents(of path: String, limit: Int = 1 << 28) throws(RecastError) -> [UInt8] {
        try FileSource(path: path).contents(limit: limit)
    }
}
