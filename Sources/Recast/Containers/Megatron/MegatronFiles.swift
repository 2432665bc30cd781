/// The files of a Megatron checkpoint of the `torch` format: one for each model-parallel rank.
///
/// Source: Specs/megatron.md §1.2.
public struct MegatronFiles: Sendable {
    /// The folder of the iteration.
    public let path: String
    public let sizes: ParallelSizes
    let ranks: [Place: MegatronRank]
    public let tensors: [NamedTensor]
    public let warnings: [String]
    public let notes: [String]

    /// How many ranks share the model, and in which way.
    public struct ParallelSizes: Sendable, Hashable {
        public var tensor = 1
        public var pipeline = 1
        /// Virtual stages of each stage.
        public var virtualPipeline = 1
        public var expert = 1
        public var expertTensor = 1

        public init() {}
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

    /// What the model is called: the folder of the whole checkpoint.
    var name: String {
        let isIteration = Path.name(path) == "release" || Path.name(path).hasPrefix("iter_")
        return Path.name(isIteration && Path.directory(path) != "." ? Path.directory(path) : path)
    }

    /// What all ranks know of the run, by that of the first.
    public var arguments: MegatronArguments { first.arguments }
    public var iteration: Int? { first.iteration }
    var version: Double { first.version }
    private var first: MegatronRank { ranks.min { $0.key < $1.key }!.value }

    /// - Throws: `inputMissing` for ranks that are not there, `malformedInput` for ranks of another run.
    init(path: String, files: inout FileList) throws(RecastError) {
        let folder = try MegatronFolder(path: path)
        var found: [MegatronRank] = []
        for rank in folder.ranks { found.append(try MegatronRank(rank, files: &files)) }
        try Self.checkRun(found)
        let arguments = found[0].arguments
        var sizes = ParallelSizes()
        sizes.tensor = arguments.tensorParallelSize
        sizes.pipeline = arguments.pipelineParallelSize
        sizes.virtualPipeline = found.map(\.chunks.count).max() ?? 1
        sizes.expert = arguments.expertParallelSize
        // Without experts, nothing is split that way.
        sizes.expertTensor = arguments.int("num_experts") == nil ? sizes.tensor : arguments.expertTensorParallelSize
        let limits = 1...(1 << 16)
        for size in [sizes.tensor, sizes.pipeline, sizes.expert, sizes.expertTensor] where !limits.contains(size) {
            throw .malformed(arguments.file, "args name a parallel size of \(size)")
        }
        var ranks: [Place: MegatronRank] = [:]
        for rank in found {
            let place = try Self.place(of: rank, sizes)
            if let other = ranks.updateValue(rank, forKey: place) {
                throw .malformed(folder.path, "\(other.name) and \(rank.name) are the same rank")
            }
        }
        try Self.checkComplete(ranks.keys, sizes, path: folder.path)

        self.path = folder.path
        self.sizes = sizes
        self.ranks = ranks
        tensors = found.flatMap { rank in
            rank.chunks.enumerated().flatMap { index, chunk in
                let prefix = rank.name + (rank.chunks.count > 1 ? "/model\(index)/" : "/")
                return chunk.map { NamedTensor(prefix + $0.name, $0.tensor) }
            }
        }
        let others = Set(found.flatMap(\.others)).sorted()
        warnings = others.isEmpty ? [] : ["left out what is no tensor: \(others.abridged)"]
        notes = found.contains(where: \.hasOptimizer) ? ["the state of the optimizer is left out"] : []
    }

    /// Ranks of one run were told the same, and stopped at the same iteration.
    private static func checkRun(_ ranks: [MegatronRank]) throws(RecastError) {
        let first = ranks[0]
        for rank in ranks.dropFirst() {
            var facts = MegatronArguments.shared.map { ($0, first.arguments.text($0), rank.arguments.text($0)) }
            facts.append(("iteration", first.iteration.map(String.init), rank.iteration.map(String.init)))
            guard let (name, mine, theirs) = facts.first(where: { $0.1 != $0.2 }) else { continue }
            throw .malformed(
                rank.file,
                "belongs to another run than \(first.name): \(name) is \(theirs ?? "missing") here, "
                    + "\(mine ?? "missing") there")
        }
    }

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
        for pipeline in 0..<sizes.pipeline {
            let here = places.filter { $0.pipeline == pipeline }
            let stage = sizes.pipeline > 1 ? " of stage \(pipeline)" : ""
            for tensor in 0..<sizes.tensor where !here.contains(where: { $0.tensor == tensor }) {
                missing.append("tensor rank \(tensor)\(stage)")
            }
            for expert in 0..<sizes.expert where sizes.expert > 1 {
                for part in 0..<sizes.expertTensor
                where !here.contains(where: { $0.expert == expert && $0.tensor % sizes.expertTensor == part }) {
                    missing.append("expert rank \(expert), part \(part)\(stage)")
                }
            }
        }
        guard missing.isEmpty else {
            throw RecastError(.inputMissing, "some ranks are missing: \(missing.abridged)", trail: [path])
        }
    }
}
