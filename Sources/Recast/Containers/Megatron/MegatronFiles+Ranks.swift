// Whether the files of ranks are those of one run, each where it was written to.
extension MegatronFiles {
    /// Ranks of one run were told the same, and stopped at the same iteration.
    static func checkRun(_ ranks: [MegatronRank]) throws(RecastError) {
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

    /// Whether the files are in the folders they were written to: `args.rank` of each says who wrote it. Converters write the
    /// same into all; otherwise ranks grow from one folder to the next, first by tensor, then by expert, then by stage.
    ///
    /// - Returns: a warning where that is not so, but allowed.
    /// - Throws: `malformedInput` where it is not.
    func checkRanks(allowsMismatch: Bool) throws(RecastError) -> [String] {
        guard case .ranks(let ranks) = parts else { return [] }
        let found = ranks.sorted { $0.key < $1.key }.compactMap { place, rank in
            rank.arguments.int("rank").map { (rank, place: place, number: $0) }
        }
        guard found.count == ranks.count, !found.allSatisfy({ $0.number == found[0].number }) else { return [] }
        var text: String?
        // Ranks are numbered by tensor first, in every order that Megatron has.
        if let wrong = found.first(where: { $0.number % sizes.tensor != $0.place.tensor }) {
            text =
                "\(wrong.0.name) says that it is rank \(wrong.number), which is tensor rank \(wrong.number % sizes.tensor) of "
                + "\(sizes.tensor): a folder was copied under another rank's name, or its file over another"
        } else if let (first, second) = zip(found, found.dropFirst()).first(where: { $0.number >= $1.number }) {
            text =
                "\(first.0.name) says that it is rank \(first.number), and \(second.0.name) after it rank \(second.number): files "
                + "were copied over others, or exchanged"
        }
        guard let text else { return [] }
        guard allowsMismatch else {
            throw .malformed(path, text + "; --allow-rank-mismatch believes the names of the folders")
        }
        return [text + "; the names of the folders are believed"]
    }
}
