import Recast

extension RecurrentMixer {
    /// The gated delta rule, token by token: the state of a head `[keyHeadDimension, valueHeadDimension]` decays, what the key finds
    /// in it is replaced by the value as far as beta says, and the query reads it.
    ///
    /// Source: transformers 5.23, `torch_recurrent_gated_delta_rule` and `Qwen3NextRMSNormGated`.
    func scan(
        _ net: GatedDeltaNet, _ rows: Range<Int>, _ block: LayerBlock, _ state: UnsafeMutablePointer<Float>,
        _ backend: some LinearBackend
    ) {
        let layer = block.layer
        let decays = backend.vector(Slot(.stateDecay, layer: layer))!
        let timeStepBias = backend.vector(Slot(.timeStepBias, layer: layer))!
        let parameters = backend.norm(.recurrentNorm, layer: layer)
        let (keys, values) = (net.keyHeadDimension, net.valueHeadDimension)
        let heads = net.valueHeadCount
        let sharing = heads / net.keyHeadCount
        withUnsafeTemporaryAllocation(of: Float.self, capacity: values) { found in
            let found = found.baseAddress!
            for row in rows {
                let mixed = block.buffers[.convolved] + row * channels
                for head in 0..<net.keyHeadCount {
                    Self.normalize(mixed + head * keys, keys, times: 1 / Float(keys).squareRoot())
                    Self.normalize(mixed + net.keyRows + head * keys, keys, times: 1)
                }
                let output = block.buffers[.recurrentOutput] + row * net.valueRows
                for head in 0..<heads {
                    let alpha = block.buffers[.recurrentAlpha][row * heads + head]
                    let rate = decay(decays[head]) * Self.softplus(alpha + timeStepBias[head])
                    let own = head / sharing * keys
                    Self.step(
                        state + head * keys * values, keys, values, query: mixed + own, key: mixed + net.keyRows + own,
                        value: mixed + 2 * net.keyRows + head * values, kept: exponential(rate),
                        written: Self.sigmoid(block.buffers[.recurrentBeta][row * heads + head]), found: found,
                        into: output + head * values)
                }
                norm.apply(output, parameters, rows: heads, columns: values, into: output)
                Self.multiplySilu(
                    of: block.buffers[.recurrentGate] + row * net.valueRows, net.valueRows, into: output)
            }
        }
    }

    /// `x / sqrt(Σ x² + 1e-6) · factor`
    private static func normalize(_ x: UnsafeMutablePointer<Float>, _ count: Int, times factor: Float) {
        let scale = Float(1 / (Reduction.sumOfSquares(x, count) + 1e-6).squareRoot()) * factor
        for i in 0..<count { x[i] *= scale }
    }

    /// One token of one head.
    private static func step(
        _ state: UnsafeMutablePointer<Float>, _ keys: Int, _ values: Int, query: UnsafePointer<Float>,
        key: UnsafePointer<Float>, value: UnsafePointer<Float>, kept: Float, written: Float,
        found: UnsafeMutablePointer<Float>, into output: UnsafeMutablePointer<Float>
    ) {
        found.update(repeating: 0, count: values)
        for i in 0..<keys { decay(state + i * values, values, by: kept, times: key[i], addingTo: found) }
        for j in 0..<values { found[j] = (value[j] - found[j]) * written }
        output.update(repeating: 0, count: values)
        for i in 0..<keys {
            add(found, times: key[i], values, to: state + i * values, thenTimes: query[i], to: output)
        }
    }

    /// `s = s · kept; sum += s · factor`
    private static func decay(
        _ s: UnsafeMutablePointer<Float>, _ count: Int, by kept: Float, times factor: Float,
        addingTo sum: UnsafeMutablePointer<Float>
    ) {
        var j = 0
        while j < count {
            let value = s[j] * kept
            s[j] = value
            sum[j] += value * factor
            j = j &+ 1
        }
    }

    /// `s += x · factor; sum += s · weight`
    private static func add(
        _ x: UnsafePointer<Float>, times factor: Float, _ count: Int, to s: UnsafeMutablePointer<Float>,
        thenTimes weight: Float, to sum: UnsafeMutablePointer<Float>
    ) {
        var j = 0
        while j < count {
            let value = s[j] + x[j] * factor
            s[j] = value
            sum[j] += value * weight
            j = j &+ 1
        }
    }
}
