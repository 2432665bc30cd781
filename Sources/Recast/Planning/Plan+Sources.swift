extension Plan {
    /// Lists the files that the plan reads, and lets transfers refer to them by their places in that list: a plan is the same
    /// whatever else the run has opened.
    ///
    /// - Parameter checkpoint: whose own files come first, whether or not anything of them is read.
    mutating func numberSources(_ checkpoint: Checkpoint) {
        var files = checkpoint.fileIDs
        var known = Set(files)
        for transfer in transfers {
            for tensor in [transfer.source, transfer.importance].compactMap(\.self) {
                tensor.forEachStored { file, _ in if known.insert(file).inserted { files.append(file) } }
            }
        }
        sources = files.map { checkpoint.sources[$0] }
        checksums = checkpoint.checksums.covering(transfers.map(\.source))
        let numbers = Dictionary(uniqueKeysWithValues: files.enumerated().map { ($1, FileID($0)) })
        guard numbers.contains(where: { $0 != $1 }) else { return }
        for index in transfers.indices {
            transfers[index].source = transfers[index].source.renumbered(numbers)
            transfers[index].importance = transfers[index].importance?.renumbered(numbers)
        }
        for index in checksums.indices { checksums[index].file = numbers[checksums[index].file]! }
    }
}
