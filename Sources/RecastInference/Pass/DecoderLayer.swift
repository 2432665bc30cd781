import Recast

/// The mathematics of one layer, by stages: attention and feed-forward, whose results are added to the hidden state.
struct DecoderLayer: Sendable {
    let configuration: ModelConfiguration
    let norm: Norm
    /// Of each layer.
    let attentions: [Attention]
    let latent: LatentProjections?
    let picker: TokenPicker?
    let recurrent: RecurrentMixer?
    let positions: Positions
    let feedForward: FeedForward
    /// Of each layer: those that mix tokens, and those of the feed-forward part.
    private let mixerStages: [[Stage]]
    private let feedForwardStages: [[Stage]]

    /// - Parameter lengths: of the texts, in tokens.
    /// - Throws: `unsupported` for an activation or a rotary scaling that cannot be computed.
    init(_ configuration: ModelConfiguration, lengths: [Int]) throws(RecastError) {
        self.configuration = configuration
        norm = Norm(configuration)
        attentions = configuration.layers.indices.map { Attention(configuration, inLayer: $0) }
        latent = configuration.latentAttention.map { LatentProjections(latent: $0, heads: configuration.headCount) }
        picker = configuration.latentAttention?.indexer.map { TokenPicker(indexer: $0) }
        recurrent = configuration.recurrence.map { RecurrentMixer($0, configuration) }
        feedForward = FeedForward(
            configuration: configuration, activation: try Activation(named: configuration.activation))
        positions = try Positions(configuration, lengths: lengths)
        mixerStages = configuration.layers.indices.map { configuration.mixerStages(inLayer: $0) }
        feedForwardStages = configuration.layers.indices.map { configuration.feedForwardStages(inLayer: $0) }
    }

    // MARK: Stages

    /// All stages of a layer, in order.
    func stages(inLayer layer: Int) -> [Stage] { mixerStages[layer] + feedForwardStages[layer] }

    /// Replaces the hidden states of a block by what its layer makes of them.
    func apply(to block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        for stage in mixerStages[block.layer] { try run(stage, block, backend) }
        guard !feedForwardStages[block.layer].isEmpty else { return }
        for range in LayerBuffers.parts(of: block.rows) {
            let part = block.part(range, columns: configuration.hiddenSize)
            for stage in feedForwardStages[block.layer] { try run(stage, part, backend) }
        }
    }

    func run(_ stage: Stage, _ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        switch stage {
        case .norm(let branch): normalize(block, for: branch, backend)
        case .queryKeyValue: try project(block, backend)
        case .latentDown:
            try latent!.projectDown(block, backend)
            try picker(inLayer: block.layer)?.projectDown(block, backend)
        case .latentUp:
            try latent!.projectUp(block, into: keyValueCache(of: block), backend)
            try picker(inLayer: block.layer)?.projectUp(block, into: keyValueCache(of: block), backend)
        case .mix: try mix(block, backend)
        case .attentionOutput:
            clearBranch(of: block)
            try block.multiply(
                Slot(.attentionOutput, layer: block.layer), .attended, into: sum(of: block), accumulating: true, backend
            )
        case .recurrentInput: try recurrent!.project(block, backend)
        case .convolve: recurrent!.convolve(block, backend)
        case .stateProjection: try recurrent!.projectState(block, backend)
        case .timeStep: try block.multiply(.timeStep, .timeStepInput, into: block.buffers[.timeStep], backend)
        case .scan: recurrent!.scan(block, backend)
        case .recurrentOutput:
            // Beside attention, what that gave is in it.
            if !configuration.layers[block.layer].hasAttention { clearBranch(of: block) }
            try block.multiply(
                Slot(.recurrentOutput, layer: block.layer), .recurrentOutput, into: sum(of: block), accumulating: true,
                backend)
        case .residual(let branch): addBranch(branch, of: block, backend)
        case .route: try feedForward.route(block, backend)
        case .expertLatentDown: try feedForward.projectToLatent(block, backend)
        case .expertLatentUp:
            try block.multiply(
                Slot(.expertLatentUp, layer: block.layer), .expertLatentSum, into: sum(of: block), accumulating: true,
                backend)
        case .gateUp(let site): try feedForward.gateUp(site, block, backend)
        case .down(let site): try feedForward.down(site, block, addingTo: sum(of: block), backend)
        case .expertNorm: normalizeForExperts(block, backend)
        case .layerInput: try prepareLayerInput(block, backend)
        case .layerInputGate: try gateLayerInput(block, backend)
        case .layerInputProjection: try addLayerInput(block, backend)
        case .layerScale: scale(block, backend)
        }
    }

