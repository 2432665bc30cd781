/// Where the files of a checkpoint are that a path leads to only by way of folders that programs put around it: the hub's
/// cache, the steps of a trainer, the ranks of Megatron.
struct CheckpointLocation {
    private(set) var folder: Folder
    /// The file that stands for the checkpoint; nil for the whole folder.
    private(set) var file: String?
    /// What was gone into, and why.
    private(set) var notes: [String] = []

    /// More than any program nests.
    private static let maximumDepth = 8

    /// - Throws: `inputMissing` or `usage` where nothing says which of several folders is meant.
    init(_ folder: Folder, file: String?) throws(RecastError) {
        (self.folder, self.file) = (folder, file)
        if let file {
            guard MegatronFolder.isRankFile(file), let iteration = MegatronFolder.iteration(around: folder) else {
                return
            }
            enter(iteration, "\(folder.path(of: file)) is the file of a rank: all of \(iteration.path) is read")
            self.file = nil
            return
        }
        if let iteration = MegatronFolder.iteration(around: folder) {
            enter(iteration, "\(folder.path) is the folder of a rank: all of \(iteration.path) is read")
            return
        }
        let names = try folder.names()
        if let rank = names.first(where: MegatronFolder.isRankFile), !names.contains(where: ChosenWeights.isOfWeights) {
            self.file = rank
            notes.append("\(folder.path(of: rank)) is read, the file of a rank of Megatron without a folder of its own")
            return
        }
        for _ in 0..<Self.maximumDepth {
            guard let step = try Self.step(from: self.folder) else { return }
            enter(self.folder.folder(step.name), step.note)
        }
    }

    private mutating func enter(_ folder: Folder, _ note: String) {
        self.folder = folder
        notes.append(note)
    }

    private typealias Step = (name: String, note: String)

    /// The folder to go into; nil where this is it.
    private static func step(from folder: Folder) throws(RecastError) -> Step? {
        let names = try folder.names()
        if HubCache.recognizes(folder, names) { return try HubCache.snapshot(in: folder) }
        if let step = try iteration(in: folder, names) { return step }
        if let step = try trainerStep(in: folder, names) { return step }
        if let step = trainerRole(in: folder, names) { return step }
        if names.contains("context"), names.contains("weights"), folder.isDirectory("weights") {
            return ("weights", "\(folder.path) is a checkpoint of NeMo 2: its weights/ is read")
        }
        return nil
    }

    /// The one iteration of a run of Megatron that has no tracker.
    private static func iteration(in folder: Folder, _ names: [String]) throws(RecastError) -> Step? {
        let iterations = names.filter { MegatronFolder.isIteration($0) && folder.status(of: $0)?.isDirectory == true }
        guard !names.contains(MegatronFolder.tracker), !iterations.isEmpty,
            !names.contains(where: ChosenWeights.isOfWeights)
        else { return nil }
        if iterations == [MegatronFolder.release] {
            // A folder of this name may be anybody's.
            let inner = try folder.names(in: MegatronFolder.release)
            guard MegatronFolder.recognizes(inner) else { return nil }
        }
        guard iterations.count == 1 else {
            throw RecastError(
                .inputMissing,
                "\(listed(iterations)) are there and no \(MegatronFolder.tracker), which would say which one is meant: name one, "
                    + "such as \(folder.path(of: latest(iterations)))", trail: [folder.path])
        }
        return (
            iterations[0],
            "\(folder.path) has no \(MegatronFolder.tracker): \(iterations[0]) is read, the only iteration that is there"
        )
    }

    // MARK: verl

    private static let stepPrefix = "global_step_"

    /// The step of a run of verl, whose tracker has the name of Megatron's.
    ///
    /// Source: Specs/megatron.md §1.4.
    private static func trainerStep(in folder: Folder, _ names: [String]) throws(RecastError) -> Step? {
        let steps = names.filter {
            number($0, after: stepPrefix) != nil && folder.status(of: $0)?.isDirectory == true
        }
        guard !steps.isEmpty, !names.contains(where: MegatronFolder.isIteration) else { return nil }
        if names.contains(MegatronFolder.tracker) {
            let bytes = try folder.contents(of: MegatronFolder.tracker, limit: 1 << 10)
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            guard let number = Int(text),
                let step = steps.first(where: { Self.number($0, after: stepPrefix) == number })
            else {
                throw RecastError(
                    .inputMissing,
                    "names the step \(text.prefix(40)), which is not there: name one that is, \(listed(steps))",
                    trail: [folder.path(of: MegatronFolder.tracker)])
            }
            return (step, "\(folder.path): \(step) is read, which \(MegatronFolder.tracker) names")
        }
        guard steps.count == 1 else {
            throw RecastError(
                .inputMissing,
                "\(listed(steps)) are there and no \(MegatronFolder.tracker), which would say which one is meant: name one",
                trail: [folder.path])
        }
        return (
            steps[0],
            "\(folder.path) has no \(MegatronFolder.tracker): \(steps[0]) is read, the only step that is there"
        )
    }

    /// Of a step of verl the trained model, and of that the weights.
    private static func trainerRole(in folder: Folder, _ names: [String]) -> Step? {
        func holds(_ inner: String, _ all: String...) -> Bool {
            all.contains { folder.status(of: Path.join(inner, $0))?.isDirectory == true }
        }
        func has(_ name: String) -> Bool { names.contains(name) && folder.status(of: name)?.isDirectory == true }
        if number(folder.name, after: stepPrefix) != nil, has("actor") {
            let critic = has("critic") ? "; critic/ is another model, and can be named itself" : ""
            return ("actor", "\(folder.path): actor/ is read, the trained model\(critic)")
        }
        let (shards, wholes) = (MegatronFolder.shards, MegatronFolder.companions)
        if has("model"), holds("model", shards, wholes), names.contains("ckpt_contents.json") || has("optimizer") {
            return ("model", "\(folder.path): model/ is read, and not what is beside it of the training")
        }
        guard has(shards), !names.contains(where: ChosenWeights.isOfWeights) else { return nil }
        let isWhole = has(wholes) && ((try? folder.names(in: wholes)) ?? []).contains(where: ChosenWeights.isOfWeights)
        return isWhole
            ? (wholes, "\(folder.path): \(wholes)/ is read, which has the weights in one piece, and not \(shards)/")
            : (shards, "\(folder.path): \(shards)/ is read")
    }

    // MARK: Names

    private static func number(_ name: String, after prefix: String) -> Int? {
        guard name.hasPrefix(prefix) else { return nil }
        let digits = name.dropFirst(prefix.count)
        return (1...12).contains(digits.utf8.count) && digits.utf8.allSatisfy { (48...57).contains($0) }
            ? Int(digits) : nil
    }

    private static func latest(_ iterations: [String]) -> String {
        iterations.max { (number($0, after: "iter_") ?? -1) < (number($1, after: "iter_") ?? -1) } ?? ""
    }

    /// `a and b`, or `a, b and 5 more`.
    private static func listed(_ names: [String]) -> String {
        guard names.count > 4 else {
            return names.count < 2
                ? names.joined() : names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
        }
        return names.prefix(2).joined(separator: ", ") + " and \(names.count - 2) more, up to \(latest(names)),"
    }
}
