import Recast

/// The mathematics of one layer: attention and feed-forward, whose results are added to the hidden state.
struct DecoderLayer: Sendable {
    let configuration: ModelConfiguration
    private let norm: Norm
    private let attention: Attention
    private let feedForward: FeedForward
    private let positions: Positions

    /// - Parameter lengths: of the texts, in tokens.
    /// - Throws: `unsupported` for an activation or a rotary scaling that cannot be computed.
    init(_ configuration: ModelConfiguration, lengths: [Int]) throws(RecastError) {
        self.configuration = configuration
        norm = Norm(configuration)
        attention = Attention(configuration)
        feedForward = FeedForward(
            configuration: configuration, activation: try Activation(named: configuration.activation))
        positions = try Positions(configuration, lengths: lengths)
    }

    /// Consecutive rows that belong to one text.
    struct Sequence {
        /// Among the rows of the block.
        var rows: Range<Int>
        /// Tokens of the same text before these, whose keys and values stand before theirs.
        var past = 0
        /// Tokens of the whole text, as far as it is known.
        var length: Int
    }

    /// Where the keys and values of a block's first row go: `[rows, keyRows]` and `[rows, valueRows]`.
    struct KeysAndValues {
        var keys: UnsafeMutablePointer<Float>
        var values: UnsafeMutablePointer<Float>
    }

    /// Replaces hidden states `[rows, hiddenSize]` by what layer `index` makes of them.
    func apply(
        _ index: Int, to hidden: UnsafeMutablePointer<Float>, sequences: [Sequence], keysAndValues: KeysAndValues,
        buffers: LayerBuffers, multiplier: some LinearBackend
    ) throws(RecastError) {
        let rows = sequences.last?.rows.upperBound ?? 0
        let attended = try attend(
            index, normed(hidden, .attentionNorm, index, rows: rows, buffers, multiplier), rows: rows, sequences,
            keysAndValues, buffers, multiplier)
        try addBranch(of: .attentionPostNorm, index, rows: rows, to: hidden, buffers, multiplier) {
            (target) throws(RecastError) in
            try multiplier.multiply(
                Slot(.attentionOutput, layer: index), attended, rows: rows, into: target, accumulating: true,
                worker: buffers.worker)
        }
        for part in LayerBuffers.parts(of: rows) {
            let hidden = hidden + part.lowerBound * configuration.hiddenSize
            let input = normed(hidden, .feedForwardNorm, index, rows: part.count, buffers, multiplier)
            try addBranch(of: .feedForwardPostNorm, index, rows: part.count, to: hidden, buffers, multiplier) {
                (target) throws(RecastError) in
                try feedForward.apply(
                    input, layer: index, rows: part.count, addingTo: target, buffers: buffers, multiplier: multiplier)
            }
        }
    }

    // MARK: Branches

    /// What goes into a branch.
    private func normed(
        _ hidden: UnsafeMutablePointer<Float>, _ role: Role, _ layer: Int, rows: Int, _ buffers: LayerBuffers,
        _ multiplier: some LinearBackend
    ) -> UnsafePointer<Float> {
        let columns = configuration.hiddenSize
        guard configuration.layers[layer].norms.hasPreNorms else {
            // A copy, as what is added to may be read.
            buffers.normed.base.update(from: hidden, count: rows * columns)
            return UnsafePointer(buffers.normed.base)
        }
        norm.apply(
            hidden, multiplier.norm(role, layer: layer), rows: rows, columns: columns, into: buffers.normed.base)
        return UnsafePointer(buffers.normed.base)
    }

