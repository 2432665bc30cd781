/// Where the files of a Megatron checkpoint lie: the folder of one iteration.
///
/// Source: Specs/megatron.md §1.1 and §1.2.
struct MegatronFolder: Sendable {
    let folder: Folder
    let names: [String]

    var path: String { folder.path }

    /// A rank's folder by the numbers in its name.
    struct RankFolder: Sendable, Hashable {
        var name: String
        var tensor: Int
        /// None, one or two: pipeline, expert, or both.
        var others: [Int]
        /// In the folder.
        var file: String
    }

    static let tracker = "latest_checkpointed_iteration.txt"
    /// What marks a finished checkpoint of the format `torch_dist`.
    static let marker = "metadata.json"
    /// The folder of a model that no run has trained further.
    static let release = "release"
    /// What Megatron does not look at: the configuration and the tokenizer of Hugging Face, which a conversion takes along.
    static let companions = "huggingface"
    /// The folder that verl puts an iteration into.
    static let shards = "dist_ckpt"
    private static let fileNames = ["model_optim_rng.pt", "model_rng.pt"]

    /// Whether the file of a rank has this name.
    static func isRankFile(_ name: String) -> Bool { fileNames.contains(name) }

    /// Whether the folder of an iteration has this name.
    static func isIteration(_ name: String) -> Bool {
        if name == release { return true }
        guard name.hasPrefix("iter_") else { return false }
        let digits = name.dropFirst("iter_".count)
        return (1...12).contains(digits.utf8.count) && digits.utf8.allSatisfy { (48...57).contains($0) }
    }

    /// The iteration of which a folder is that of a rank; nil for other folders.
    static func iteration(around folder: Folder) -> Folder? {
        let path = folder.path
        // The current directory has its name only where it is resolved.
        let isSpelled = !["", ".", ".."].contains(Path.name(path))
        guard let whole = isSpelled ? path : POSIX.resolved(path), numbers(of: Path.name(whole)) != nil else {
            return nil
        }
        // Another folder may have such a name.
        guard fileNames.contains(where: folder.contains) else { return nil }
        if isSpelled, let around = folder.enclosing { return around }
        let outer = Path.split(whole).directory
        return Folder(directory: outer)
    }

    /// Whether a folder of these names is a checkpoint of Megatron, or an iteration of one.
    static func recognizes(_ names: [String]) -> Bool {
        names.contains(tracker)
            || names.contains(marker)
                && (names.contains(DistributedCheckpoint.descriptionName) || names.contains(MegatronFiles.commonFile))
            || names.contains { numbers(of: $0) != nil }
    }

    /// - Parameter folder: a checkpoint, whose last iteration is taken, or an iteration.
    /// - Throws: `inputMissing` where something is not there.
    init(_ folder: Folder) throws(RecastError) {
        let names = try folder.names()
        guard names.contains(Self.tracker) else {
            (self.folder, self.names) = (folder, names)
            return
        }
        let tracker = folder.path(of: Self.tracker)
        let bytes = try folder.contents(of: Self.tracker, limit: 1 << 10)
        let iteration = try Self.folder(of: String(decoding: bytes, as: UTF8.self), file: tracker)
        guard names.contains(iteration) else {
            throw RecastError(
                .inputMissing,
                "names the folder \(iteration), which is not there; an iteration can be named itself"
                    + (names.first(where: Self.isIteration).map { ", such as \(folder.path(of: $0))" } ?? ""),
                trail: [tracker])
        }
        self.folder = folder.folder(iteration)
        self.names = try self.folder.names()
    }

    /// Whether it holds whole tensors, in pieces, instead of a file of each rank.
    var isDistributed: Bool { names.contains(Self.marker) || names.contains(DistributedCheckpoint.descriptionName) }

    /// - Throws: `unsupported` for other formats of whole tensors than `torch_dist`.
    func checkDistributed() throws(RecastError) {
        guard names.contains(Self.marker) else {
            throw RecastError(
                .unsupported,
                "checkpoints of the formats torch_dcp and fsdp_dtensor cannot be read: save it with --ckpt-format torch_dist, or put "
                    + "it together with python -m torch.distributed.checkpoint.format_utils dcp_to_torch \(path) model.pt",
                trail: [path])
        }
        let file = folder.path(of: Self.marker)
        let backend = try JSON(parsing: folder.contents(of: Self.marker, limit: 1 << 20), file: file)["sharded_backend"]
        guard backend?.string == "torch_dist" else {
            throw RecastError(
                .unsupported,
                "is of the format \(backend?.string ?? "nothing is known of"), which cannot be read; torch_dist can: save it again "
                    + "with --ckpt-format torch_dist",
                trail: [file])
        }
    }

    /// The folders of the ranks, by their numbers.
    ///
    /// - Throws: `inputMissing` where there are none, or one holds no file.
    func ranks() throws(RecastError) -> [RankFolder] {
        var ranks: [RankFolder] = []
        for name in names {
            guard let numbers = Self.numbers(of: name) else { continue }
            let inner = try folder.names(in: name)
            guard let file = Self.fileNames.first(where: inner.contains) else {
                throw RecastError(.inputMissing, "holds no \(Self.fileNames[0])", trail: [folder.path(of: name)])
            }
            ranks.append(
                RankFolder(
                    name: name, tensor: numbers[0], others: Array(numbers.dropFirst()), file: Path.join(name, file)))
        }
        guard !ranks.isEmpty else {
            // Other trainers have a tracker of this name, too.
            if let refusal = try UnreadKinds.refusal(of: folder, names) { throw refusal }
            throw RecastError(.inputMissing, "holds no mp_rank_… folders", trail: [path])
        }
        return ranks.sorted { ([$0.tensor] + $0.others).lexicographicallyPrecedes([$1.tensor] + $1.others) }
    }

    /// The folder that the tracker's text names.
    private static func folder(of text: String, file: String) throws(RecastError) -> String {
        let blanks: Set<Character> = [" ", "\n", "\r", "\t"]
        let iteration = String(text.drop(while: blanks.contains).prefix { !blanks.contains($0) })
        if iteration == release { return release }
        guard let number = Int(iteration), number >= 0, iteration.utf8.count < 12 else {
            throw .malformed(file, "\"\(iteration.prefix(40))\" is neither an iteration nor \"release\"")
        }
        return name(ofIteration: number)
    }

    /// The folder of an iteration.
    static func name(ofIteration number: Int) -> String {
        let digits = String(number)
        return "iter_" + String(repeating: "0", count: max(0, 7 - digits.count)) + digits
    }

    /// The numbers of `mp_rank_01_002`.
    private static func numbers(of name: String) -> [Int]? {
        guard name.hasPrefix("mp_rank_") else { return nil }
        let parts = name.dropFirst("mp_rank_".count).split(separator: "_", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part -> Int? in
            guard (1...6).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }) else {
                return nil
            }
            return Int(part)
        }
        return numbers.count == parts.count && (1...3).contains(parts.count) ? numbers : nil
    }
}
