/// What is to be opened as a checkpoint: a folder, or a file in it.
struct CheckpointCandidate {
    let folder: Folder
    /// The names in the folder; none where a file stands for the checkpoint, as its folder may hold anything.
    let names: [String]
    /// The file that stands for the checkpoint, open for a look at its first bytes; nil for the whole folder.
    let file: (name: String, source: any ByteSource)?

    /// - Throws: `inputMissing` or `inputOutput`.
    init(_ folder: Folder, file name: String? = nil) throws(RecastError) {
        self.folder = folder
        file = try name.map { (name) throws(RecastError) in (name, try folder.source(of: name)) }
        names = name == nil ? try folder.names() : []
    }
}

/// Whether a candidate is of a format.
enum Recognition {
    case isOfFormat
    /// What the user should hear if no other format knows it either; nil where this one has nothing to say of it.
    case isNot(RecastError?)
}

extension Checkpoint {
    /// In the order in which they are asked. A folder of ranks may hold anything else, too; a folder of weights is the least
    /// particular.
    static let formats: [any CheckpointFormat.Type] = [
        MegatronDistributed.self, MegatronRanks.self, GGUFSet.self, HuggingFaceFiles.self,
    ]

    /// The candidate as a checkpoint of the first format that recognises it.
    static func opened(
        _ candidate: CheckpointCandidate, files: inout FileList
    ) throws(RecastError) -> any CheckpointFormat {
        if let file = candidate.file, let refusal = UnreadKinds.refusal(named: file.name, in: candidate.folder) {
            throw refusal
        }
        var reason: RecastError?
        for format in formats {
            switch try format.recognition(of: candidate) {
            case .isOfFormat: return try format.init(opening: candidate, files: &files)
            case .isNot(let other): reason = reason ?? other
            }
        }
        if let reason { throw reason }
        guard let file = candidate.file else {
            throw RecastError(
                .inputMissing, "holds no checkpoint: no safetensors and no GGUF file", trail: [candidate.folder.path])
        }
        if let refusal = try UnreadKinds.refusal(of: file.source) { throw refusal }
        // What a file is by itself may show in what lies beside it.
        if let refusal = UnreadKinds.kind(of: candidate.folder, try candidate.folder.names()) { throw refusal }
        throw RecastError(
            .malformedInput, "is neither safetensors nor GGUF, and no zip of PyTorch", trail: [file.source.name])
    }
}
