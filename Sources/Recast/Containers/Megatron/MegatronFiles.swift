/// The files of a Megatron checkpoint.
///
/// Source: Specs/megatron.md §1.2 and §5.
package struct MegatronFiles: Sendable {
    /// Of the iteration.
    let folder: Folder
    /// What the program was told that wrote the checkpoint; nil where that is not there.
    package let arguments: MegatronArguments?
    package let iteration: Int?
    /// `checkpoint_version`, which tells in which order queries, keys and values lie.
    let version: Double
    package let sizes: ParallelSizes
    let parts: Parts
    package let tensors: [NamedTensor]
    package let warnings: [String]
    package let notes: [String]

    /// How many ranks share the model, and in which way.
    package struct ParallelSizes: Sendable, Hashable {
        package var tensor = 1
        package var pipeline = 1
        /// Virtual stages of each stage.
        package var virtualPipeline = 1
        package var expert = 1
        package var expertTensor = 1

        package init() {}

        fileprivate init(_ arguments: MegatronArguments) {
            tensor = arguments.tensorParallelSize
            pipeline = arguments.pipelineParallelSize
            expert = arguments.expertParallelSize
            // Without experts, nothing is split that way.
            expertTensor = arguments.int("num_experts") == nil ? tensor : arguments.expertTensorParallelSize
        }
    }

    /// Where the tensors are.
    enum Parts: Sendable {
        /// In a file for each model-parallel rank (the format `torch`).
        case ranks([Place: MegatronRank])
        /// Whole (the format `torch_dist`).
        case whole([StackedTensor])
    }

    /// Where a rank stands. With experts, not every place is taken.
    struct Place: Sendable, Hashable, Comparable {
        var tensor: Int
        var pipeline: Int
        var expert: Int

        static func < (a: Place, b: Place) -> Bool {
            (a.pipeline, a.expert, a.tensor) < (b.pipeline, b.expert, b.tensor)
        }
    }

    /// Tensors of several layers, or of several experts of each, that are stored as one.
    struct StackedTensor: Sendable {
        var name: String
        /// The axes that count them.
        var counts: [Int]
        var tensors: [LazyTensor]
    }

    /// The path of the iteration's folder.
    package var path: String { folder.path }

    /// What the model is called: the folder of the whole checkpoint.
    var name: String { Path.name(root.path) }

    /// Whether it is no iteration of a run.
    package var isRelease: Bool { Path.name(path) == MegatronFolder.release }

    private var root: Folder {
        let name = Path.name(path)
        let isIteration = MegatronFolder.isIteration(name) || name == MegatronFolder.shards
        return isIteration ? folder.enclosing ?? folder : folder
    }

    /// Where the files of Hugging Face are that a conversion has taken along; nil where there are none.
    var companions: Folder? {
        root.status(of: MegatronFolder.companions)?.isDirectory == true ? root.folder(MegatronFolder.companions) : nil
    }
}

// MARK: A file for each rank

extension MegatronFiles {
    /// The format `torch`.
    ///
    /// - Throws: `inputMissing` for files that are not there, `malformedInput` for ranks of another run.
    init(ranksIn folder: MegatronFolder, files: inout FileList) throws(RecastError) {
        try self.init(folder.ranks(), in: folder.folder, files: &files)
    }

    /// A file that lies in no folder of a rank: the whole model, where no other ranks share it.
    ///
    /// - Throws: `inputMissing` for one rank of several.
    init(rankAlone name: String, in folder: Folder, files: inout FileList) throws(RecastError) {
        let rank = MegatronFolder.RankFolder(name: name, tensor: 0, others: [], file: name)
        let found = try MegatronRank(rank, in: folder, files: &files)
        let arguments = found.arguments
        let sizes = (arguments.tensorParallelSize, arguments.pipelineParallelSize, arguments.expertParallelSize)
        guard sizes == (1, 1, 1) else {
            throw RecastError(
                .inputMissing,
                "is the file of one rank of a model that tp \(sizes.0), pp \(sizes.1), ep \(sizes.2) ranks share: name the folder of "
                    + "the iteration, with an mp_rank_… folder of each", trail: [found.file])
        }
        try self.init([rank], in: folder, files: &files)
    }

