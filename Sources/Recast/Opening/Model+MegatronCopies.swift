extension Model {
    /// How much of a tensor is looked at before whole ranks are compared.
    private static let sampleByteCount = 1 << 16

    /// Two tensor-parallel ranks, or two stages, never have the same weights: one is a copy under another rank's name. What
    /// `args` say tells nothing where a converter wrote the same into all.
    ///
    /// - Returns: a warning where that is so, but allowed.
    /// - Throws: `malformedInput` where it is.
    static func checkCopies(
        _ files: MegatronFiles, _ checkpoint: Checkpoint, _ options: Options
    ) throws(RecastError) -> [String] {
        guard case .ranks(let ranks) = files.parts, ranks.count > 1 else { return [] }
        var reader = Reader(files: checkpoint.sources)
        var found: [[UInt8]: [MegatronFiles.Place]] = [:]
        for (place, rank) in ranks.sorted(by: { $0.key < $1.key }) {
            found[try sample(of: rank, &reader), default: []].append(place)
        }
        let workers = Parallel(workers: options.workers, files: checkpoint.sources)
        for places in found.values.sorted(by: { $0[0] < $1[0] }) {
            for (index, place) in places.enumerated() {
                // Expert-parallel ranks have the same of a stage without experts.
                guard
                    let first = places[..<index].first(where: {
                        $0.tensor != place.tensor || $0.pipeline != place.pipeline
                    }), let one = ranks[first], let other = ranks[place], try haveSameTensors(one, other, workers)
                else { continue }
                let text =
                    "\(other.name) has the very weights of \(one.name): a folder was copied under another rank's name"
                guard options.allowsRankMismatch else { throw .malformed(files.path, text) }
                return [text]
            }
        }
        return []
    }

    /// Names and shapes, and the first bytes of the largest tensor.
    private static func sample(of rank: MegatronRank, _ reader: inout Reader) throws(RecastError) -> [UInt8] {
        let tensors = rank.chunks.joined()
        var sample = tensors.flatMap { Array("\($0.name) \($0.tensor.shape) ".utf8) }
        let largest = tensors.max { $0.tensor.byteCount < $1.tensor.byteCount }?.tensor
        guard let largest, !largest.shape.isEmpty, largest.rowCount > 0 else { return sample }
        let rowByteCount = max(1, largest.byteCount / largest.rowCount)
        let count = min(largest.rowCount, max(1, sampleByteCount / rowByteCount))
        sample += try largest.rows(0..<count).bytes(using: &reader)
        return sample
    }

    private static func haveSameTensors(
        _ one: MegatronRank, _ other: MegatronRank, _ workers: Parallel
    ) throws(RecastError) -> Bool {
        let (ours, theirs) = (Array(one.chunks.joined()), Array(other.chunks.joined()))
        guard !ours.isEmpty, ours.count == theirs.count else { return false }
        for (a, b) in zip(ours, theirs) {
            guard a.name == b.name, a.tensor.shape == b.tensor.shape, a.tensor.dtype == b.tensor.dtype,
                try a.tensor.hasSameBits(as: b.tensor, workers)
            else { return false }
        }
        return true
    }
}
