import Recast

/// Chooses the codes of a model's weights from what they are multiplied with on texts, layer by layer: each weight sees what
/// the quantized weights before it make of the texts.
public struct Calibration {
    private let targets: CalibrationTargets
    private let files: FilePool
    private var passOptions: PassOptions
    private let options: CalibrationOptions
    private let grids: [Slot: WeightTarget]
    /// Of the model: what is made of them is no more readable than they are.
    private let ownFiles: [SourceFile]

    /// - Parameter planning: of the conversion that the weights are for.
    /// - Throws: what planning throws; `unsupported` where none of its weights can be calibrated.
    public init(
        _ planning: Planning, files: FilePool, _ options: CalibrationOptions, passOptions: PassOptions
    ) throws(RecastError) {
        targets = try planning.calibrationTargets()
        ownFiles = planning.checkpoint.ownFiles
        self.files = files
        self.options = options
        self.passOptions = passOptions
        var grids: [Slot: WeightTarget] = [:]
        for (slot, encoding) in targets.encodings {
            let tensor = targets.graph[slot]!
            guard tensor.shape.count == 2 else { continue }
            let target = WeightTarget(encoding, columns: tensor.columnCount)
            // Of weights outside of layers not all rows are there at once.
            if slot.layer == nil, case .packed(let packed)? = target?.encoding, packed.reduction != nil { continue }
            grids[slot] = target
        }
        guard !grids.isEmpty else {
            let names = Set(targets.encodings.values.map(\.name)).sorted().joined(separator: ", ")
            throw .unsupported(
                names.isEmpty && targets.excluded.isEmpty
                    ? "no weight is quantized, so that there are no codes that a calibration could choose"
                    : names.isEmpty
                        ? "codes of this encoding are not chosen by a calibration; without one it is written"
                        : "\(names): codes of this encoding are not chosen by a calibration; without one it is written")
        }
        self.grids = grids
        if let limit = options.maximumMemory {
            let memory = CalibrationMemory(
                graph: targets.graph, targets: grids.mapValues { [$0] }, options: options, workers: passOptions.workers)
            self.passOptions.maximumMemory = try memory.states(within: limit)
        }
    }

    /// The weight that hidden states become logits by.
    static func headSlot(of graph: Graph) -> Slot { Slot(graph.isTied ? .tokenEmbedding : .outputHead) }

    /// What the user should know of the source.
    public var warnings: [String] {
        let again = grids.keys.filter { targets.graph[$0]!.isQuantized }
        guard !again.isEmpty else { return [] }
        return [
            "\(again.count) weights are already quantized and are quantized again: losses add up, and the original would give "
                + "a better result"
        ]
    }

    /// What is quantized without regard to the texts, with the reason.
    public var notes: [String] {
        var notes = targets.excluded.map { "\($0.name) is not calibrated: \($0.reason)" }
        let others = targets.encodings.filter { $0.key.layer != nil && grids[$0.key] == nil }
        for (name, group) in Dictionary(grouping: others, by: { $0.value.name }).sorted(by: { $0.key < $1.key }) {
            notes.append(
                "\(group.count) weights are not calibrated, as \(name) stores numbers of several rows together")
        }
        return notes
    }

    /// Weights whose codes are chosen, in files beside the destination that are there until they are discarded.
    public final class Outcome {
        /// For the options of the conversion.
        package let weights: CalibratedWeights
        public let report: CalibrationReport
        /// The model as the target states it, with the weights as they will be.
        let graph: Graph
        private let folder: WorkFolder

        init(_ weights: CalibratedWeights, _ report: CalibrationReport, of original: Graph, _ folder: WorkFolder) {
            self.weights = weights
            self.report = report
            graph = weights.replacing(original)
            self.folder = folder
        }

        /// Takes away what was kept.
        public func discard() { _ = folder.discard() }

        /// What is to be thrown after an error: what was kept is taken away, or the error says how to go on with it.
        public func ended(by error: RecastError, keeps: Bool) -> RecastError { folder.ended(by: error, keeps: keeps) }

    }

    /// - Parameters:
    ///   - chunks: texts cut into windows of tokens.
    ///   - texts: what the windows are of, for the record.
    ///   - context: tokens that see each other, for the record.
    ///   - work: where what is done is kept.
    /// - Throws: `interrupted` and others, after which the work can be resumed if that was asked for.
    public func run(
        on chunks: [[Int32]], _ texts: [CalibrationRecord.Text], context: Int, _ work: CalibrationWork
    ) throws(RecastError) -> Outcome {
        let workers = try Workers(passOptions)
        let folder = try WorkFolder(
            for: work.destination, key: key(chunks), resumes: work.resumes, replaces: work.replaces)
        do throws(RecastError) {
            let record = CalibrationRecord(
                method: options.method.rawValue, effort: options.effort, damping: Double(options.damping),
                context: context, texts: texts, reorders: options.reorders)
            return try choose(chunks, record, in: folder, by: workers)
        } catch { throw folder.ended(by: error, keeps: work.resumes) }
    }

