import Recast

/// Measures the errors of types in all weights of a model, the embedding and the head included, in one pass over texts.
struct TypeErrorPass {
    let graph: Graph
    let files: FilePool
    let targets: [Slot: [WeightTarget]]
    let probes: [Slot: WeightTarget]
    let options: CalibrationOptions
    let passOptions: PassOptions

    private static let (embeddingName, headName) = ("errors-embedding", "errors-head")

    /// - Parameter output: takes the weights as the probes have them.
    func run(
        _ chunks: [[Int32]], _ output: CodeOutput, in folder: WorkFolder
    ) throws(RecastError) -> [Slot: [String: TypeError]] {
        let workers = try Workers(passOptions)
        // A search by the squares of the columns is all that scaled columns add to.
        var options = options
        if options.method == .awq { options.method = .search }
        let observer = TypeErrorObserver(targets, probes: probes, options, by: workers, write: output.write)
        var found: [TypeError] = []
        if !graph.isTied, targets[EmbeddingCalibration.slot] != nil {
            found += try embeddingErrors(chunks, observer, output, in: folder)
        }
        folder.onFinish = { (layer) throws(RecastError) in
            try output.finish(.layer(layer))
            return observer.takeErrors().map(\.json)
        }
        if let kept = errors(Self.headName, in: folder) {
            found += kept
        } else {
            let pass = try ForwardPass(graph, files: files, options: passOptions)
            try pass.observe(chunks, head: Calibration.headSlot(of: graph), by: observer, keeper: folder)
            try output.finish(.head)
            let errors = observer.takeErrors()
            try folder.write(.array(errors.map(\.json)), to: Self.headName)
            found += errors
        }
        found += folder.records.flatMap { $0.compactMap(TypeError.init) }
        var errors: [Slot: [String: TypeError]] = [:]
        for error in found { errors[error.slot, default: [:]][error.encoding] = error }
        return errors
    }

    private func embeddingErrors(
        _ chunks: [[Int32]], _ observer: TypeErrorObserver, _ output: CodeOutput, in folder: WorkFolder
    ) throws(RecastError) -> [TypeError] {
        if folder.finishedCount > 0, let kept = self.errors(Self.embeddingName, in: folder) { return kept }
        let slot = EmbeddingCalibration.slot
        let tensor = graph[slot]!
        let reader = try ForwardPass.Run(try ForwardPass(graph, files: files, options: passOptions), [], nil)
        let metric = try EmbeddingCalibration(graph: graph, reader: reader, options: options).metric(chunks)
        var factors: [ColumnOrder: HessianFactor] = [:]
        try observer.measure(
            slot, rows: tensor.rowCount, columns: tensor.columnCount, tokens: chunks.reduce(0) { $0 + $1.count }
        ) { (rows, target) throws(RecastError) in
            try TensorLoad.run(
                TensorLoad.loads(of: tensor, rows: rows, into: target, name: "\(slot)"), by: reader.workers,
                reader.resources)
        } factor: { (target) throws(RecastError) in
            if let factor = factors[target.order] { return factor }
            let factor = try HessianFactor(metric, damping: options.damping, target.order)
            factors[target.order] = factor
            return factor
        }
        try output.finish(.embedding)
        let errors = observer.takeErrors()
        try folder.write(.array(errors.map(\.json)), to: Self.embeddingName)
        return errors
    }

    /// What was kept under a name.
    private func errors(_ name: String, in folder: WorkFolder) -> [TypeError]? {
        folder.json(name)?.array?.compactMap(TypeError.init)
    }
}
