import Recast

/// Measures which columns of a model's weights matter, on texts: what `llama-imatrix` does, for models of any size, layer by
/// layer.
public struct ImportanceMeasurement {
    private let places: ImportancePlaces
    private let files: FilePool
    private let options: PassOptions

    /// - Throws: `unsupported` for models that GGUF cannot hold.
    public init(_ model: Model, options: PassOptions) throws(RecastError) {
        places = try ImportancePlaces(model)
        files = model.sources
        self.options = options
    }

    /// Weights whose importance is not measured, by their names in GGUF: it stores something else than the model multiplies
    /// with.
    public var excluded: [String] { places.excluded }

    /// - Parameters:
    ///   - chunks: texts cut into windows of tokens.
    ///   - datasets: what the texts are called in the file.
    ///   - work: where what is done is kept.
    ///   - done: called with the result, while what was kept of the work is still there.
    /// - Throws: `usage` where there is no chunk; `interrupted` and others, after which the work can be resumed if that was
    ///   asked for.
    public func run<Result>(
        on chunks: [[Int32]], datasets: [String], _ work: CalibrationWork,
        _ done: (ImportanceSums) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let workers = try Workers(options)
        let folder = try WorkFolder(
            for: work.destination, key: key(chunks), resumes: work.resumes, replaces: work.replaces)
        do throws(RecastError) {
            let observer = ImportanceObserver(places.places, by: workers)
            var sums: [Slot: ColumnSquares] = [:]
            for layer in 0..<folder.finishedCount { sums.merge(try read(layer, in: folder)) { $1 } }
            folder.onFinish = { [unowned folder] (layer) throws(RecastError) in
                let found = try observer.take()
                sums.merge(found) { $1 }
                try write(found, of: layer, in: folder)
                return []
            }
            let pass = try ForwardPass(places.graph, files: files, options: options)
            try pass.run(chunks, by: observer, keeper: folder)
            let result = try done(
                ImportanceSums(
                    datasets: datasets, chunkCount: chunks.count, chunkSize: chunks.map(\.count).max() ?? 0,
                    entries: entries(sums)))
            _ = folder.discard()
            return result
        } catch { throw folder.ended(by: error, keeps: work.resumes) }
    }

    /// A row for each expert, and zeros for those that were not asked.
    private func entries(_ sums: [Slot: ColumnSquares]) -> [ImportanceSums.Entry] {
        var entries: [String: ImportanceSums.Entry] = [:]
        for (slot, squares) in sums {
            guard let place = places.places[slot] else { continue }
            let columns = squares.sums.count
            var entry =
                entries[place.name]
                ?? ImportanceSums.Entry(
                    name: place.name, counts: [Float](repeating: 0, count: place.matrixCount),
                    sums: [Float](repeating: 0, count: place.matrixCount * columns))
            entries[place.name] = nil
            entry.counts[place.matrix] = Float(squares.count)
            for (column, sum) in squares.sums.enumerated() {
                entry.sums[place.matrix * columns + column] = Float(sum)
            }
            entries[place.name] = entry
        }
        return Array(entries.values)
    }

    // MARK: What is kept

    private func key(_ chunks: [[Int32]]) throws(RecastError) -> String {
        var hash = Fingerprint()
        hash.add("\(Version.recast) importance \(try MatrixLibrary.loaded().kernels);")
        hash.add(filesOf: places.graph, files)
        hash.add(of: chunks)
        return "recast importance \(String(hash.value, radix: 16))"
    }

    private func slots(of layer: Int) -> [Slot] {
        places.places.keys.filter { $0.layer == layer }.sorted { "\($0)" < "\($1)" }
    }

    private func write(
        _ found: [Slot: ColumnSquares], of layer: Int, in folder: WorkFolder
    ) throws(RecastError) {
        var bytes: [UInt8] = []
        for slot in slots(of: layer) {
            let squares = found[slot] ?? ColumnSquares(columns: places.graph[slot]!.columnCount)
            bytes.append(littleEndian: UInt64(squares.count))
            for sum in squares.sums { bytes.append(littleEndian: sum.bitPattern) }
        }
        try folder.write(bytes, to: "sums-\(layer)")
    }

    private func read(_ layer: Int, in folder: WorkFolder) throws(RecastError) -> [Slot: ColumnSquares] {
        let bytes = try folder.read("sums-\(layer)")
        var found: [Slot: ColumnSquares] = [:]
        var offset = 0
        bytes.withUnsafeBytes { bytes in
            func next() -> UInt64 {
                defer { offset += 8 }
                return offset + 8 <= bytes.count ? bytes.integer(at: offset, as: UInt64.self) : 0
            }
            for slot in slots(of: layer) {
                let count = Int(truncatingIfNeeded: next())
                found[slot] = ColumnSquares(
                    count: count,
                    sums: (0..<places.graph[slot]!.columnCount).map { _ in Double(bitPattern: next()) })
            }
        }
        guard offset == bytes.count else {
            throw RecastError(
                .inputOutput, "is not what was kept; --force begins again", trail: [folder.path(of: "sums-\(layer)")])
        }
        return found
    }
}

extension Fingerprint {
    /// The files that a model is read from.
    package mutating func add(filesOf graph: Graph, _ files: FilePool) {
        var ids: Set<FileID> = []
        for entry in graph.entries { entry.tensor.forEachStored { id, _ in ids.insert(id) } }
        for id in ids.sorted(by: { $0.index < $1.index }) {
            let file = files[id]
            add("\(file.place)|\(file.name)|\(file.byteCount)|\(file.tag);")
        }
    }

    mutating func add(of texts: [[Int32]]) {
        for text in texts {
            add(text.flatMap { token in withUnsafeBytes(of: token.littleEndian, Array.init) })
            add("|")
        }
    }
}
