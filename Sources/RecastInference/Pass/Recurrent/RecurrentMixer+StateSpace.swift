import Recast

// The selective state spaces of Mamba and Mamba-2. Source: transformers 5.23, `modeling_mamba.py`, `modeling_mamba2.py`.
extension RecurrentMixer {
    /// Of Mamba: what time steps are made of, and the input and the output of the state, normalised where they are.
    func projectState(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        guard let mamba = recurrence.mamba else { return }
        let (rank, size) = (mamba.timeStepRank, mamba.stateSize)
        let columns = rank + 2 * size
        let parameters = block.buffers[.stateParameters]
        try block.multiply(.stateProjection, .convolved, into: parameters, backend)
        // swift-format-ignore
        let parts = [
            (role: Role.timeStepNorm, first: 0,           count: rank),
            (.stateInputNorm,         rank,               size),
            (.stateOutputNorm,        rank + size,        size),
        ]
        for row in 0..<block.rows {
            for (role, first, count) in parts where mamba.stateNorms != .none {
                let values = parameters + row * columns + first
                switch mamba.stateNorms {
                case .none: break
                case .weighted:
                    norm.apply(values, backend.norm(role, layer: block.layer), rows: 1, columns: count, into: values)
                case .plain:
                    Norm(kind: .rms, epsilon: mamba.stateNormEpsilon ?? norm.epsilon)
                        .apply(values, Norm.Parameters(), rows: 1, columns: count, into: values)
                }
            }
            (block.buffers[.timeStepInput] + row * rank).update(from: parameters + row * columns, count: rank)
        }
    }

    /// Mamba: each channel has a state of its own, which decays by its time step.
    func scan(
        _ mamba: Mamba, _ rows: Range<Int>, _ block: LayerBlock, _ state: UnsafeMutablePointer<Float>,
        _ backend: some LinearBackend
    ) {
        let (inner, size, rank) = (mamba.innerSize, mamba.stateSize, mamba.timeStepRank)
        let stored = backend.vector(Slot(.stateDecay, layer: block.layer))!
        let skip = backend.vector(Slot(.stateSkip, layer: block.layer))!
        // Rates by element of the state, and two rows to work in.
        withUnsafeTemporaryAllocation(of: Float.self, capacity: (size + 2) * inner) { room in
            let rates = room.baseAddress!
            let (kept, written) = (rates + size * inner, rates + (size + 1) * inner)
            for channel in 0..<inner {
                for n in 0..<size { rates[n * inner + channel] = decay(stored[channel * size + n]) }
            }
            for row in rows {
                let x = block.buffers[.convolved] + row * inner
                let steps = block.buffers[.timeStep] + row * inner
                let parameters = block.buffers[.stateParameters] + row * (rank + 2 * size)
                let output = block.buffers[.recurrentOutput] + row * inner
                for channel in 0..<inner {
                    steps[channel] = Self.softplus(steps[channel])
                    written[channel] = steps[channel] * x[channel]
                    output[channel] = skip[channel] * x[channel]
                }
                for n in 0..<size {
                    Self.decays(rates + n * inner, times: steps, inner, into: kept)
                    Self.step(
                        state + n * inner, inner, kept: kept, adding: written, times: parameters[rank + n],
                        reading: parameters[rank + size + n], into: output)
                }
                Self.multiplySilu(
                    of: block.buffers[.recurrentInput] + row * inputColumns + inner, inner, into: output)
            }
        }
    }

    /// `exp(rate · step)`
    private static func decays(
        _ rates: UnsafePointer<Float>, times steps: UnsafePointer<Float>, _ count: Int,
        into kept: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < count {
            kept[i] = exponential(rates[i] * steps[i])
            i = i &+ 1
        }
    }

    /// `s = s · kept + x · factor; sum += s · weight`
    private static func step(
        _ s: UnsafeMutablePointer<Float>, _ count: Int, kept: UnsafePointer<Float>, adding x: UnsafePointer<Float>,
        times factor: Float, reading weight: Float, into sum: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < count {
            let value = s[i] * kept[i] + x[i] * factor
            s[i] = value
            sum[i] += value * weight
            i = i &+ 1
        }
    }

    /// Mamba-2: the state of a head `[stateSize, headDimension]` decays as one.
    func scan(
        _ mamba: Mamba2, _ rows: Range<Int>, _ block: LayerBlock, _ state: UnsafeMutablePointer<Float>,
        _ backend: some LinearBackend
    ) {
        let (inner, size, dimension) = (mamba.innerSize, mamba.stateSize, mamba.headDimension)
        let decays = backend.vector(Slot(.stateDecay, layer: block.layer))!
        let skip = backend.vector(Slot(.stateSkip, layer: block.layer))!
        let timeStepBias = backend.vector(Slot(.timeStepBias, layer: block.layer))!
        let sharing = mamba.headCount / mamba.groupCount
        for row in rows {
            let input = block.buffers[.recurrentInput] + row * inputColumns
            let steps = input + inner + channels
            let mixed = block.buffers[.convolved] + row * channels
            let output = block.buffers[.recurrentOutput] + row * inner
            for head in 0..<mamba.headCount {
                var step = Self.softplus(steps[head] + timeStepBias[head])
                if let limit = mamba.minimumTimeStep { step = max(step, Float(limit)) }
                if let limit = mamba.maximumTimeStep { step = min(step, Float(limit)) }
                let kept = exponential(decay(decays[head]) * step)
                let (x, y) = (mixed + head * dimension, output + head * dimension)
                for i in 0..<dimension { y[i] = skip[head] * x[i] }
                let own = mixed + inner + head / sharing * size
                for n in 0..<size {
                    Self.step(
                        state + (head * size + n) * dimension, dimension, kept: kept, adding: x, times: step * own[n],
                        reading: own[mamba.groupCount * size + n], into: y)
                }
            }
            finish(mamba, output, gate: input, backend, layer: block.layer)
        }
    }

    private static func step(
        _ s: UnsafeMutablePointer<Float>, _ count: Int, kept: Float, adding x: UnsafePointer<Float>,
        times factor: Float,
        reading weight: Float, into sum: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < count {
            let value = s[i] * kept + x[i] * factor
            s[i] = value
            sum[i] += value * weight
            i = i &+ 1
        }
    }

    /// The gate, and the norm by groups of channels before or after it.
    private func finish(
        _ mamba: Mamba2, _ output: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>,
        _ backend: some LinearBackend,
        layer: Int
    ) {
        let inner = mamba.innerSize
        if mamba.gate != .afterNorm { Self.multiplySilu(of: gate, inner, into: output) }
        guard mamba.gate != .plain else { return }
        let columns = inner / mamba.normGroupCount
        let weight = backend.norm(.recurrentNorm, layer: layer).weight
        for group in 0..<mamba.normGroupCount {
            let values = output + group * columns
            norm.apply(
                values, Norm.Parameters(weight: weight.map { $0 + group * columns }), rows: 1, columns: columns,
                into: values)
        }
        if mamba.gate == .afterNorm { Self.multiplySilu(of: gate, inner, into: output) }
    }
}
