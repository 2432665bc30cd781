#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that has no name, so that it cannot outlive the process.
package final class ScratchFile: Sendable {
    private let descriptor: Int32
    /// The name that it had, for messages.
    private let path: String

    /// - Throws: `inputOutput` where none can be made in `directory`.
    package init(directory: String) throws(RecastError) {
        var template = Array(Path.join(directory, "recast.XXXXXX").utf8CString)
        descriptor = POSIX.call(.open, directory) { _ in mkstemp(&template) }
        guard descriptor >= 0 else {
            throw RecastError(.inputOutput, "cannot create a temporary file: \(POSIX.reason)", trail: [directory])
        }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        unlink(path)
    }

    deinit { close(descriptor) }

    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        try POSIX.read(descriptor, into: buffer, at: offset, path: path)
    }

    package func write(_ buffer: UnsafeRawBufferPointer, at offset: Int) throws(RecastError) {
        try POSIX.write(descriptor, buffer, at: offset, path: path)
    }
}
