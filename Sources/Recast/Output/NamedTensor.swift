/// A tensor under the name its container gives it.
package struct NamedTensor: Sendable, Hashable, Codable {
    package var name: String
    package var tensor: LazyTensor
    /// The places in a graph that it holds, where it was lowered from one: of several roles where these are fused, of no
    /// expert where it holds all of a layer.
    var slots: [Slot] = []

    package init(_ name: String, _ tensor: LazyTensor) { self.init(name, tensor, slots: []) }

    init(_ name: String, _ tensor: LazyTensor, slots: [Slot]) {
        self.name = name
        self.tensor = tensor
        self.slots = slots
    }
}

/// The files that a checkpoint's tensors lie in, in the order in which they are found. Their ids are the run's.
package struct FileList: Sendable {
    let pool: FilePool
    /// Those of this checkpoint.
    package private(set) var ids: [FileID] = []
    private var known: Set<FileID> = []
    /// What the files say of their own bytes.
    package var checksums: [SourceChecksum] = []

    /// - Parameter pool: the files of the run.
    package init(_ pool: FilePool = FilePool()) { self.pool = pool }

    package var files: [SourceFile] { ids.map { pool[$0] } }

    /// The file's id; the same for the same file.
    package mutating func add(_ source: any ByteSource) -> FileID {
        let id = pool.add(source.file)
        if known.insert(id).inserted { ids.append(id) }
        return id
    }

    /// The places of the files in the list.
    var positions: [FileID: Int] { Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) }) }
}
