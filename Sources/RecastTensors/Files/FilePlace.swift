/// Where files lie under names: a directory, an archive; whatever can list names and give bytes.
///
/// Nothing above knows of which kind a place is. A new kind is one conformance, and its name in the `Places` of a run.
package protocol FilePlace: Sendable {
    /// Tells its kind of places from every other in what is stored of one.
    static var scheme: String { get }

    /// The place that a path of the user's stands for; nil where it stands for none of this kind.
    ///
    /// - Throws: `inputOutput` where that cannot be found out.
    static func found(at path: String) throws(RecastError) -> Self?

    /// The place that `reference.path` names.
    init(opening path: String) throws(RecastError)

    var reference: PlaceReference { get }
    /// What the model in it is called.
    var name: String { get }
    /// The place that it is a folder of; nil where there is none to look into.
    var enclosing: (any FilePlace)? { get }
    /// Where files are looked for that belong to those in it and are not among them.
    var surroundings: (any FilePlace)? { get }

    /// The file to open as a checkpoint where nothing but the place is named; nil for all of it.
    ///
    /// - Throws: `usage` where there are several.
    func checkpointName() throws(RecastError) -> String?

    /// The names in it, or in a folder inside it, in the order of their bytes.
    func names(in folder: String?) throws(RecastError) -> [String]
    /// What is under a name, with slashes for what is in folders; nil where nothing is.
    func status(of name: String) -> PlaceStatus?
    func source(of name: String) throws(RecastError) -> any ByteSource
}

extension FilePlace {
    package var enclosing: (any FilePlace)? { nil }
    package var surroundings: (any FilePlace)? { nil }
    package func checkpointName() throws(RecastError) -> String? { nil }
}

/// What it takes to find a place again.
package struct PlaceReference: Hashable, Sendable, Codable {
    package var scheme: String
    package var path: String

    package init(scheme: String, path: String) {
        self.scheme = scheme
        self.path = path
    }
}

/// What is under a name of a place.
package struct PlaceStatus: Hashable, Sendable {
    package var isDirectory: Bool
    package var byteCount: Int
    /// Another one tells that the bytes may be others: an entity tag, or what a file system knows of changes.
    package var tag: String

    package init(isDirectory: Bool, byteCount: Int, tag: String) {
        self.isDirectory = isDirectory
        self.byteCount = byteCount
        self.tag = tag
    }
}

/// The kinds of places that a run knows.
package struct Places: Sendable {
    /// In the order in which a path is shown to them.
    let kinds: [any FilePlace.Type]

    package init(_ kinds: [any FilePlace.Type]) { self.kinds = kinds }

    /// The place that a path of the user's stands for; nil where it is a file in some place, or nothing.
    package func found(at path: String) throws(RecastError) -> (any FilePlace)? {
        for kind in kinds {
            if let place = try kind.found(at: path) { return place }
        }
        return nil
    }

    /// - Throws: `unsupported` for a kind that is not known, or what opening throws.
    func open(_ reference: PlaceReference) throws(RecastError) -> any FilePlace {
        guard let kind = kinds.first(where: { $0.scheme == reference.scheme }) else {
            throw RecastError(.unsupported, "lies in a place that is not known here", trail: [reference.path])
        }
        return try kind.init(opening: reference.path)
    }
}
