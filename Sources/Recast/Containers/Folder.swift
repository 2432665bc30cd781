/// Files beside each other, as a checkpoint consists of them: those of a place, or of a folder in it.
package struct Folder: Sendable {
    let place: any FilePlace
    /// Whose files are taken for those that the place lacks.
    private let surroundings: (any FilePlace)?
    /// The folder in the place; nil for all of it.
    private let inner: String?

    package init(_ place: any FilePlace) {
        self.place = place
        surroundings = place.surroundings
        inner = nil
    }

    private init(_ place: any FilePlace, inner: String) {
        self.place = place
        surroundings = nil
        self.inner = inner
    }

    package init(directory path: String) { self.init(Directory(opening: path)) }

    /// The directory that a file lies in.
    package init(containing path: String) {
        let bare = !path.utf8.contains(UInt8(ascii: "/"))
        self.init(directory: bare ? "" : Path.directory(path))
    }

    /// Whatever place there is under a path; a directory, which cannot be read, where there is none.
    package init(path: String, places: Places = .standard) throws(RecastError) {
        self.init(try places.found(at: path) ?? Directory(opening: path))
    }

    /// The place and the folder in it, for messages.
    package var path: String {
        guard let inner else { return place.reference.path.isEmpty ? "." : place.reference.path }
        return Path.join(place.reference.path, inner)
    }

    /// What the model in it is called.
    package var name: String {
        HubCache.modelName(ofSnapshot: path) ?? inner.map(Path.name) ?? (surroundings ?? place).name
    }
}

// MARK: Folders

extension Folder {
    func folder(_ name: String) -> Folder { Folder(place, inner: within(name)) }

    /// The folder around it; nil where there is none to look into.
    var enclosing: Folder? {
        guard let inner else { return place.enclosing.map { Folder($0) } }
        let outer = Path.split(inner).directory
        return outer.isEmpty ? Folder(place) : Folder(place, inner: outer)
    }

    private func within(_ name: String) -> String { inner.map { Path.join($0, name) } ?? name }
}

// MARK: Files

extension Folder {
    /// The names in the folder, or in a folder inside it, in the order of their bytes.
    func names(in folder: String? = nil) throws(RecastError) -> [String] {
        let own = try place.names(in: folder.map(within) ?? inner)
        guard let surroundings else { return own }
        let isThere = folder.map { surroundings.status(of: $0)?.isDirectory == true } ?? true
        let beside = isThere ? try surroundings.names(in: folder) : []
        // The place itself stands there, too.
        let itself = Path.name(place.reference.path)
        return Set(own + beside.filter { folder != nil || $0 != itself })
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    func status(of name: String) -> PlaceStatus? {
        place.status(of: within(name)) ?? surroundings?.status(of: name)
    }

    func contains(_ name: String) -> Bool { status(of: name) != nil }

    func isDirectory(_ name: String) -> Bool { status(of: name)?.isDirectory ?? true }

    /// The path that stands for a file, in messages and in lists of files.
    func path(of name: String) -> String { Path.join(holder(of: name).reference.path, within(name)) }

    /// The place that a file is in, or would be.
    private func holder(of name: String) -> any FilePlace {
        guard let surroundings else { return place }
        return place.status(of: name) == nil ? surroundings : place
    }

    func source(of name: String) throws(RecastError) -> any ByteSource {
        do throws(RecastError) { return try holder(of: name).source(of: within(name)) } catch {
            let path = path(of: name)
            guard error.code == .inputMissing, POSIX.isLink(path) else { throw error }
            throw Downloads.failure("is a link to a file that is not there", path)
        }
    }

    /// A file with weights, which must have been fetched to its end.
    ///
    /// - Throws: `inputMissing` for a file whose download has not finished.
    func weights(in name: String) throws(RecastError) -> any ByteSource {
        let source = try source(of: name)
        if contains(name + Downloads.control) {
            throw Downloads.failure("has \(name + Downloads.control) beside it", path(of: name))
        }
        return source
    }

    /// A whole small file.
    ///
    /// - Throws: `malformedInput` where it is larger than `limit`, `inputMissing` where something else stands in its place.
    func contents(of name: String, limit: Int = 1 << 28) throws(RecastError) -> [UInt8] {
        let bytes = try source(of: name).contents(limit: limit)
        // Small files are pointers, too, where nothing was fetched.
        if let failure = Downloads.failure(of: Array(bytes.prefix(512)), byteCount: bytes.count, path(of: name)) {
            throw failure
        }
        return bytes
    }
}
