import Recast

/// The layers of a run under an observer: stages outside, blocks inside.
///
/// A layer is cut before each stage that has observed weights. The stages between two cuts are run on every block, by all
/// workers; what the stage after the second cut needs of a block is kept till then, in memory or in a file, as hidden states
/// are. At the cut the observer is shown it, and may replace weights.
struct ObservedLayers {
    private let run: ForwardPass.Run
    private let hidden: HiddenStates
    private let weights: ResidentLayer
    private let observer: any PassObserver
    private let places: [ForwardPass.Run.WorkPlace]
    private let kept: [Intermediate: HiddenStates]
    /// Of each part of each block.
    private let routings: [[Routing]]

    private var configuration: ModelConfiguration { run.configuration }

    init(
        _ run: ForwardPass.Run, _ hidden: HiddenStates, _ weights: ResidentLayer, _ observer: any PassObserver
    ) throws(RecastError) {
        self.run = run
        self.hidden = hidden
        self.weights = weights
        self.observer = observer
        places = run.places()
        routings = run.blocks.map { block in LayerBuffers.parts(of: block.rows.count).map { _ in Routing() } }

        var needed: Set<Intermediate> = []
        for layer in 0..<run.configuration.layerCount {
            for stage in run.layer.stages(inLayer: layer) where Self.observes(stage, layer, run, observer) {
                needed.formUnion(stage.operands(run.configuration, layer: layer))
            }
        }
        var kept: [Intermediate: HiddenStates] = [:]
        var memory = run.options.maximumMemory - hidden.memoryByteCount
        for intermediate in Intermediate.allCases where needed.contains(intermediate) {
            // Whole cache lines, so that every block begins as aligned as in a worker's buffers.
            let columns = run.configuration.columns(of: intermediate).aligned(to: 16)
            let states = try HiddenStates(
                rows: hidden.rows, columns: columns, maximumMemory: memory, directory: run.options.temporaryDirectory)
            memory -= states.memoryByteCount
            kept[intermediate] = states
        }
        self.kept = kept
    }

    private static func observes(
        _ stage: Stage, _ layer: Int, _ run: ForwardPass.Run, _ observer: any PassObserver
    ) -> Bool {
        stage.inputs(run.configuration, layer: layer).contains { $0.sites.contains { observer.observes($0) } }
    }

    // MARK: Stages

    /// Takes the hidden states of all blocks through a layer, whose weights are there.
    func apply(_ layer: Int) throws(RecastError) {
        let stages = run.layer.stages(inLayer: layer)
        let cuts = stages.indices.filter { Self.observes(stages[$0], layer, run, observer) } + [stages.count]
        var first = 0
        for (number, cut) in cuts.enumerated() {
            let next = cut < stages.count ? stages[cut] : nil
            try advance(through: stages[first..<cut], of: layer, to: next, share: (number, cuts.count))
            weights.dropExperts()
            if let next { try observe(next, of: layer) }
            first = cut
        }
    }

    /// Runs some stages on all blocks, from what was kept for the first of them to what is kept for `next`.
    private func advance(
        through stages: ArraySlice<Stage>, of layer: Int, to next: Stage?, share: (number: Int, count: Int)
    ) throws(RecastError) {
        let ofAttention = stages.prefix { !$0.isFeedForward }
        let ofFeedForward = stages.dropFirst(ofAttention.count)
        let access = HiddenStates.Access.combined(stages.map(\.access))
        let isFirst = share.number == 0
        let phase = Progress.Phase.layer(layer, of: configuration.layerCount)
        try run.workers.run(run.blocks.count) { (worker, job) throws(RecastError) in
            let rows = run.blocks[job].rows
            try hidden.withRows(rows, access, staging: &run.resources[worker].staging) {
                (states) throws(RecastError) in
                let block = run.layerBlock(run.blocks[job], layer, states, places[worker])
                if !ofAttention.isEmpty {
                    try advance(
                        block, at: rows.lowerBound, through: ofAttention, from: isFirst ? nil : stages.first,
                        to: ofFeedForward.isEmpty ? next : nil)
                }
                guard !ofFeedForward.isEmpty else { return }
                for (number, range) in LayerBuffers.parts(of: rows.count).enumerated() {
                    try advance(
                        part(range, number, of: block, job), at: rows.lowerBound + range.lowerBound,
                        through: ofFeedForward, from: ofAttention.isEmpty ? stages.first : nil, to: next)
                }
            }
            let cost = run.work.layerCost * rows.count
            run.work.add(cost * (share.number + 1) / share.count - cost * share.number / share.count, phase)
        }
    }

    private func part(_ range: Range<Int>, _ number: Int, of block: LayerBlock, _ job: Int) -> LayerBlock {
        var part = block.part(range, columns: configuration.hiddenSize)
        part.buffers.routing = routings[job][number]
        return part
    }

