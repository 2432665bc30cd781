import Recast

/// The feed-forward part of a layer: `down( f(gate · x) · (up · x) )`, or experts of that kind.
struct FeedForward: Sendable {
    let configuration: ModelConfiguration
    let activation: Activation

    /// Whose weights: of the layer itself, of one of its experts, or of the expert that all tokens share.
    enum Site: Hashable, Sendable {
        case dense
        case expert(Int)
        case shared

        var expert: Int? { if case .expert(let expert) = self { expert } else { nil } }

        func gate(_ layer: Int) -> Slot { slot(self == .shared ? .sharedGate : .gate, layer) }
        func up(_ layer: Int) -> Slot { slot(self == .shared ? .sharedUp : .up, layer) }
        func down(_ layer: Int) -> Slot { slot(self == .shared ? .sharedDown : .down, layer) }

        /// What is multiplied with what comes in, in the order in which it is.
        func gateAndUp(_ layer: Int, isGated: Bool) -> [Slot] { (isGated ? [gate(layer)] : []) + [up(layer)] }

        private func slot(_ role: Role, _ layer: Int) -> Slot { Slot(role, layer: layer, expert: expert) }
    }

    /// Picks the experts of each row, and weighs the shared one.
    func route(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        guard let experts = configuration.experts else { return }
        let logits = block.buffers[.routerLogits]
        try block.multiply(.router, configuration.routerInput, into: logits, backend)
        block.buffers.routing.route(
            logits, rows: block.rows, Router(experts: experts),
            bias: backend.vector(Slot(.routerBias, layer: block.layer)),
            scale: backend.vector(Slot(.expertScale, layer: block.layer)))
        if experts.shared?.isGated ?? false {
            try block.multiply(.sharedRouter, .normed, into: block.buffers[.sharedLogits], backend)
        }
    }

    /// The rows that go through a site: of an expert those of its tokens, side by side.
    func gatheredInput(of site: Site, _ block: LayerBlock) -> (values: UnsafePointer<Float>, rows: Int) {
        guard let expert = site.expert else { return (UnsafePointer(block.buffers[.normed]), block.rows) }
        let source = block.buffers[configuration.expertSource]
        let (columns, part) = (configuration.expertColumns, block.buffers[.expertInput])
        let tokens = block.buffers.routing.tokens[expert]
        for (index, token) in tokens.enumerated() {
            (part + index * columns).update(from: source + token.row * columns, count: columns)
            guard scalesInput else { continue }
            for i in index * columns..<(index + 1) * columns { part[i] *= token.weight }
        }
        return (UnsafePointer(part), tokens.count)
    }

    /// Whether the weights of experts multiply what goes into them.
    private var scalesInput: Bool { configuration.experts?.routing.scalesInput ?? false }

    /// Takes hidden states to the latent space of routed experts.
    func projectToLatent(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let sum = block.buffers[.expertLatentSum]
        sum.update(repeating: 0, count: block.rows * configuration.expertColumns)
        try block.multiply(.expertLatentDown, .normed, into: block.buffers[.expertLatent], backend)
    }

    /// How many rows go through a site.
    func rowCount(of site: Site, _ block: LayerBlock) -> Int {
        site.expert.map { block.buffers.routing.tokens[$0].count } ?? block.rows
    }

    func gateUp(_ site: Site, _ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let (input, rows) = gatheredInput(of: site, block)
        guard rows > 0 else { return }
        let (gate, up) = (block.buffers[.gate], block.buffers[.up])
        let count = rows * configuration.feedForwardSize(of: site, inLayer: block.layer)
        let isGated = configuration.gatesFeedForward
        if !isGated { up.update(repeating: 1, count: count) }
        for slot in site.gateAndUp(block.layer, isGated: isGated) {
            let target = slot.role.isUp && isGated ? up : gate
            try backend.multiply(
                slot, input, rows: rows, into: target, accumulating: false, worker: block.buffers.worker)
        }
        let branches = configuration.multipliers.branches
        if let branches { RecurrentMixer.scale(gate, count, by: branches.gate) }
        if let limit = configuration.gateLimit {
            Activation.apply(gate, times: up, count, within: limit)
        } else {
            activation.apply(gate, times: up, count, xielu: xielu(inLayer: block.layer, backend))
        }
        if let branches { RecurrentMixer.scale(gate, count, by: branches.down) }
    }

    /// The numbers of the layer's activation; nil where it has none.
    private func xielu(inLayer layer: Int, _ backend: some LinearBackend) -> XIELU? {
        guard case .xielu = activation else { return nil }
        func number(_ role: Role) -> Float? { backend.vector(Slot(role, layer: layer))?.pointee }
        guard let alphaP = number(.xieluAlphaP), let alphaN = number(.xieluAlphaN), let beta = number(.xieluBeta),
            let epsilon = number(.xieluEpsilon)
        else { return nil }
        return XIELU(alphaP: alphaP, alphaN: alphaN, beta: beta, epsilon: epsilon)
    }

    /// Adds what a site gives to `output` `[rows, hiddenSize]`, or that of an expert to what experts give in their latent space.
    func down(
        _ site: Site, _ block: LayerBlock, addingTo output: UnsafeMutablePointer<Float>, _ backend: some LinearBackend
    ) throws(RecastError) {
        let rows = rowCount(of: site, block)
        guard rows > 0 else { return }
        let columns = site.expert == nil ? configuration.hiddenSize : configuration.expertColumns
        let gate = block.buffers[.gate]
        func multiply(into target: UnsafeMutablePointer<Float>) throws(RecastError) {
            try backend.multiply(
                site.down(block.layer), gate, rows: rows, into: target, accumulating: true,
                worker: block.buffers.worker)
        }
        let isGated = site == .shared && configuration.experts?.shared?.isGated ?? false
        guard site.expert != nil || isGated else { return try multiply(into: output) }
        let result = block.buffers[.expertOutput]
        result.update(repeating: 0, count: rows * columns)
        try multiply(into: result)
        if let expert = site.expert {
            let isLatent = configuration.experts?.latentSize != nil
            let output = isLatent ? block.buffers[.expertLatentSum] : output
            for (index, token) in block.buffers.routing.tokens[expert].enumerated() {
                let weight = scalesInput ? 1 : token.weight
                Self.add(result + index * columns, times: weight, columns, to: output + token.row * columns)
            }
        } else {
            let logits = block.buffers[.sharedLogits]
            for row in 0..<rows {
                Self.add(
                    result + row * columns, times: 1 / (1 + exponential(-logits[row])), columns,
                    to: output + row * columns)
            }
        }
    }

    private static func add(
        _ source: UnsafePointer<Float>, times factor: Float, _ count: Int, to target: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < count {
            target[i] += factor * source[i]
            i = i &+ 1
        }
    }
}

extension Role {
    fileprivate var isUp: Bool { self == .up || self == .sharedUp }
}

extension ModelConfiguration {
    /// Rows of a site's gate.
    func feedForwardSize(of site: FeedForward.Site, inLayer layer: Int) -> Int {
        switch site {
        case .dense: feedForwardSize(inLayer: layer)
        case .expert: experts?.feedForwardSize ?? 0
        case .shared: experts?.shared?.feedForwardSize ?? 0
        }
    }
}
