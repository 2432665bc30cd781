/// A checkpoint as its containers give it: stored names, lazy tensors, metadata. Nothing is interpreted yet.
public struct Checkpoint: Sendable {
    /// What the user named.
    public let path: String
    /// What its format makes of it.
    let content: any CheckpointFormat
    /// Where its files lie.
    let folder: Folder
    /// The files of the run that it was opened in, through which its tensors are read.
    public let sources: FilePool
    /// Its own among them.
    package let fileIDs: [FileID]
    /// What the files say of their own bytes.
    package let checksums: [SourceChecksum]
    /// What was made of the path that the user named.
    package let notes: [String]
    /// What the user should know of what lies beside it.
    private let besides: [String]

    /// Opens what a path names: a directory (of Hugging Face or Megatron), a `.safetensors` file, a `.gguf` file, one file of
    /// a set, or an archive of any of these; the content decides. Folders that programs put around a checkpoint are gone
    /// into, with a note: ``CheckpointLocation``.
    ///
    /// - Parameter sources: the files of the run. Tensors of checkpoints that are opened with the same can be in one graph.
    /// - Throws: `inputMissing`, `malformedInput`, or `unsupported` for what is recognised but not read.
    public init(path: String, sources: FilePool = FilePool()) throws(RecastError) {
        guard let place = try sources.places.found(at: path) else {
            let folder = Folder(containing: path)
            guard folder.contains(Path.name(path)) || POSIX.isLink(path) else {
                throw HubCache.missing(path)
            }
            try self.init(folder, file: Path.name(path), path: path, sources: sources)
            return
        }
        try self.init(Folder(place), file: place.checkpointName(), path: path, sources: sources)
    }

    /// Opens what lies in a place of whatever kind.
    ///
    /// - Parameter name: the file that stands for the checkpoint; nil for all that is there.
    package init(_ place: any FilePlace, file name: String? = nil, sources: FilePool) throws(RecastError) {
        let folder = Folder(place)
        try self.init(folder, file: name, path: name.map(folder.path(of:)) ?? folder.path, sources: sources)
    }

    private init(_ folder: Folder, file name: String?, path: String, sources: FilePool) throws(RecastError) {
        var files = FileList(sources)
        let location = try CheckpointLocation(folder, file: name)
        content = try Self.opened(CheckpointCandidate(location.folder, file: location.file), files: &files)
        notes = location.notes
        besides = Downloads.warnings(beside: location.file, in: location.folder)
        self.path = path
        self.folder = location.folder
        self.sources = sources
        fileIDs = files.ids
        checksums = files.checksums
    }

    /// Its own files.
    package var ownFiles: [SourceFile] { fileIDs.map { sources[$0] } }

    /// All files of the run, by the ids with which tensors refer to them.
    package var files: [SourceFile] { sources.files }

    /// In the order of the source: by file, then by the order the reference converter reads them in.
    package var tensors: [NamedTensor] { content.tensors }

    public var warnings: [String] { content.warnings + besides }

    /// The archive that holds it all; nil where the files lie open.
    public var archive: Archive? { folder.place as? Archive }

    /// What it calls its architecture, where that is no family: it is then converted and compared by name.
    public var unknownArchitecture: String? { content.unknownArchitecture }

    /// What its format says of it.
    package var description: FormatDescription { content.description }

    /// The tensors, each quantized weight that is stored in several parts as one.
    ///
    /// - Throws: `malformedInput` where its parts contradict each other or the configuration.
    package func weights() throws(RecastError) -> [NamedTensor] {
        try content.quantizedModules(of: self)?.tensors ?? tensors
    }
}