    /// - Parameters:
    ///   - row: of the sample, with which the block begins.
    ///   - first: the stage for which its operands were kept.
    ///   - next: the stage for which its operands are to be kept.
    private func advance(
        _ block: LayerBlock, at row: Int, through stages: ArraySlice<Stage>, from first: Stage?, to next: Stage?
    ) throws(RecastError) {
        var block = block
        let loaded = first?.operands(configuration, layer: block.layer) ?? []
        let stored = next?.operands(configuration, layer: block.layer) ?? []
        let branch = block.buffers[.branch]
        for operand in loaded + stored { put(operand, at: row, into: &block) }
        // What attention has just left in it goes along.
        if configuration.hasParallelResidual, !loaded.contains(.branch), block.buffers[.branch] != branch {
            block.buffers[.branch].update(from: branch, count: block.rows * configuration.columns(of: .branch))
        }
        if let first { for operand in loaded { try load(operand, of: first, at: row, block) } }
        for stage in stages { try run.layer.run(stage, block, weights) }
        guard let next else { return }
        let changed = stages.reduce(into: Set([Intermediate.gate, .branch])) { $0.formUnion($1.replacedOperands) }
        for operand in stored where !loaded.contains(operand) || changed.contains(operand) {
            try kept[operand]!.store(count(of: operand, next, block), to: row, from: block.buffers[operand])
        }
    }

    // MARK: What is kept

    /// Lets a block work where an intermediate result is kept, if that is in memory.
    private func put(_ operand: Intermediate, at row: Int, into block: inout LayerBlock) {
        if let place = kept[operand]!.place(of: row) { block.buffers[operand] = place }
    }

    private func load(_ operand: Intermediate, of stage: Stage, at row: Int, _ block: LayerBlock) throws(RecastError) {
        try kept[operand]!.load(count(of: operand, stage, block), from: row, into: block.buffers[operand])
    }

    /// Numbers of an operand of a stage, side by side from the block's first row.
    private func count(of operand: Intermediate, _ stage: Stage, _ block: LayerBlock) -> Int {
        guard operand == .gate, case .down(let site) = stage else {
            return block.rows * configuration.columns(of: operand, inLayer: block.layer)
        }
        return run.layer.rowCount(of: stage, block) * configuration.feedForwardSize(of: site, inLayer: block.layer)
    }

    // MARK: Observation

    /// Shows what the weights of a stage will be multiplied with, and lets them be replaced.
    private func observe(_ stage: Stage, of layer: Int) throws(RecastError) {
        for input in stage.inputs(configuration, layer: layer) {
            let sites = input.sites.filter { observer.observes($0) }
            guard !sites.isEmpty else { continue }
            for job in run.blocks.indices { try show(input, sites, of: stage, layer, job) }
            for site in sites {
                try weights.withWeight(of: site, by: run.workers) { (weight, rows, columns) throws(RecastError) in
                    try observer.replace(weight, rows: rows, columns: columns, of: site)
                }
            }
        }
    }

    private func show(
        _ input: Stage.Input, _ sites: [Slot], of stage: Stage, _ layer: Int, _ job: Int
    ) throws(RecastError) {
        try run.workers.check()
        let rows = run.blocks[job].rows
        // Nothing is done with the hidden states.
        let block = run.layerBlock(run.blocks[job], layer, places[0].buffers[.normed], places[0])
        guard stage.isFeedForward else { return try show(input, sites, of: stage, block, at: rows.lowerBound) }
        for (number, range) in LayerBuffers.parts(of: rows.count).enumerated() {
            try show(
                input, sites, of: stage, part(range, number, of: block, job), at: rows.lowerBound + range.lowerBound)
        }
    }

    private func show(
        _ input: Stage.Input, _ sites: [Slot], of stage: Stage, _ block: LayerBlock, at row: Int
    ) throws(RecastError) {
        let rows = run.layer.rowCount(of: stage, block)
        guard rows > 0 else { return }
        var block = block
        // What goes into an expert is gathered from these.
        let operand = input.values == .expertInput ? configuration.expertSource : input.values
        put(operand, at: row, into: &block)
        try load(operand, of: stage, at: row, block)
        var values = UnsafePointer(block.buffers[operand])
        if case .gateUp(let site) = stage { values = run.layer.feedForward.gatheredInput(of: site, block).values }
        try observer.observe(
            UnsafeBufferPointer(start: values, count: rows * input.columns), rows: rows, columns: input.columns,
            of: sites)
    }
}

extension HiddenStates.Access {
    /// What some users of the same rows do with them.
    static func combined(_ accesses: [HiddenStates.Access]) -> HiddenStates.Access {
        accesses.contains(.update) ? .update : accesses.contains(.read) ? .read : .none
    }
}
