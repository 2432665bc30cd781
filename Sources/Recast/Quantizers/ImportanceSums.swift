/// What an importance file is written from: for each weight of a GGUF file, the sums of the squares of what its columns were
/// multiplied with. Source: Specs/gguf.md §c.6.
public struct ImportanceSums: Sendable {
    /// Of one weight; of experts, a row for each.
    public struct Entry: Sendable, Hashable {
        /// As GGUF calls the weight.
        public var name: String
        /// How many tokens were multiplied with each matrix.
        public var counts: [Float]
        /// `[matrices, columns]`
        public var sums: [Float]

        public init(name: String, counts: [Float], sums: [Float]) {
            self.name = name
            self.counts = counts
            self.sums = sums
        }
    }

    /// What it was measured on.
    public var datasets: [String]
    /// Pieces of text.
    public var chunkCount: Int
    /// Tokens of each.
    public var chunkSize: Int
    /// By name.
    public var entries: [Entry]

    public init(datasets: [String], chunkCount: Int, chunkSize: Int, entries: [Entry]) {
        self.datasets = datasets
        self.chunkCount = chunkCount
        self.chunkSize = chunkSize
        self.entries = entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Nothing measured yet.
    public static let empty = ImportanceSums(datasets: [], chunkCount: 0, chunkSize: 0, entries: [])

    /// Adds what another file has measured.
    ///
    /// - Throws: `malformedInput` for the importance of another model.
    public mutating func merge(_ other: Importance) throws(RecastError) {
        let file = try FileSource(path: other.path)
        var places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
        for entry in other.entries {
            let bytes = try file.bytes(entry.offset..<entry.offset + 4 * entry.valueCount)
            var sums = (0..<entry.valueCount).map { index in
                Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
            }
            var counts = entry.counts
            let known = places[entry.name].map { entries[$0] }
            // The older format has means, and counts its chunks.
            if !other.hasSums {
                let tokens = counts[0] * Float(max(1, chunkSize))
                sums = sums.map { $0 / counts[0] * tokens }
                counts = [Float](repeating: tokens, count: known?.counts.count ?? 1)
            }
            guard let place = places[entry.name] else {
                places[entry.name] = entries.count
                entries.append(Entry(name: entry.name, counts: counts, sums: sums))
                continue
            }
            guard entries[place].sums.count == sums.count, entries[place].counts.count == counts.count else {
                throw RecastError(
                    .malformedInput,
                    "is the importance of another model: \(sums.count) values of \(counts.count) matrices instead of "
                        + "\(entries[place].sums.count) of \(entries[place].counts.count) for " + entry.name,
                    trail: [other.path])
            }
            for index in sums.indices { entries[place].sums[index] += sums[index] }
            for index in counts.indices { entries[place].counts[index] += counts[index] }
        }
        chunkCount += other.chunkCount ?? 0
        datasets = other.datasets + datasets
        entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// A plan that writes them to a file.
    ///
    /// - Throws: `unsupported` for names that are too long for GGUF.
    public func plan(destination: String) throws(RecastError) -> Plan {
        var metadata = GGUFMetadata()
        metadata["general.type"] = .string("imatrix")
        metadata["imatrix.datasets"] = .array(.string(datasets))
        metadata["imatrix.chunk_count"] = .u32(UInt32(clamping: chunkCount))
        metadata["imatrix.chunk_size"] = .u32(UInt32(clamping: chunkSize))
        var tensors: [TypedTensor] = []
        for entry in entries {
            let matrices = entry.counts.count
            for (suffix, values) in [("in_sum2", entry.sums), ("counts", entry.counts)] {
                // A file has no leading dimension of one.
                let tensor = LazyTensor.vector(values)
                    .reshaped(matrices == 1 ? [values.count] : [matrices, values.count / matrices])
                tensors.append(TypedTensor(NamedTensor("\(entry.name).\(suffix)", tensor), .f32))
            }
        }
        var plan = Plan(sources: [], form: .file)
        plan.format = "GGUF"
        plan.layout = "importance"
        try GGUFLayout(metadata: metadata, tensors: tensors)
            .lay(out: Path.name(destination), maximumShardSize: nil, into: &plan)
        return plan
    }
}