    /// How many rows of a block a stage multiplies weights with.
    func rowCount(of stage: Stage, _ block: LayerBlock) -> Int {
        switch stage {
        case .gateUp(let site), .down(let site): feedForward.rowCount(of: site, block)
        default: block.rows
        }
    }

    // MARK: Branches

    /// What the results of a branch are added to.
    private func sum(of block: LayerBlock) -> UnsafeMutablePointer<Float> {
        configuration.addsBranchesAtOnce ? block.hidden : block.buffers[.branch]
    }

    private func clearBranch(of block: LayerBlock) {
        guard !configuration.addsBranchesAtOnce else { return }
        block.buffers[.branch].update(repeating: 0, count: block.rows * configuration.hiddenSize)
    }

    private func normalize(_ block: LayerBlock, for branch: Stage.Branch, _ backend: some LinearBackend) {
        let isParallel = configuration.hasParallelResidual
        // What attention gave is in the branch, and not in the hidden states yet.
        if branch == .feedForward, !isParallel { clearBranch(of: block) }
        let (columns, target) = (configuration.hiddenSize, block.buffers[.normed])
        guard configuration.layers[block.layer].norms.hasPreNorms else {
            // A copy, as what is added to may be read.
            target.update(from: block.hidden, count: block.rows * columns)
            return
        }
        let role = normRole(of: branch, inLayer: block.layer)
        norm.apply(
            block.hidden, backend.norm(role, layer: block.layer), rows: block.rows, columns: columns, into: target)
    }

    /// The norm before a branch, or of the sum behind it.
    func normRole(of branch: Stage.Branch, inLayer layer: Int) -> Role {
        branch == .attention || configuration.layers[layer].norms.sharesPreNorm ? .attentionNorm : .feedForwardNorm
    }

    /// Adds what a branch gave to the hidden states, normalised and multiplied where the model does so.
    private func addBranch(_ branch: Stage.Branch, of block: LayerBlock, _ backend: some LinearBackend) {
        guard !configuration.addsBranchesAtOnce else { return }
        let (values, hidden, columns) = (block.buffers[.branch], block.hidden, configuration.hiddenSize)
        if branch == .feedForward, hasOwnNorms(inLayer: block.layer) { addExperts(of: block, backend) }
        if configuration.layers[block.layer].norms.hasPostNorms {
            let role: Role = branch == .attention ? .attentionPostNorm : .feedForwardPostNorm
            norm.apply(
                values, backend.norm(role, layer: block.layer), rows: block.rows, columns: columns, into: values)
        }
        let factor = Float(configuration.multipliers.residual)
        for i in 0..<block.rows * columns { hidden[i] += factor * values[i] }
        guard configuration.layers[block.layer].norms.isPostLN else { return }
        let role = normRole(of: branch, inLayer: block.layer)
        norm.apply(
            hidden, backend.norm(role, layer: block.layer), rows: block.rows, columns: columns, into: hidden)
    }
}

extension LinearBackend {
    func norm(_ role: Role, layer: Int? = nil) -> Norm.Parameters {
        Norm.Parameters(
            weight: vector(Slot(role, layer: layer)), bias: vector(Slot(role, layer: layer, .bias)))
    }
}