    /// Adds what a branch gives to the hidden states, normalised and multiplied where the model does so.
    private func addBranch(
        of role: Role, _ layer: Int, rows: Int, to hidden: UnsafeMutablePointer<Float>, _ buffers: LayerBuffers,
        _ multiplier: some LinearBackend, _ add: (UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        let factor = Float(configuration.multipliers.residual)
        guard configuration.layers[layer].norms.hasPostNorms || factor != 1 else { return try add(hidden) }
        let count = rows * configuration.hiddenSize
        let branch = buffers.branch.base
        branch.update(repeating: 0, count: count)
        try add(branch)
        if configuration.layers[layer].norms.hasPostNorms {
            norm.apply(
                branch, multiplier.norm(role, layer: layer), rows: rows, columns: configuration.hiddenSize, into: branch
            )
        }
        for i in 0..<count { hidden[i] += factor * branch[i] }
    }

    // MARK: Attention

    /// What attention gives, before its projection: `[rows, heads · valueDimension]`.
    private func attend(
        _ layer: Int, _ input: UnsafePointer<Float>, rows: Int, _ sequences: [Sequence], _ keysAndValues: KeysAndValues,
        _ buffers: LayerBuffers, _ multiplier: some LinearBackend
    ) throws(RecastError) -> UnsafePointer<Float> {
        let queries = buffers.queries.base
        if let latent = configuration.latentAttention {
            try LatentProjections(latent: latent, heads: configuration.headCount).apply(
                input, layer: layer, rows: rows, queries: queries, keys: keysAndValues.keys,
                values: keysAndValues.values, buffers: buffers, multiplier: multiplier)
        } else {
            try project(input, layer, rows: rows, keysAndValues, buffers, multiplier)
        }
        let output = configuration.latentAttention == nil ? queries : buffers.attended.base
        for sequence in sequences { attend(sequence, layer, keysAndValues, buffers, into: output) }
        return UnsafePointer(output)
    }

    private func project(
        _ input: UnsafePointer<Float>, _ layer: Int, rows: Int, _ keysAndValues: KeysAndValues, _ buffers: LayerBuffers,
        _ multiplier: some LinearBackend
    ) throws(RecastError) {
        let (queryRows, keyRows) = (configuration.queryRows, configuration.keyValueRows)
        // swift-format-ignore
        let projections: [(role: Role, target: UnsafeMutablePointer<Float>, columns: Int)] = [
            (.query, buffers.queries.base,  queryRows),
            (.key,   keysAndValues.keys,    keyRows),
            (.value, keysAndValues.values,  keyRows),
        ]
        for (role, target, columns) in projections {
            try multiplier.multiply(
                Slot(role, layer: layer), input, rows: rows, into: target, accumulating: false, worker: buffers.worker)
            guard let limit = configuration.projectionLimit.map({ Float($0) }) else { continue }
            for i in 0..<rows * columns { target[i] = min(max(target[i], -limit), limit) }
        }
        for (role, target, columns) in [
            (Role.queryNorm, buffers.queries.base, queryRows), (.keyNorm, keysAndValues.keys, keyRows),
        ] where configuration.layers[layer].norms.qk != .none {
            let dimension = configuration.layers[layer].norms.qk == .perHead ? configuration.headDimension : columns
            norm.apply(
                target, multiplier.norm(role, layer: layer), rows: rows * columns / dimension, columns: dimension,
                into: target)
        }
    }

    private func attend(
        _ sequence: Sequence, _ layer: Int, _ keysAndValues: KeysAndValues, _ buffers: LayerBuffers,
        into output: UnsafeMutablePointer<Float>
    ) {
        let (first, count, past) = (sequence.rows.lowerBound, sequence.rows.count, sequence.past)
        let queries = buffers.queries.base + first * configuration.queryRows
        let keys = keysAndValues.keys + first * configuration.keyValueRows
        if let rotary = positions.rotary(inLayer: layer, length: sequence.length) {
            rotate(queries, rows: count, heads: configuration.headCount, rotary, position: past)
            rotate(keys, rows: count, heads: configuration.keyValueHeadCount, rotary, position: past)
        }
        if positions.scalesQueries(length: sequence.length) {
            for row in 0..<count {
                let factor = positions.queryFactor(at: past + row, length: sequence.length)
                for i in 0..<configuration.queryRows { queries[row * configuration.queryRows + i] *= factor }
            }
        }
        let window = configuration.layers[layer].slidingWindow
        attention.attend(
            Attention.Operands(
                queries: queries, count: count, keys: keys - past * configuration.keyValueRows,
                values: keysAndValues.values + (first - past) * configuration.valueRows, past: past, window: window),
            into: output + first * configuration.headCount * attention.valueDimension, scores: buffers.scores.base)
    }

    private func rotate(
        _ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, _ rotary: RotaryEmbedding, position: Int
    ) {
        if let latent = configuration.latentAttention {
            LatentProjections(latent: latent, heads: heads).rotate(x, rows: rows, rotary, position: position)
        } else {
            rotary.rotate(x, rows: rows, heads: heads, headDimension: configuration.headDimension, position: position)
        }
    }
}

extension LinearBackend {
    func norm(_ role: Role, layer: Int? = nil) -> Norm.Parameters {
        Norm.Parameters(
            weight: vector(Slot(role, layer: layer)), bias: vector(Slot(role, layer: layer, .bias)))
    }
}
