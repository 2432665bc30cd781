import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What recurrent layers have alike: the projection into them, the convolution, and the gate of what they give.
///
/// Tokens go through the state one after the other, so that a text gives the same bits in whatever pieces it comes.
struct RecurrentMixer: Sendable {
    let recurrence: Recurrence
    let hiddenSize: Int
    let decayForm: StateDecayForm
    let norm: Norm
    private let branches: BranchFactors?
    private let activatesConvolution: Bool

    init(_ recurrence: Recurrence, _ configuration: ModelConfiguration) {
        self.recurrence = recurrence
        hiddenSize = configuration.hiddenSize
        decayForm = configuration.stateDecayForm
        branches = configuration.multipliers.branches
        norm = Norm(kind: .rms, epsilon: configuration.normEpsilon)
        if case .shortConvolution = recurrence { activatesConvolution = false } else { activatesConvolution = true }
    }

    /// Numbers of a row of the projection into the layer.
    var inputColumns: Int { recurrence.inputRows }
    var channels: Int { recurrence.channelCount }

    // MARK: Stages

    func project(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        try block.multiply(.recurrentInput, .normed, into: block.buffers[.recurrentInput], backend)
        scaleParts(block)
        guard recurrence.delta != nil else { return }
        // swift-format-ignore
        for (role, target) in [
            (Role.recurrentGate,  Intermediate.recurrentGate),
            (.recurrentBeta,      .recurrentBeta),
            (.recurrentAlpha,     .recurrentAlpha),
        ] {
            try block.multiply(role, .normed, into: block.buffers[target], backend)
        }
    }

    /// Of Mamba-2: what the projection gives, by its parts.
    private func scaleParts(_ block: LayerBlock) {
        guard let branches, let mamba = recurrence.mamba2 else { return }
        let state = mamba.groupCount * mamba.stateSize
        let sizes = [mamba.innerSize, mamba.innerSize, state, state, mamba.headCount]
        for row in 0..<block.rows {
            var part = block.buffers[.recurrentInput] + row * inputColumns
            for (size, factor) in zip(sizes, branches.recurrentParts) {
                Self.scale(part, size, by: branches.recurrentInput * factor)
                part += size
            }
        }
    }

