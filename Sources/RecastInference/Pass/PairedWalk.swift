import Recast

/// Two models in lock-step: each block of texts goes through a layer of both, and what comes of it is compared.
struct PairedWalk {
    private let reference: ForwardPass.Walk
    private let candidate: ForwardPass.Walk

    /// The hidden states behind each layer.
    private(set) var layers: [Similarity] = []
    /// What each weight gives, where that is asked for, layer after layer.
    private(set) var linears: [(site: Slot, similarity: Similarity)] = []

    /// Of the same texts.
    init(reference: ForwardPass.Run, candidate: ForwardPass.Run) throws(RecastError) {
        precondition(reference.blocks.count == candidate.blocks.count)
        self.reference = try ForwardPass.Walk(reference)
        self.candidate = try ForwardPass.Walk(candidate)
    }

    /// Why layers of two models cannot be compared; nil where they can.
    static func obstacle(_ reference: ModelConfiguration, _ candidate: ModelConfiguration) -> String? {
        if reference.layerCount != candidate.layerCount {
            return "the reference has \(reference.layerCount) layers and the candidate \(candidate.layerCount)"
        }
        if reference.hiddenSize != candidate.hiddenSize {
            return "the hidden sizes are \(reference.hiddenSize) and \(candidate.hiddenSize)"
        }
        return nil
    }

    /// Takes all texts through all layers of both.
    ///
    /// - Returns: the normalised hidden states of the asked positions.
    mutating func run(
        comparingLinears: Bool
    ) throws(RecastError) -> (reference: HiddenStates, candidate: HiddenStates) {
        if Self.obstacle(reference.configuration, candidate.configuration) == nil {
            let traces = comparingLinears ? (0..<candidate.run.workers.count).map { _ in LinearTrace() } : nil
            while !candidate.isDone { try advance(traces) }
        } else {
            while !reference.isDone { try reference.advance() }
            while !candidate.isDone { try candidate.advance() }
        }
        return (try reference.finish(), try candidate.finish())
    }

    private mutating func advance(_ traces: [LinearTrace]?) throws(RecastError) {
        try reference.load()
        try candidate.load()
        let count = candidate.run.blocks.count
        // Each job touches its own element; they are brought together in the order of the blocks.
        let found = UnsafeMutablePointer<Found>.allocate(capacity: max(1, count))
        found.initialize(repeating: Found(), count: count)
        defer { found.deinitialize(count: count).deallocate() }
        let (reference, candidate) = (reference, candidate)
        try candidate.run.workers.run(count) { (worker, job) throws(RecastError) in
            let rows = candidate.run.blocks[job].rows
            try reference.withBlock(job, worker) { (references) throws(RecastError) in
                try candidate.withBlock(job, worker) { (candidates) throws(RecastError) in
                    let trace = traces?[worker]
                    trace?.clear()
                    try reference.apply(references, trace, isReference: true)
                    try candidate.apply(candidates, trace, isReference: false)
                    found[job].layer.add(
                        candidates.hidden, references.hidden, rows: rows.count,
                        columns: candidate.configuration.hiddenSize)
                    found[job].linears = trace?.similarities ?? [:]
                }
            }
            reference.didBlock(job)
            candidate.didBlock(job)
        }
        gather(UnsafeBufferPointer(start: found, count: count))
        try reference.didLayer()
        try candidate.didLayer()
    }

    private struct Found {
        var layer = Similarity()
        var linears: [Slot: Similarity] = [:]
    }

    private mutating func gather(_ found: UnsafeBufferPointer<Found>) {
        layers.append(found.reduce(Similarity()) { $0 + $1.layer })
        let linears = found.reduce(into: [Slot: Similarity]()) { sums, block in
            for (site, similarity) in block.linears { sums[site] = (sums[site] ?? Similarity()) + similarity }
        }
        let roles = Dictionary(uniqueKeysWithValues: Role.allCases.enumerated().map { ($1, $0) })
        self.linears += linears.map { ($0, $1) }.sorted {
            (roles[$0.0.role]!, $0.0.expert ?? -1) < (roles[$1.0.role]!, $1.0.expert ?? -1)
        }
    }
}

extension ForwardPass.Walk {
    fileprivate func withBlock(
        _ job: Int, _ worker: Int, _ body: (LayerBlock) throws(RecastError) -> Void
    ) throws(RecastError) {
        try hidden.withRows(
            run.blocks[job].rows, .update, staging: &run.resources[worker].staging
        ) { (rows) throws(RecastError) in try body(block(job, at: rows, worker)) }
    }

    /// A layer, whose products a trace is shown.
    fileprivate func apply(_ block: LayerBlock, _ trace: LinearTrace?, isReference: Bool) throws(RecastError) {
        guard let trace else { return try run.layer.apply(to: block, weights) }
        let backend = TracedLinear(layer: weights, trace: trace, isReference: isReference)
        let stages = run.layer.stages(inLayer: block.layer)
        trace.begin(part: 0, nil)
        for stage in stages where !stage.isFeedForward { try run.layer.run(stage, block, backend) }
        for (number, range) in LayerBuffers.parts(of: block.rows).enumerated() {
            let part = block.part(range, columns: configuration.hiddenSize)
            trace.begin(part: number, part.buffers.routing)
            for stage in stages where stage.isFeedForward { try run.layer.run(stage, part, backend) }
        }
    }
}
