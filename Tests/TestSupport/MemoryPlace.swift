import Foundation
import Recast
import Synchronization

/// Files that are in memory and nowhere else, under names with slashes.
package struct MemoryPlace: FilePlace {
    package static let scheme = "memory"

    /// All kinds of places, and this one.
    package static let places = Places([MemoryPlace.self, Directory.self, Archive.self])

    package let path: String
    package var name: String { Path.name(path) }
    package var reference: PlaceReference { PlaceReference(scheme: Self.scheme, path: path) }

    fileprivate struct File {
        var bytes: [UInt8]
        var version = 0
    }

    private static let stored = Mutex<[String: [String: File]]>([:])

    package init(opening path: String) throws(RecastError) {
        guard Self.stored.withLock({ $0[path] != nil }) else {
            throw RecastError(.inputMissing, "is not there any more", trail: [path])
        }
        self.path = path
    }

    package static func found(at path: String) throws(RecastError) -> MemoryPlace? {
        path.hasPrefix("memory:") ? try MemoryPlace(opening: path) : nil
    }

    /// - Parameter name: what the model is called.
    package init(_ name: String, _ files: [String: [UInt8]]) {
        path = "memory:\(UUID())/\(name)"
        let path = path
        Self.stored.withLock { $0[path] = files.mapValues { File(bytes: $0) } }
    }

    /// All files of a directory, and of the folders in it.
    package init(copying directory: String) {
        var files: [String: [UInt8]] = [:]
        for name in FileManager.default.enumerator(atPath: directory)?.compactMap({ $0 as? String }) ?? [] {
            var isDirectory: ObjCBool = false
            let path = directory + "/" + name
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue,
                let bytes = FileManager.default.contents(atPath: path)
            else { continue }
            files[name] = [UInt8](bytes)
        }
        self.init(Path.name(directory), files)
    }

    /// The bytes of all files by their names.
    package var contents: [String: [UInt8]] { files.mapValues(\.bytes) }

    /// Changes a byte, which gives the file another tag.
    package func damage(_ name: String, at offset: Int) {
        Self.stored.withLock { stored in
            stored[path]?[name]?.bytes[offset] ^= 0x5A
            stored[path]?[name]?.version += 1
        }
    }

    private var files: [String: File] { Self.stored.withLock { $0[path] } ?? [:] }

    package func names(in folder: String?) -> [String] {
        let prefix = folder.map { $0 + "/" } ?? ""
        let inside = files.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count) }
        return Set(inside.map { String($0.prefix { $0 != "/" }) })
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    package func status(of name: String) -> PlaceStatus? {
        let files = files
        if let file = files[name] {
            return PlaceStatus(isDirectory: false, byteCount: file.bytes.count, tag: "\(file.version)")
        }
        guard files.keys.contains(where: { $0.hasPrefix(name + "/") }) else { return nil }
        return PlaceStatus(isDirectory: true, byteCount: 0, tag: "")
    }

    package func source(of name: String) throws(RecastError) -> any ByteSource {
        guard let file = files[name] else {
            throw RecastError(.inputMissing, "is not there", trail: [Path.join(path, name)])
        }
        return MemoryFile(self, name, file)
    }
}

private final class MemoryFile: ByteSource {
    let file: SourceFile
    private let bytes: [UInt8]

    init(_ place: MemoryPlace, _ name: String, _ file: MemoryPlace.File) {
        bytes = file.bytes
        self.file = SourceFile(place: place.reference, name: name, byteCount: bytes.count, tag: "\(file.version)")
    }

    var name: String { file.path }
    var byteCount: Int { bytes.count }
    var descriptor: Int32? { nil }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        guard offset >= 0, offset <= bytes.count, buffer.count <= bytes.count - offset else {
            throw RecastError(.inputOutput, "is read beyond its end", trail: [name])
        }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count]))
        }
    }
}
