/// An importance file ("imatrix"): for each weight, how much an error in each of its columns matters, as measured by the
/// squares of what the columns are multiplied with.
///
/// Both formats of `llama-imatrix` are read. Numbers stay in the file until a tensor is encoded; opening checks them once.
/// Source: Specs/gguf.md §c.6.
public struct Importance: Sendable {
    /// As the user named it.
    public let path: String
    /// What the importance was measured on; the first is recorded in files made with it.
    public let datasets: [String]
    /// How many pieces of text it was measured on, where that is known.
    public let chunkCount: Int?
    /// In the order of the file.
    public let entries: [Entry]
    /// Whether it has sums and counts of tokens; files of the older format have means, times the number of chunks.
    let hasSums: Bool
    let file: SourceFile
    private let places: [ByteString: Int]

    /// The importance of one weight.
    public struct Entry: Sendable, Hashable {
        /// The weight's name in GGUF.
        public var name: String
        /// How many rows were multiplied with each matrix, 0 where none was; or one count for all matrices.
        public var counts: [Float]
        /// Where the sums of squares lie: float32, a row for each matrix.
        var offset: Int
        var valueCount: Int
        /// Columns of matrices that were multiplied with, and that weigh nothing.
        public var zeroCount = 0

        /// Whether there is a value for each column of so many matrices.
        func fits(columns: Int, matrices: Int) -> Bool {
            valueCount == columns * matrices && (counts.count == 1 || counts.count == matrices)
        }
    }

    /// - Throws: `malformedInput` for counts and sums that cannot be, or for a file that is none.
    public init(path: String) throws(RecastError) {
        let source = try FileSource(path: path)
        hasSums = try GGUFFile.recognizes(path)
        let content = try hasSums ? ImportanceContent(gguf: path) : ImportanceContent(legacy: source)
        guard !content.entries.isEmpty else { throw .malformed(path, "holds no importance of any tensor") }
        var places: [ByteString: Int] = [:]
        var entries = content.entries
        for (index, entry) in entries.enumerated() {
            guard places.updateValue(index, forKey: ByteString(entry.name)) == nil else {
                throw .malformed(path, "\(entry.name) is in the file twice")
            }
            entries[index].zeroCount = try Self.check(entry, in: source)
        }
        self.path = path
        self.places = places
        datasets = content.datasets
        chunkCount = content.chunkCount
        self.entries = entries
        file = source.file
    }

    public func entry(for name: String) -> Entry? { places[ByteString(name)].map { entries[$0] } }

    /// Every weight must be a finite number that is not negative.
    ///
    /// - Returns: how many columns of matrices that were multiplied with weigh nothing.
    private static func check(_ entry: Entry, in source: FileSource) throws(RecastError) -> Int {
        var zeroCount = 0
        func failure(_ message: String) -> RecastError { .malformed(source.name, "\(entry.name): \(message)") }
        for (matrix, count) in entry.counts.enumerated() where !(count.isFinite && count >= 0) {
            throw failure("matrix \(matrix) was measured \(count) times")
        }
        let columns = entry.valueCount / entry.counts.count
        for start in stride(from: 0, to: entry.valueCount, by: 1 << 18) {
            let range = start..<min(start + 1 << 18, entry.valueCount)
            let bytes = try source.bytes(entry.offset + 4 * range.lowerBound..<entry.offset + 4 * range.upperBound)
            for index in range {
                let bits = bytes.withUnsafeBytes { $0.integer(at: 4 * (index - start), as: UInt32.self) }
                let sum = Float(bitPattern: bits)
                let count = entry.counts[index / columns]
                guard sum >= 0, (count > 0 ? sum / count : sum).isFinite else {
                    throw failure("column \(index % columns) of matrix \(index / columns) weighs \(sum) / \(count)")
                }
                if sum == 0, count > 0 { zeroCount += 1 }
            }
        }
        return zeroCount
    }

    /// What the columns of a weight matter: float32 `[matrices, columns]`, with ones for a matrix that nothing was
    /// multiplied with, and for columns that weigh nothing: a search would put any number there.
    ///
    /// - Parameters:
    ///   - entry: one that fits the weight.
    ///   - file: the importance file among the sources of a plan.
    func weights(_ entry: Entry, columns: Int, in file: FileID) -> LazyTensor {
        let shape = [entry.valueCount / columns, columns]
        let sums = LazyTensor.stored(.f32, shape, in: file, at: entry.offset)
        func mean(_ sums: LazyTensor, _ count: Float) -> LazyTensor {
            count > 0
                ? sums.converted(to: .f32, [.dividing(count)] + (entry.zeroCount > 0 ? [.replacingZeros(1)] : []))
                : LazyTensor.zeros(.f32, sums.shape).converted(to: .f32, [.adding(1)])
        }
        if entry.counts.count == 1 { return mean(sums, entry.counts[0]) }
        return .concatenatedRows(entry.counts.enumerated().map { mean(sums.rows($0..<$0 + 1), $1) })
    }

    /// What `llama-quantize` records about the importance it has used. Texts are cut as it cuts them.
    var record: [(key: String, value: GGUFValue)] {
        var record = [("quantize.imatrix.file", GGUFValue.string(Self.cut(path)))]
        if let dataset = datasets.first { record.append(("quantize.imatrix.dataset", .string(Self.cut(dataset)))) }
        record.append(("quantize.imatrix.entries_count", .u32(UInt32(entries.count))))
        if let chunkCount, chunkCount > 0 {
            record.append(("quantize.imatrix.chunks_count", .u32(UInt32(chunkCount))))
        }
        return record
    }

    /// At most 127 bytes, of whole characters.
    private static func cut(_ text: String) -> String {
        var end = text.unicodeScalars.startIndex
        var byteCount = 0
        for index in text.unicodeScalars.indices {
            byteCount += UTF8.width(text.unicodeScalars[index])
            if byteCount > 127 { break }
            end = text.unicodeScalars.index(after: index)
        }
        return String(text[..<end])
    }
}
