/// What stands in an importance file, before its numbers are looked at.
struct ImportanceContent {
    var datasets: [String] = []
    var chunkCount: Int?
    var entries: [Importance.Entry] = []
}

// MARK: GGUF

extension ImportanceContent {
    private static let sums = ".in_sum2"
    private static let counts = ".counts"

    /// A GGUF file of the type `imatrix`: two tensors for each weight.
    init(gguf path: String) throws(RecastError) {
        var files = FileList()
        let file = try GGUFFile(path: path, files: &files)
        guard file.metadata["general.type"]?.string == "imatrix" else {
            throw .malformed(path, "is a GGUF file, but no importance file: general.type is not imatrix")
        }
        datasets = file.metadata["imatrix.datasets"]?.strings ?? []
        if let value = file.metadata["imatrix.chunk_count"] {
            guard let count = value.int, UInt32(exactly: count) != nil else {
                throw .malformed(path, "imatrix.chunk_count is no number of chunks")
            }
            chunkCount = count
        }
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { (ByteString($0.name), $0.tensor) })
        var reader = Reader(files: FilePool(files.files))
        for tensor in file.tensors {
            guard tensor.name.hasSuffix(Self.sums) || tensor.name.hasSuffix(Self.counts) else {
                throw .malformed(path, "\(tensor.name) is neither a sum nor a count of an importance file")
            }
            let name = String(tensor.name.dropLast((tensor.name.hasSuffix(Self.sums) ? Self.sums : Self.counts).count))
            guard let sums = tensors[ByteString(name + Self.sums)], let counts = tensors[ByteString(name + Self.counts)]
            else { throw .malformed(path, "\(name) has only one of \(Self.sums) and \(Self.counts)") }
            guard tensor.name.hasSuffix(Self.sums) else { continue }
            entries.append(try Self.entry(name, sums, counts, file: path, using: &reader))
        }
    }

    private static func entry(
        _ name: String, _ sums: LazyTensor, _ counts: LazyTensor, file: String, using reader: inout Reader
    ) throws(RecastError) -> Importance.Entry {
        // A row of sums for each matrix, one count each.
        let matrices = sums.shape.dropLast().reduce(1, *)
        guard sums.dtype == .f32, counts.dtype == .f32, counts.elementCount == matrices,
            case .stored(_, let offset) = sums.recipe
        else {
            throw .malformed(
                file,
                "\(name): sums \(sums.dtype) \(sums.shape) and counts \(counts.dtype) \(counts.shape) do not belong "
                    + "together")
        }
        let bytes = try counts.bytes(using: &reader)
        let numbers = (0..<matrices).map { index in
            Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
        }
        return Importance.Entry(name: name, counts: numbers, offset: offset, valueCount: sums.elementCount)
    }
}

// MARK: The older format

extension ImportanceContent {
    /// A file of the older format: a count of entries, each with its name, a count of calls and the values; then the
    /// number of chunks and the name of the text, which early files lack.
    init(legacy source: FileSource) throws(RecastError) {
        var cursor = FileCursor(source)
        let entryCount = try cursor.integer(Int32.self)
        // Nothing tells such a file but that it makes sense.
        guard entryCount >= 0, Int(entryCount) <= cursor.remaining / 16 else {
            throw cursor.failure(
                "is no importance file: neither GGUF nor a list, which would begin with \(entryCount) entries", at: 0)
        }
        for _ in 0..<entryCount {
            let name = try cursor.text("tensor name", limit: GGUFFile.maximumNameLength)
            guard !name.isEmpty, !name.utf8.contains(0) else {
                throw cursor.failure("a tensor name is empty or cut off")
            }
            let callCount = try cursor.integer(Int32.self)
            guard callCount > 0 else { throw cursor.failure("\(name) was measured \(callCount) times") }
            let valueCount = try cursor.integer(Int32.self)
            guard valueCount > 0, Int(valueCount) <= cursor.remaining / 4 else {
                throw cursor.failure("\(name): \(valueCount) values do not fit into the file")
            }
            entries.append(
                Importance.Entry(
                    name: name, counts: [Float(callCount)], offset: cursor.offset, valueCount: Int(valueCount)))
            try cursor.skip(4 * Int(valueCount))
        }
        guard cursor.remaining > 0 else { return }
        let chunks = try cursor.integer(Int32.self)
        guard chunks >= 0 else { throw cursor.failure("a count of \(chunks) chunks") }
        chunkCount = Int(chunks)
        guard cursor.remaining > 0 else { return }
        datasets = [try cursor.text("dataset", limit: 1 << 16)]
        guard cursor.remaining == 0 else {
            throw cursor.failure("\(cursor.remaining) bytes after the end of the importance file")
        }
    }
}

extension FileCursor {
    /// Text after its length as a signed 32-bit integer.
    fileprivate mutating func text(_ what: String, limit: Int) throws(RecastError) -> String {
        let place = offset
        let count = try integer(Int32.self)
        guard count >= 0, count <= limit, Int(count) <= remaining else {
            throw failure(
                "\(what) of \(count) bytes; at most \(limit) are possible, and the file must hold them", at: place)
        }
        guard let text = try take(Int(count), { String(validating: $0, as: UTF8.self) }) else {
            throw failure("\(what) is not UTF-8", at: place)
        }
        return text
    }
}