    private init(
        _ rankFolders: [MegatronFolder.RankFolder], in folder: Folder, files: inout FileList
    ) throws(RecastError) {
        let path = folder.path
        var found: [MegatronRank] = []
        for rank in rankFolders { found.append(try MegatronRank(rank, in: folder, files: &files)) }
        try Self.checkRun(found)
        let arguments = found[0].arguments
        var sizes = ParallelSizes(arguments)
        sizes.virtualPipeline = found.map(\.chunks.count).max() ?? 1
        let limits = 1...(1 << 16)
        for size in [sizes.tensor, sizes.pipeline, sizes.expert, sizes.expertTensor] where !limits.contains(size) {
            throw .malformed(arguments.file, "args name a parallel size of \(size)")
        }
        var ranks: [Place: MegatronRank] = [:]
        for rank in found {
            let place = try Self.place(of: rank, sizes)
            if let other = ranks.updateValue(rank, forKey: place) {
                throw .malformed(path, "\(other.name) and \(rank.name) are the same rank")
            }
        }
        try Self.checkComplete(ranks.keys, sizes, path: path)

        self.folder = folder
        self.arguments = arguments
        self.sizes = sizes
        iteration = found[0].iteration
        version = found[0].version
        parts = .ranks(ranks)
        tensors = found.flatMap { rank in
            rank.chunks.enumerated().flatMap { index, chunk in
                let prefix = rank.name + (rank.chunks.count > 1 ? "/model\(index)/" : "/")
                return chunk.map { NamedTensor(prefix + $0.name, $0.tensor) }
            }
        }
        let others = Set(found.flatMap(\.others)).sorted()
        warnings = others.isEmpty ? [] : ["left out what is no tensor: \(others.abridged)"]
        notes = found.contains(where: \.hasOptimizer) ? [Self.optimizerNote] : []
    }

    private static let optimizerNote = "the state of the optimizer is left out"

    /// The numbers of a folder mean what the sizes make them mean.
    private static func place(of rank: MegatronRank, _ sizes: ParallelSizes) throws(RecastError) -> Place {
        let others = Array(rank.numbers.dropFirst())
        let wanted = (sizes.pipeline > 1 ? 1 : 0) + (sizes.expert > 1 ? 1 : 0)
        var place = Place(tensor: rank.numbers[0], pipeline: 0, expert: 0)
        switch (others.count, wanted) {
        case (2, 2): (place.pipeline, place.expert) = (others[0], others[1])
        case (1, 1): if sizes.pipeline > 1 { place.pipeline = others[0] } else { place.expert = others[0] }
        case (0, 0): break
        default:
            // Numbers of what is not split are zeros.
            guard wanted == 0, others.allSatisfy({ $0 == 0 }) else {
                throw .malformed(
                    rank.file,
                    "the folder's name does not fit a pipeline of \(sizes.pipeline) and \(sizes.expert) expert ranks")
            }
        }
        guard place.tensor < sizes.tensor, place.pipeline < sizes.pipeline, place.expert < sizes.expert else {
            throw .malformed(
                rank.file,
                "its number is beyond the \(sizes.tensor) tensor, \(sizes.pipeline) pipeline and \(sizes.expert) expert "
                    + "ranks that args name")
        }
        return place
    }

    /// Every part of every tensor must be somewhere.
    private static func checkComplete(
        _ places: some Collection<Place>, _ sizes: ParallelSizes, path: String
    ) throws(RecastError) {
        var missing: [String] = []
        // A size that is a lie makes for a long list, of which a few lines tell enough: nothing is looked for longer than
        // there are ranks, and a few more.
        let limit = 100
        for pipeline in 0..<sizes.pipeline where missing.count < limit {
            let here = places.filter { $0.pipeline == pipeline }
            let stage = sizes.pipeline > 1 ? " of stage \(pipeline)" : ""
            let tensors = Set(here.map(\.tensor))
            for tensor in 0..<sizes.tensor where !tensors.contains(tensor) {
                missing.append("tensor rank \(tensor)\(stage)")
                if missing.count >= limit { break }
            }
            guard sizes.expert > 1 else { continue }
            let parts = Set(here.map { [$0.expert, $0.tensor % sizes.expertTensor] })
            experts: for expert in 0..<sizes.expert {
                for part in 0..<sizes.expertTensor where !parts.contains([expert, part]) {
                    if missing.count >= limit { break experts }
                    missing.append("expert rank \(expert), part \(part)\(stage)")
                }
            }
        }
        guard missing.isEmpty else {
            throw RecastError(.inputMissing, "some ranks are missing: \(missing.abridged)", trail: [path])
        }
    }
}

// MARK: Whole tensors

