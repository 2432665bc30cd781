/// The file of one rank: its part of the model, and what the program that wrote it was told.
///
/// Source: Specs/megatron.md §1.3.
struct MegatronRank: Sendable {
    /// The folder's name, which tells ranks apart in messages.
    let name: String
    let file: String
    /// The numbers in the folder's name: the tensor-parallel rank, and none, one or two more.
    let numbers: [Int]
    let arguments: MegatronArguments
    let iteration: Int?
    let version: Double
    /// The tensors of each virtual stage, under the names of the file with those of nested dictionaries joined by dots.
    let chunks: [[NamedTensor]]
    /// Entries of the model that are no tensors.
    let others: [String]
    /// Whether the state of an optimizer is there too.
    let hasOptimizer: Bool

    /// More than any model has, and few enough to be listed.
    private static let maximumEntryCount = 1 << 21
    private static let maximumDepth = 16

    init(_ rank: MegatronFolder.RankFolder, in folder: Folder, files: inout FileList) throws(RecastError) {
        let source = try folder.source(of: rank.file)
        guard try TorchArchive.recognizes(source) else {
            throw RecastError(
                .unsupported,
                "is no zip: files of torch before 1.6 cannot be read; torch.save(torch.load(…)) of a newer one converts "
                    + "them",
                trail: [source.name])
        }
        let archive = try TorchArchive(source, as: files.add(source))
        files.checksums += archive.checksums
        let pickle = archive.pickle
        guard let items = pickle.items(pickle.root) else {
            throw .malformed(source.name, "holds no dictionary")
        }
        guard let arguments = MegatronArguments(pickle, pickle.value(pickle.root, "args"), file: source.name) else {
            throw .malformed(source.name, "holds no \"args\", which say how the model was split")
        }
        var others: [String] = []
        var chunks: [[NamedTensor]] = []
        let values = Dictionary(items.compactMap { key, value in pickle.string(key).map { ($0, value) } }) { $1 }
        let keys = values.keys
        // A stage without layers may lack its chunk.
        let last = keys.compactMap(Self.chunk).max()
        var walk = Walk(archive: archive, file: source.name)
        for index in 0...(last ?? 0) {
            guard let model = values[last == nil ? "model" : "model\(index)"] else {
                chunks.append([])
                continue
            }
            chunks.append(try walk.tensors(of: model))
        }
        others = walk.others
        guard last != nil || keys.contains("model") else { throw .malformed(source.name, "holds no \"model\"") }
        name = rank.name
        file = source.name
        numbers = [rank.tensor] + rank.others
        self.arguments = arguments
        iteration = pickle.int(pickle.value(pickle.root, "iteration"))
        version = pickle.double(pickle.value(pickle.root, "checkpoint_version")) ?? 0
        self.chunks = chunks
        self.others = others
        hasOptimizer = keys.contains("optimizer")
    }

    /// The number of `model0`.
    private static func chunk(_ key: String) -> Int? {
        guard key.hasPrefix("model"), let number = Int(key.dropFirst(5)), key == "model\(number)",
            (0..<1 << 10).contains(number)
        else { return nil }
        return number
    }

    /// Collects the tensors of nested dictionaries. A dictionary may be in several others, and a name before many, so what
    /// they stand for is bounded by the size of the file.
    private struct Walk {
        let archive: TorchArchive
        let file: String
        private(set) var others: [String] = []
        private var tensors: [NamedTensor] = []
        private var names: Set<ByteString> = []
        private var budget: StorageBudget
        private var entryCount: Int
        private var nameByteCount: Int

        init(archive: TorchArchive, file: String) {
            self.archive = archive
            self.file = file
            budget = StorageBudget(byteCount: archive.byteCount)
            // An entry takes more bytes than these, and has a name that is no longer than the file, usually much shorter.
            entryCount = min(maximumEntryCount, 1 << 16 + archive.byteCount / 4)
            nameByteCount = 1 << 20 + 4 * archive.byteCount
        }

        /// The tensors of a virtual stage.
        mutating func tensors(of model: Pickle.Value) throws(RecastError) -> [NamedTensor] {
            (tensors, names) = ([], [])
            try visit(model, prefix: "", depth: 0)
            return tensors
        }

        private mutating func visit(_ dictionary: Pickle.Value, prefix: String, depth: Int) throws(RecastError) {
            guard depth < maximumDepth else { throw .malformed(file, "dictionaries nested too deeply at \(prefix)") }
            for (key, value) in archive.pickle.items(dictionary) ?? [] {
                entryCount -= 1
                guard entryCount >= 0 else { throw .malformed(file, "holds too many entries") }
                guard let key = archive.pickle.string(key) else {
                    throw .malformed(file, "a name in the model is no string")
                }
                nameByteCount -= prefix.utf8.count + key.utf8.count
                guard nameByteCount >= 0 else { throw .malformed(file, "holds names that are longer than the file") }
                let name = prefix.isEmpty ? key : prefix + "." + key
                // Placeholders of modules, which hold no weights.
                if key.hasSuffix("_extra_state") { continue }
                let tensor: LazyTensor?
                do throws(RecastError) {
                    tensor = try archive.tensor(value, budget: &budget)
                } catch { throw error.within(name) }
                if let tensor {
                    guard names.insert(ByteString(name)).inserted else {
                        throw .malformed(file, "\(name) is there twice")
                    }
                    tensors.append(NamedTensor(name, tensor))
                } else if archive.pickle.items(value) != nil {
                    try visit(value, prefix: name, depth: depth + 1)
                } else {
                    others.append(name)
                }
            }
        }
    }
}