    /// The same, with the weights for as long as `done` needs them.
    public func run<Result>(
        on chunks: [[Int32]], _ texts: [CalibrationRecord.Text], context: Int, _ work: CalibrationWork,
        _ done: (Outcome) throws -> Result
    ) throws -> Result {
        let outcome = try run(on: chunks, texts, context: context, work)
        do {
            let result = try done(outcome)
            outcome.discard()
            return result
        } catch let error as RecastError { throw outcome.ended(by: error, keeps: work.resumes) }
    }

    private func choose(
        _ chunks: [[Int32]], _ record: CalibrationRecord, in folder: WorkFolder, by workers: Workers
    ) throws(RecastError) -> Outcome {
        let output = CodeOutput(
            in: folder, graph: targets.graph, grids: grids, permissions: ownFiles.permissions)
        let reader = try ForwardPass.Run(
            try ForwardPass(targets.graph, files: files, options: passOptions), [], nil)
        let observer = CalibrationObserver(
            targets.graph, grids, options, by: workers, load: { (slot) throws(RecastError) in try reader.weight(slot) },
            write: output.write)
        folder.onFinish = { (layer) throws(RecastError) in
            try output.finish(.layer(layer))
            return observer.takeRecords().map(\.json)
                + observer.takeFolded().sorted { "\($0.key)" < "\($1.key)" }.map(FoldedVector.json)
        }
        var graph = targets.graph
        let embedding = EmbeddingCalibration.slot
        if !graph.isTied, let grid = grids[embedding] {
            if folder.finishedCount == 0 {
                let calibration = EmbeddingCalibration(graph: graph, reader: reader, options: options)
                observer.record(try calibration.run(grid, texts: chunks, output.write))
                try output.finish(.embedding)
            }
            // The layers see the embedding as it will be.
            graph[embedding] = try output.tensors(of: .embedding, files)[embedding]
        }
        let pass = try ForwardPass(graph, files: files, options: passOptions)
        try pass.observe(chunks, head: Self.headSlot(of: graph), by: observer, keeper: folder)
        try output.finish(.head)
        let records = folder.records.flatMap { $0.compactMap(CalibrationReport.Weight.init) } + observer.takeRecords()
        var tensors = try output.tensors(files)
        for vector in folder.records.flatMap({ $0.compactMap(FoldedVector.init) }) {
            tensors[vector.slot] = try vector.tensor(like: targets.graph[vector.slot]!)
        }
        return Outcome(
            CalibratedWeights(tensors: tensors, record: record), CalibrationReport(weights: records),
            of: targets.graph, folder)
    }

    /// Tells this work from any other: its files, texts and options, and the kernels whose rounding shows in its bits.
    private func key(_ chunks: [[Int32]]) throws(RecastError) -> String {
        var hash = Fingerprint()
        hash.add("\(Version.recast) calibration \(try MatrixLibrary.loaded().kernels) \(options.words);")
        hash.add(filesOf: targets.graph, files)
        hash.add(of: chunks)
        for slot in grids.keys.sorted(by: { "\($0)" < "\($1)" }) { hash.add("\(slot) \(grids[slot]!.encoding);") }
        return "recast calibration \(String(hash.value, radix: 16))"
    }
}

/// Where what long work has done is kept, beside its destination.
public struct CalibrationWork: Sendable {
    public var destination: String
    /// Whether it is kept when the work is interrupted, and what an earlier run has kept is used.
    public var resumes: Bool
    /// Whether what is there may be thrown away.
    public var replaces: Bool

    public init(destination: String, resumes: Bool, replaces: Bool) {
        self.destination = destination
        self.resumes = resumes
        self.replaces = replaces
    }
}

extension ForwardPass.Run {
    /// A whole weight in float32.
    func weight(_ slot: Slot) throws(RecastError) -> FloatBuffer {
        let tensor = graph[slot]!
        let buffer = FloatBuffer(count: tensor.elementCount)
        let loads = TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: "\(slot)")
        try TensorLoad.run(loads, by: workers, resources)
        return buffer
    }
}

extension ForwardPass {
    /// Shows an observer what every weight is multiplied with, that of the head last.
    func observe(
        _ texts: [[Int32]], head: Slot, by observer: any HeadObserver, keeper: any LayerKeeper
    ) throws(RecastError) {
        let run = try Run(self, texts.map { Text(tokens: $0, predictions: $0.indices) }, observer, keeper: keeper)
        let hidden = try run.finalHiddenStates()
        guard observer.observes(head), let tensor = graph[head] else { return }
        for first in stride(from: 0, to: hidden.rows, by: Self.rowsAtOnce) {
            let rows = first..<min(hidden.rows, first + Self.rowsAtOnce)
            try run.workers.check()
            try hidden.withRows(rows, .read, staging: &run.resources[0].staging) { (states) throws(RecastError) in
                try observer.observe(
                    UnsafeBufferPointer(start: states, count: rows.count * hidden.columns), rows: rows.count,
                    columns: hidden.columns, of: [head])
            }
        }
        try observer.replaceHead(rows: tensor.rowCount, columns: tensor.columnCount, of: head) {
            (rows, target) throws(RecastError) in try run.loadHead(rows, into: target)
        }
    }
}

/// An observer that sees the head, too.
protocol HeadObserver: PassObserver {
    /// - Parameter load: fetches some rows of the weight.
    func replaceHead(
        rows: Int, columns: Int, of site: Slot,
        load: (Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError)
}
