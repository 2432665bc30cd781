/// What the formats of Megatron's checkpoints have in common: all but how the tensors lie in files.
protocol MegatronFormat: CheckpointFormat {
    /// What Megatron calls the format.
    static var megatronName: String { get }
    var files: MegatronFiles { get }
}

extension MegatronFormat {
    /// Whether a folder is Megatron's, and which iteration of it is meant.
    static func iteration(of candidate: CheckpointCandidate) throws(RecastError) -> MegatronFolder? {
        guard candidate.file == nil, MegatronFolder.recognizes(candidate.names) else { return nil }
        return try MegatronFolder(candidate.folder)
    }

    var tensors: [NamedTensor] { files.tensors }
    var warnings: [String] { files.warnings }

    func lifted(from checkpoint: Checkpoint, _ options: Model.Options) throws(RecastError) -> Model {
        try Model.lift(checkpoint, files, options)
    }

    static var takesDescription: Bool { true }
    var megatron: MegatronFiles? { files }
}

// MARK: What belongs to the model

extension MegatronFormat {
    var name: String { files.name }

    /// Of the files that a conversion has taken along; Megatron's own hold none.
    func vocabulary(preTokenizer: String?, size: Int?) throws(RecastError) -> Vocabulary? {
        guard let folder = files.companions else { return nil }
        return try Checkpoint.vocabulary(in: folder, configuration: nil, size: size, preTokenizer: preTokenizer)
    }

    func tokenizerFolder() -> Folder? {
        guard let folder = files.companions, let names = try? folder.names(),
            names.contains(where: GGUFCompanions.isTokenizerFile)
        else { return nil }
        return folder
    }

    static var holdsTokenizer: Bool { false }

    /// The configuration is written anew, and the tokenizer is taken from wherever it is to come.
    func companionFiles() throws(RecastError) -> [Companion] {
        guard let folder = files.companions else { return [] }
        return try folder.names().filter { $0 != "config.json" && !GGUFCompanions.isTokenizerFile($0) }
            .map { Companion(name: $0, content: .file(folder)) }
    }

    var description: FormatDescription {
        let iteration = files.isRelease ? ", release" : files.iteration.map { ", iteration \($0)" } ?? ""
        return FormatDescription(
            name: "megatron", title: "Megatron \(Self.megatronName)\(iteration)",
            metadata: files.arguments?.texts ?? [], sizes: files.sizes, holdsReplicas: true)
    }
}

// MARK: What is written

extension MegatronFormat {
    /// Reads the ranks together again, of which no file has a tensor of the plan for itself.
    func verify(_ plan: Plan, path: String) throws(RecastError) {
        var found: [String: LazyTensor] = [:]
        for tensor in try MegatronMerging(files).tensors { found[tensor.name] = tensor.tensor }
        for transfer in plan.transfers where !transfer.slots.isEmpty {
            guard let tensor = found[transfer.name], tensor.shape == transfer.source.shape,
                tensor.dtype == transfer.encoding.dtype
            else {
                throw RecastError(.inputOutput, "\(transfer.name) was not written as planned", trail: [path])
            }
        }
    }

    /// What both formats have: a run may change from one to the other.
    static var commonDirectoryContents: DirectoryContents {
        DirectoryContents(
            names: [MegatronFolder.tracker, MegatronFiles.commonFile], companions: ["latest_wandb_artifact_path.txt"],
            isFolder: { name in
                name == MegatronFolder.release || name == MegatronFolder.companions
                    || name.hasPrefix("iter_") && name.dropFirst(5).allSatisfy(\.isWholeNumber)
            })
    }
}

/// `torch`: a file of each model-parallel rank.
struct MegatronRanks: MegatronFormat {
    static let megatronName = "torch"
    let files: MegatronFiles

    static func recognition(of candidate: CheckpointCandidate) throws(RecastError) -> Recognition {
        if let file = candidate.file {
            // A small file may be a pointer to the real one.
            guard MegatronFolder.isRankFile(file.name) else { return .isNot(nil) }
            return try TorchArchive.recognizes(file.source) ? .isOfFormat : .isNot(nil)
        }
        guard let folder = try iteration(of: candidate) else { return .isNot(nil) }
        return folder.isDistributed ? .isNot(nil) : .isOfFormat
    }

    init(opening candidate: CheckpointCandidate, files: inout FileList) throws(RecastError) {
        if let file = candidate.file {
            self.files = try MegatronFiles(rankAlone: file.name, in: candidate.folder, files: &files)
            return
        }
        self.files = try MegatronFiles(ranksIn: MegatronFolder(candidate.folder), files: &files)
    }

    static var directoryContents: DirectoryContents {
        var contents = commonDirectoryContents
        contents.names.formUnion(["model_optim_rng.pt", "model_rng.pt", "distrib_optim.pt"])
        let isShared = contents.isFolder
        contents.isFolder = { name in
            isShared(name)
                || name.hasPrefix("mp_rank_") && name.dropFirst(8).allSatisfy { $0.isWholeNumber || $0 == "_" }
        }
        return contents
    }
}

/// `torch_dist`: whole tensors, in pieces.
struct MegatronDistributed: MegatronFormat {
    static let megatronName = "torch_dist"
    let files: MegatronFiles

    static func recognition(of candidate: CheckpointCandidate) throws(RecastError) -> Recognition {
        guard let folder = try iteration(of: candidate) else { return .isNot(nil) }
        return folder.isDistributed ? .isOfFormat : .isNot(nil)
    }

    init(opening candidate: CheckpointCandidate, files: inout FileList) throws(RecastError) {
        self.files = try MegatronFiles(
            distributedIn: MegatronFolder(candidate.folder), leadingAxes: MegatronNames.leadingAxes(of:),
            unwrapped: MegatronNames.unwrapped, files: &files)
    }

    static var directoryContents: DirectoryContents {
        var contents = commonDirectoryContents
        contents.suffixes.append(".distcp")
        contents.companions.formUnion([MegatronFolder.marker, DistributedCheckpoint.descriptionName])
        return contents
    }
}
