#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file by its number among all files of a run. Tensors hold ids, not descriptors, so that a plan is a value and a
/// thousand files need no thousand descriptors.
package struct FileID: Hashable, Sendable, Codable {
    package let index: Int

    package init(_ index: Int) { self.index = index }
}

/// A file that tensors are read from, as it was when it was first looked at.
package struct SourceFile: Hashable, Sendable, Codable {
    package var place: PlaceReference
    /// In its place.
    package var name: String
    package var byteCount: Int
    /// A file that has another one than when it was examined is refused.
    package var tag: String
    /// The file on a disk that has the bytes, be it an archive; nil for what is on none.
    package var localPath: String?

    package init(place: PlaceReference, name: String, byteCount: Int, tag: String, localPath: String? = nil) {
        self.place = place
        self.name = name
        self.byteCount = byteCount
        self.tag = tag
        self.localPath = localPath
    }

    /// A file that is nowhere but in memory, and cannot be opened again.
    package init(path: String, byteCount: Int) {
        self.init(place: PlaceReference(scheme: "", path: ""), name: path, byteCount: byteCount, tag: "")
    }

    /// Its path in messages; that of a file in an archive begins with the archive's.
    package var path: String { Path.join(place.path, name) }

    /// Whether its bytes are in this file or directory, through whatever links.
    package func isInside(_ there: POSIX.Status) -> Bool { localPath.map { POSIX.leads($0, into: there) } ?? false }
}

extension [SourceFile] {
    /// What copies of the files may be done with, by whom: no more than with any of them, but by the owner.
    package var permissions: mode_t {
        var shared: mode_t = 0o666
        for path in Set(compactMap(\.localPath)) { shared &= POSIX.status(path)?.permissions ?? 0 }
        return shared | 0o600
    }
}
