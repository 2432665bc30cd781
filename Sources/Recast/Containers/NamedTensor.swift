/// A tensor under the name its container gives it.
public struct NamedTensor: Sendable, Hashable, Codable {
    public var name: String
    public var tensor: LazyTensor
    /// The places in a graph that it holds, where it was lowered from one: of several roles where these are fused, of no
    /// expert where it holds all of a layer.
    var slots: [Slot] = []

    public init(_ name: String, _ tensor: LazyTensor) { self.init(name, tensor, slots: []) }

    init(_ name: String, _ tensor: LazyTensor, slots: [Slot]) {
        self.name = name
        self.tensor = tensor
        self.slots = slots
    }
}

/// The files that a checkpoint's tensors lie in, numbered as they are found.
public struct FileList: Sendable, Hashable {
    public private(set) var files: [SourceFile] = []
    private var ids: [String: FileID] = [:]
    /// What the files say of their own bytes.
    public var checksums: [SourceChecksum] = []

    public init() {}

    /// The file's id; the same for the same path.
    public mutating func add(_ source: any ByteSource) -> FileID {
        if let id = ids[source.name] { return id }
        let id = FileID(files.count)
        files.append(source.file)
        ids[source.name] = id
        return id
    }
}