    /// `Σ w[k] · x[t - size + 1 + k] + bias`, of each channel, with what the state remembers before the first token.
    func convolve(_ block: LayerBlock, _ backend: some LinearBackend) {
        let weight = backend.vector(Slot(.convolution, layer: block.layer))!
        let bias = backend.vector(Slot(.convolution, layer: block.layer, .bias))
        let size = recurrence.convolutionSize
        multiplyInputs(block)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: size * channels) { taps in
            let taps = taps.baseAddress!
            for channel in 0..<channels {
                for tap in 0..<size { taps[tap * channels + channel] = weight[channel * size + tap] }
            }
            for (index, sequence) in block.sequences.enumerated() {
                let state = begin(index, block)
                convolve(sequence.rows, block, state.inputs.base, taps: taps, bias: bias)
                remember(sequence.rows, block, state.inputs.base)
            }
        }
        guard activatesConvolution else { return }
        Self.silu(block.buffers[.convolved], block.rows * channels)
    }

    /// The state of a sequence, empty where nothing was seen of it.
    private func begin(_ index: Int, _ block: LayerBlock) -> RecurrentState {
        let owner = block.state.member(index) ?? block.state
        if owner.count == 0 { owner.recurrent!.clearInputs() }
        return owner.recurrent!
    }

    /// What goes through the convolution, of a row.
    private func inputs(_ row: Int, _ block: LayerBlock) -> UnsafeMutablePointer<Float> {
        let first =
            switch recurrence {
            case .gatedDeltaNet, .mamba: 0
            case .shortConvolution: 2 * channels
            case .mamba2(let mamba): mamba.innerSize
            }
        return block.buffers[.recurrentInput] + row * inputColumns + first
    }

    /// Of a short convolution: `x = B · x`.
    private func multiplyInputs(_ block: LayerBlock) {
        guard case .shortConvolution = recurrence else { return }
        for row in 0..<block.rows {
            let gate = block.buffers[.recurrentInput] + row * inputColumns
            Self.multiply(inputs(row, block), by: gate, channels)
        }
    }

    private func convolve(
        _ rows: Range<Int>, _ block: LayerBlock, _ remembered: UnsafePointer<Float>, taps: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?
    ) {
        let size = recurrence.convolutionSize
        for row in rows {
            let target = block.buffers[.convolved] + row * channels
            if let bias {
                target.update(from: bias, count: channels)
            } else {
                target.update(repeating: 0, count: channels)
            }
            for tap in 0..<size {
                let source = row - size + 1 + tap
                let values =
                    source >= rows.lowerBound
                    ? UnsafePointer(inputs(source, block))
                    : remembered + (source - rows.lowerBound + size - 1) * channels
                Self.add(values, times: taps + tap * channels, channels, to: target)
            }
        }
    }

    /// Keeps the last inputs for the tokens to come.
    private func remember(_ rows: Range<Int>, _ block: LayerBlock, _ remembered: UnsafeMutablePointer<Float>) {
        let count = recurrence.convolutionSize - 1
        let kept = max(0, count - rows.count)
        for place in 0..<kept {
            (remembered + place * channels).update(from: remembered + (place + rows.count) * channels, count: channels)
        }
        for place in kept..<count {
            (remembered + place * channels).update(
                from: inputs(rows.upperBound - count + place, block), count: channels)
        }
    }

    func scan(_ block: LayerBlock, _ backend: some LinearBackend) {
        for (index, sequence) in block.sequences.enumerated() {
            let owner = block.state.member(index) ?? block.state
            if owner.count == 0 { owner.recurrent!.clearNumbers() }
            let state = owner.recurrent!.numbers.base
            switch recurrence {
            case .gatedDeltaNet(let net): scan(net, sequence.rows, block, state, backend)
            case .mamba(let mamba): scan(mamba, sequence.rows, block, state, backend)
            case .mamba2(let mamba): scan(mamba, sequence.rows, block, state, backend)
            case .shortConvolution: gate(sequence.rows, block)
            }
        }
        if let branches {
            Self.scale(
                block.buffers[.recurrentOutput], block.rows * recurrence.outputColumns, by: branches.recurrentOutput)
        }
    }

    /// Of a short convolution: what it gives times `C`.
    private func gate(_ rows: Range<Int>, _ block: LayerBlock) {
        for row in rows {
            let output = block.buffers[.recurrentOutput] + row * channels
            output.update(from: block.buffers[.convolved] + row * channels, count: channels)
            Self.multiply(output, by: block.buffers[.recurrentInput] + row * inputColumns + channels, channels)
        }
    }

    // MARK: Numbers

    /// The rate at which a state decays, negative.
    func decay(_ stored: Float) -> Float { decayForm == .logarithm ? -exponential(stored) : stored }

    /// `ln(1 + exp(x))`; beyond 20 the number itself, as in torch.
    static func softplus(_ x: Float) -> Float { x > 20 ? x : Float(log1p(exp(Double(x)))) }

    static func sigmoid(_ x: Float) -> Float { 1 / (1 + exponential(-x)) }

    static func silu(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        var i = 0
        while i < count {
            x[i] = x[i] / (1 + exponential(-x[i]))
            i = i &+ 1
        }
    }

    /// `y = y · silu(x)`
    static func multiplySilu(of x: UnsafePointer<Float>, _ count: Int, into y: UnsafeMutablePointer<Float>) {
        var i = 0
        while i < count {
            y[i] *= x[i] / (1 + exponential(-x[i]))
            i = i &+ 1
        }
    }

    /// `y = y · sigmoid(x)`
    static func multiplySigmoid(of x: UnsafePointer<Float>, _ count: Int, into y: UnsafeMutablePointer<Float>) {
        var i = 0
        while i < count {
            y[i] *= 1 / (1 + exponential(-x[i]))
            i = i &+ 1
        }
    }

    static func scale(_ x: UnsafeMutablePointer<Float>, _ count: Int, by factor: Double) {
        guard factor != 1 else { return }
        let factor = Float(factor)
        var i = 0
        while i < count {
            x[i] *= factor
            i = i &+ 1
        }
    }

    static func multiply(_ x: UnsafeMutablePointer<Float>, by y: UnsafePointer<Float>, _ count: Int) {
        var i = 0
        while i < count {
            x[i] *= y[i]
            i = i &+ 1
        }
    }

    private static func add(
        _ x: UnsafePointer<Float>, times w: UnsafePointer<Float>, _ count: Int, to y: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < count {
            y[i] += x[i] * w[i]
            i = i &+ 1
        }
    }
}