extension MegatronFiles {
    /// What is not the model: states of optimizers, random numbers and schedules.
    private static let others = [
        "optimizer", "chained_", "rng_state", "rerun_state", "opt_param_scheduler", "lr_scheduler", "iteration",
    ]
    static let commonState = "common_state/shard_0_1"
    static let commonFile = "common.pt"

    /// The format `torch_dist`.
    ///
    /// - Parameters:
    ///   - leadingAxes: how many axes of a tensor, by its name, count layers or experts.
    ///   - unwrapped: a tensor's name without those of the modules around the model.
    /// - Throws: `malformedInput` for a description that contradicts itself or the files.
    init(
        distributedIn folder: MegatronFolder, leadingAxes: (String) -> Int, unwrapped: (String) -> String,
        files: inout FileList
    ) throws(RecastError) {
        try folder.checkDistributed()
        var hasOptimizer = false
        let checkpoint = try DistributedCheckpoint(folder.folder) { name in
            let inner = MegatronWrappers.stripped(name)
            if inner.hasPrefix("optimizer") || inner.hasPrefix("chained_") { hasOptimizer = true }
            // Placeholders of modules, which hold no weights, come by the thousand.
            return !name.contains("._extra_state") && !Self.others.contains(where: inner.hasPrefix)
        }
        guard !checkpoint.tensors.isEmpty else {
            throw hasOptimizer
                ? UnreadKinds.optimizerStates(folder.path)
                : RecastError(.unsupported, "describes no weights of a model", trail: [folder.path])
        }
        var stacks: [StackedTensor] = []
        var tensors: [NamedTensor] = []
        var open = DistributedCheckpoint.OpenFiles(files)
        for tensor in checkpoint.tensors {
            let name = unwrapped(tensor.name)
            let axes = leadingAxes(name)
            let parts = try checkpoint.tensors(of: tensor, leadingAxes: axes, files: &open)
            stacks.append(StackedTensor(name: name, counts: Array(tensor.shape.prefix(axes)), tensors: parts))
            tensors.append(NamedTensor(name, Self.stored(parts, shape: tensor.shape, leadingAxes: axes)))
        }
        let common = try Self.common(checkpoint, files: &open)
        files = open.list
        self.folder = folder.folder
        arguments = common.arguments
        iteration = common.iteration
        version = common.version
        sizes = common.arguments.map(ParallelSizes.init) ?? ParallelSizes()
        parts = .whole(stacks)
        self.tensors = tensors
        let others = checkpoint.objects.keys.filter { $0 != Self.commonState }.sorted()
        warnings = others.isEmpty ? [] : ["left out what is no tensor: \(others.abridged)"]
        notes = hasOptimizer ? [Self.optimizerNote] : []
    }

    /// The tensor as it is stored.
    private static func stored(_ parts: [LazyTensor], shape: [Int], leadingAxes: Int) -> LazyTensor {
        if leadingAxes == 0 { return parts[0] }
        if shape.count - leadingAxes > 1 { return LazyTensor.stackedMatrices(parts).reshaped(shape) }
        return LazyTensor.concatenatedRows(parts.map { $0.reshaped([1, $0.rowCount]) }).reshaped(shape)
    }

    /// What all ranks have in common: in a file of its own, or, from core 0.19 on, in an entry.
    private static func common(
        _ checkpoint: DistributedCheckpoint, files: inout DistributedCheckpoint.OpenFiles
    ) throws(RecastError) -> (arguments: MegatronArguments?, iteration: Int?, version: Double) {
        let isApart = checkpoint.folder.contains(commonFile)
        let archive: TorchArchive
        var root: Pickle.Value
        if isApart {
            let source = try checkpoint.folder.source(of: commonFile)
            archive = try TorchArchive(source, as: files.list.add(source))
            root = archive.pickle.root
        } else if let place = checkpoint.objects[commonState] {
            archive = try checkpoint.archive(place, files: &files)
            root = archive.pickle.elements(archive.pickle.root)?.first ?? .none
        } else {
            return (nil, nil, 3)
        }
        let pickle = archive.pickle
        let arguments = MegatronArguments(
            pickle, pickle.value(root, "args"),
            file: isApart ? checkpoint.folder.path(of: commonFile) : checkpoint.folder.path)
        return (
            arguments, pickle.int(pickle.value(root, "iteration")),
            pickle.double(pickle.value(root, "checkpoint_version")) ?? 3
        )
    }
}
