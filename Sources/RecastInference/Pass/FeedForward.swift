import Recast

/// The feed-forward part of a layer: `down( f(gate · x) · (up · x) )`, or experts of that kind.
struct FeedForward: Sendable {
    let configuration: ModelConfiguration
    let activation: Activation

    /// Where a part lies: of the layer itself, of one of its experts, or shared by all tokens.
    private struct Site {
        var layer: Int
        var expert: Int?
        var isShared = false

        func slot(_ role: Role) -> Slot { Slot(role, layer: layer, expert: expert) }
        var gate: Slot { slot(isShared ? .sharedGate : .gate) }
        var up: Slot { slot(isShared ? .sharedUp : .up) }
        var down: Slot { slot(isShared ? .sharedDown : .down) }
    }

    /// Adds what the layer makes of `input` `[rows, hiddenSize]` to `output`, which has the same shape.
    func apply(
        _ input: UnsafePointer<Float>, layer: Int, rows: Int, addingTo output: UnsafeMutablePointer<Float>,
        buffers: LayerBuffers, multiplier: some LinearBackend
    ) throws(RecastError) {
        if let experts = configuration.layers[layer].experts {
            try apply(experts, input, layer: layer, rows: rows, addingTo: output, buffers: buffers, multiplier)
        } else {
            try apply(
                Site(layer: layer), columns: configuration.feedForwardSize, input, rows: rows, addingTo: output,
                buffers: buffers, multiplier)
        }
    }

    private func apply(
        _ site: Site, columns: Int, _ input: UnsafePointer<Float>, rows: Int,
        addingTo output: UnsafeMutablePointer<Float>, buffers: LayerBuffers, _ multiplier: some LinearBackend
    ) throws(RecastError) {
        let (gate, up) = (buffers.gate.base, buffers.up.base)
        try multiplier.multiply(site.gate, input, rows: rows, into: gate, accumulating: false, worker: buffers.worker)
        try multiplier.multiply(site.up, input, rows: rows, into: up, accumulating: false, worker: buffers.worker)
        activation.apply(gate, times: up, rows * columns)
        try multiplier.multiply(site.down, gate, rows: rows, into: output, accumulating: true, worker: buffers.worker)
    }

    // MARK: Experts

    /// Each expert sees its tokens together.
    private func apply(
        _ experts: ExpertConfiguration, _ input: UnsafePointer<Float>, layer: Int, rows: Int,
        addingTo output: UnsafeMutablePointer<Float>, buffers: LayerBuffers, _ multiplier: some LinearBackend
    ) throws(RecastError) {
        let columns = configuration.hiddenSize
        let (part, result) = (buffers.expertInput.base, buffers.expertOutput.base)
        for (expert, tokens) in try choices(experts, input, layer: layer, rows: rows, buffers, multiplier).enumerated()
        where !tokens.isEmpty {
            for (index, token) in tokens.enumerated() {
                (part + index * columns).update(from: input + token.row * columns, count: columns)
            }
            result.update(repeating: 0, count: tokens.count * columns)
            try apply(
                Site(layer: layer, expert: expert), columns: experts.feedForwardSize, part, rows: tokens.count,
                addingTo: result, buffers: buffers, multiplier)
            for (index, token) in tokens.enumerated() {
                Self.add(result + index * columns, times: token.weight, columns, to: output + token.row * columns)
            }
        }
        try applyShared(experts, input, layer: layer, rows: rows, addingTo: output, buffers: buffers, multiplier)
    }

    /// The rows that go through each expert, and what the expert counts for them.
    private func choices(
        _ experts: ExpertConfiguration, _ input: UnsafePointer<Float>, layer: Int, rows: Int, _ buffers: LayerBuffers,
        _ multiplier: some LinearBackend
    ) throws(RecastError) -> [[(row: Int, weight: Float)]] {
        let router = Router(experts: experts)
        let logits = buffers.routerLogits.base
        try multiplier.multiply(
            Slot(.router, layer: layer), input, rows: rows, into: logits, accumulating: false, worker: buffers.worker)
        let bias = multiplier.vector(Slot(.routerBias, layer: layer))
        var tokens = [[(row: Int, weight: Float)]](repeating: [], count: experts.count)
        for row in 0..<rows {
            for choice in router.choices(logits + row * experts.count, bias: bias) {
                tokens[choice.expert].append((row, choice.weight))
            }
        }
        return tokens
    }

    /// The expert of all tokens.
    private func applyShared(
        _ experts: ExpertConfiguration, _ input: UnsafePointer<Float>, layer: Int, rows: Int,
        addingTo output: UnsafeMutablePointer<Float>, buffers: LayerBuffers, _ multiplier: some LinearBackend
    ) throws(RecastError) {
        guard let shared = experts.shared else { return }
        let site = Site(layer: layer, isShared: true)
        guard shared.isGated else {
            try apply(
                site, columns: shared.feedForwardSize, input, rows: rows, addingTo: output, buffers: buffers, multiplier
            )
            return
        }
        let columns = configuration.hiddenSize
        let (weights, result) = (buffers.routerLogits.base, buffers.expertOutput.base)
        try multiplier.multiply(
            Slot(.sharedRouter, layer: layer), input, rows: rows, into: weights, accumulating: false,
            worker: buffers.worker)
        result.update(repeating: 0, count: rows * columns)
        try apply(
            site, columns: shared.feedForwardSize, input, rows: rows, addingTo: result, buffers: buffers, multiplier)
        for row in 0..<rows {
            Self.add(
                result + row * columns, times: 1 / (1 + exponential(-weights[row])), columns,
                to: output + row * columns)
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
