import Foundation

/// A folder for the files that a reader finds beside each other. What is fuzzed is written anew for each input, so
/// `TMPDIR` should be in memory.
public final class Scene: Sendable {
    public let path: String

    /// - Parameter name: the folder in `Scenes/` that it begins as a copy of.
    public init(_ name: String? = nil) {
        var template = Array((NSTemporaryDirectory() + "/recast-fuzz-XXXXXX").utf8CString)
        path = String(cString: mkdtemp(&template))
        guard let name else { return }
        let original = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Scenes/\(name)").path
        try! FileManager.default.removeItem(atPath: path)
        try! FileManager.default.copyItem(atPath: original, toPath: path)
    }

    public func path(of name: String) -> String { path + "/" + name }

    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) -> String {
        let file = path(of: name)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        precondition(descriptor >= 0, "\(file) cannot be written")
        defer { close(descriptor) }
        precondition(Foundation.write(descriptor, bytes, bytes.count) == bytes.count, "\(file) cannot be written")
        return file
    }

    public func remove(_ name: String) { unlink(path(of: name)) }
}
