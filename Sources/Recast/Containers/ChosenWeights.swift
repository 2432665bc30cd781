/// Which files of a folder hold the weights of its model: those that an index names, all shards of a set, or one file.
struct ChosenWeights {
    enum Place: Equatable {
        case index(String)
        case shards([String])
        case single(String)
    }

    var place: Place
    /// What the user should know of the choice.
    var warnings: [String] = []
    /// Whether the user has named it.
    var isNamed = false
    /// Another set in the folder: it must hold the same.
    var rival: Place?

    init(_ place: Place, warnings: [String] = [], rival: Place? = nil) {
        (self.place, self.warnings, self.rival) = (place, warnings, rival)
    }

    /// A kind of file that weights lie in.
    private struct Kind {
        var ending: String
        var index: String
        var single: String

        static let all = [
            Kind(ending: ".safetensors", index: WeightIndex.fileName, single: "model.safetensors"),
            Kind(ending: ".bin", index: WeightIndex.torchFileName, single: "pytorch_model.bin"),
        ]
    }

    /// The set of the other kind of file that lies beside weights in safetensors; nil where there is none.
    static func inTorch(beside place: Place, in folder: Folder, _ names: [String]) -> Place? {
        let kind = Kind.all[1]
        let isOther =
            switch place {
            case .index(let name), .single(let name): !name.hasPrefix("pytorch_model")
            case .shards(let names): !(names.first ?? "").hasSuffix(kind.ending)
            }
        guard isOther else { return nil }
        if names.contains(kind.single) { return .single(kind.single) }
        guard names.contains(kind.index), let shards = try? WeightIndex.shards(of: kind.index, in: folder),
            shards.allSatisfy(names.contains)
        else { return nil }
        return .index(kind.index)
    }

    /// Those of a folder; nil where no file stands out.
    ///
    /// - Throws: `inputMissing` for an incomplete set.
    init?(in folder: Folder, _ names: [String]) throws(RecastError) {
        for kind in Kind.all {
            if let choice = try Self.choice(of: kind, in: folder, names) {
                self = choice
                return
            }
        }
        // A file of another name, if it is the only one.
        let others = names.filter { $0.hasSuffix(".safetensors") && !Self.isNoModel($0) }
        guard others.isEmpty else {
            guard others.count == 1 else { return nil }
            self.init(.single(others[0]))
            return
        }
        var archives: [String] = []
        for name in names where Self.torchEndings.contains(where: name.hasSuffix) && !Self.isNoModel(name) {
            if folder.isDirectory(name) { continue }
            if try TorchArchive.recognizes(folder.source(of: name)) { archives.append(name) }
        }
        guard archives.count == 1 else { return nil }
        self.init(.single(archives[0]))
    }

    private static let torchEndings = [".pt", ".pth", ".ckpt", ".bin"]

    /// Whether a file of this name may hold the weights of a model.
    static func isOfWeights(_ name: String) -> Bool {
        name.hasSuffix(".safetensors") || torchEndings.contains(where: name.hasSuffix) && !isNoModel(name)
    }

    /// What trainers write beside a model.
    static func isNoModel(_ name: String) -> Bool {
        let stems = [
            "optimizer", "scheduler", "training_args", "rng_state", "scaler", "random_states", "trainer_state",
            "adapter_", "adapters.",
            "optim_", "model_world_size_", "extra_state_", "zero_", "mp_rank_", "bf16_zero_",
            "common.", "model_optim_rng", "distrib_optim",
        ]
        return stems.contains(where: name.hasPrefix) || name.contains("optim_states")
    }

    /// A file given by name: it alone, or the set it is a shard of.
    init(file name: String, in folder: Folder, _ names: [String]) throws(RecastError) {
        for kind in Kind.all where name.hasSuffix(kind.ending) {
            guard let set = ShardSet(name) else { continue }
            if names.contains(kind.index), try WeightIndex.shards(of: kind.index, in: folder).contains(name) {
                self.init(.index(kind.index))
                return
            }
            if set.missing(among: names).isEmpty {
                self.init(.shards(set.names))
                return
            }
        }
        self.init(.single(name))
    }

    private static func choice(of kind: Kind, in folder: Folder, _ names: [String]) throws(RecastError)
        -> ChosenWeights?
    {
        let files = names.filter { $0.hasSuffix(kind.ending) && !$0.hasPrefix("adapter_") }
        let indexes = names.filter { $0.hasSuffix(kind.ending + ".index.json") }
        let sets = Set(files.compactMap(ShardSet.init)).sorted { $0.prefix < $1.prefix }
        let complete = sets.filter { $0.missing(among: names).isEmpty }
        let hasSingle = files.contains(kind.single)
        let single = Place.single(kind.single)
        let index = indexes.contains(kind.index) ? kind.index : indexes.count == 1 && !hasSingle ? indexes[0] : nil
        if let index {
            let shards = try WeightIndex.shards(of: index, in: folder)
            let missing = shards.filter { !names.contains($0) }
            if missing.isEmpty {
                return ChosenWeights(.index(index), rival: hasSingle && !shards.contains(kind.single) ? single : nil)
            }
            func stale(_ place: Place, _ what: String) -> ChosenWeights {
                ChosenWeights(
                    place,
                    warnings: [
                        "\(folder.path(of: index)) is of another save, whose \(missing[0]) is not there, and is not used: \(what)"
                    ])
            }
            if hasSingle { return stale(single, "\(kind.single) is read") }
            if complete.count == 1 {
                return stale(.shards(complete[0].names), "the \(complete[0].count) shards that are there are complete")
            }
            // Its own error says what is missing.
            return ChosenWeights(.index(index))
        }
        if hasSingle { return ChosenWeights(single, rival: complete.first.map { .shards($0.names) }) }
        if complete.count == 1 {
            return ChosenWeights(
                .shards(complete[0].names),
                warnings: [
                    "\(folder.path): there is no \(kind.index); the \(complete[0].count) shards are told by their names"
                ])
        }
        if complete.count > 1 {
            throw RecastError(
                .usage,
                "holds \(complete.count) sets of shards: name a file of one of them, such as \(complete[0].names[0]) or "
                    + complete[1].names[0], trail: [folder.path])
        }
        if let set = sets.first {
            let missing = set.missing(among: names)
            throw RecastError(
                .inputMissing,
                "\(missing.count) of \(set.count) shards are not there, \(missing[0]) for one: the download is not complete; "
                    + "\(Downloads.nextCommand(for: folder.path)) fetches the rest",
                trail: [folder.path])
        }
        return nil
    }
}

/// The files `PREFIX-00001-of-00005.safetensors` and so on.
struct ShardSet: Hashable {
    let prefix: String
    let ending: String
    let count: Int
    private let digits: Int

    /// The set that a name belongs to.
    init?(_ name: String) {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let parts = name[..<dot].split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[parts.count - 2] == "of", let count = Int(parts[parts.count - 1]),
            let number = Int(parts[parts.count - 3]), (1...10_000).contains(count), (1...count).contains(number)
        else { return nil }
        digits = parts[parts.count - 1].utf8.count
        prefix = parts.dropLast(3).joined(separator: "-")
        ending = String(name[dot...])
        self.count = count
    }

    var names: [String] { (1...count).map { "\(prefix)-\(padded($0))-of-\(padded(count))\(ending)" } }

    func missing(among names: [String]) -> [String] {
        let there = Set(names)
        return self.names.filter { !there.contains($0) }
    }

    private func padded(_ number: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
