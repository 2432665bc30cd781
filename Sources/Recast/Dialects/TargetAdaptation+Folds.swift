// What a target has no place for, folded into weights. Source: Specs/families.md §1.
extension TargetAdaptation {
    /// Numbers of a weight computed in float32, to be rounded once.
    private mutating func compute(_ slot: Slot, _ operations: [Arithmetic]) {
        guard let tensor = graph[slot] else { return }
        if types[slot] == nil { types[slot] = tensor.isQuantized ? .f32 : tensor.dtype }
        graph[slot] = tensor.converted(to: .f32, operations)
    }

    private mutating func computeAll(_ role: Role, parts: [Slot.Part] = [.weight], _ operations: Arithmetic...) {
        for entry in graph.entries where entry.slot.role == role && parts.contains(entry.slot.part) {
            compute(entry.slot, operations)
        }
    }

    mutating func foldNorms() {
        let (mine, theirs) = (own.norms, stated.norms)
        if mine.kind != theirs.kind || mine.hasWeights != theirs.hasWeights {
            guard own.experts == nil else {
                explain("norm", "routers see what norms add, and have no place for it")
                return
            }
            guard mine.kind == .layer, mine.offset == 0, !mine.normalizesEmbedding, theirs == Norms(),
                (own.layers + stated.layers).allSatisfy({ $0.norms == .init() })
            else { return }
            guard !mine.hasWeights || !lastNormHasBias else {
                explain("norm", "the bias of the final norm would need a bias of the output head")
                return
            }
            removeMeans()
            if mine.hasWeights { moveNormBiases() } else { addNormWeights() }
            graph.configuration.norms = Norms()
            return
        }
        guard mine.offset != theirs.offset else { return }
        let difference = mine.offset - theirs.offset
        for role in Role.allCases where role.hasNormOffset { computeAll(role, .adding(Float(difference))) }
        graph.configuration.norms.offset = theirs.offset
        notes.append(
            "norm weights \(difference < 0 ? "−" : "+") \(abs(difference).plain): \(own.family) multiplies by "
                + "\(mine.offset == 0 ? "" : "\(mine.offset.plain) + ")w, \(target) by "
                + "\(theirs.offset == 0 ? "" : "\(theirs.offset.plain) + ")w")
    }

    mutating func foldStateDecay() {
        guard own.recurrence != nil, own.stateDecayForm != stated.stateDecayForm else { return }
        let isLogarithm = own.stateDecayForm == .logarithm
        computeAll(.stateDecay, isLogarithm ? .negatedExponential : .logarithmOfNegated)
        graph.configuration.stateDecayForm = stated.stateDecayForm
        notes.append(
            "state decay: \(own.family) stores \(isLogarithm ? "ln(−A)" : "A"), \(target) \(isLogarithm ? "A" : "ln(−A)")"
        )
    }

    /// A hidden state whose mean is zero throughout, which norms need not subtract any more (families.md §1.8).
    private mutating func removeMeans() {
        untie()
        computeAll(.tokenEmbedding, .centeringRows)
        for entry in graph.entries where [.attentionOutput, .down].contains(entry.slot.role) {
            types[entry.slot] = entry.tensor.isQuantized ? .f32 : entry.tensor.dtype
            graph[entry.slot] = entry.tensor.centered()
        }
        notes.append(
            "LayerNorm becomes RMSNorm: the rows of embedding, attention outputs and down projections are centred")
    }

    /// What a norm adds, as the layers after it see it (families.md §1.9).
    private mutating func moveNormBiases() {
        for layer in 0..<own.layerCount {
            for (norm, roles) in [
                (Role.attentionNorm, [Role.query, .key, .value]), (.feedForwardNorm, [.gate, .up]),
            ] {
                guard let bias = graph[norm, layer: layer, part: .bias] else { continue }
                for role in roles {
                    guard let weight = graph[role, layer: layer] else { continue }
                    let slot = Slot(role, layer: layer, .bias)
                    types[slot] = weight.isQuantized ? .f32 : weight.dtype
                    graph[slot] = weight.product(with: bias, plus: graph[slot])
                }
                graph[Slot(norm, layer: layer, .bias)] = nil
            }
        }
        graph[Slot(.outputNorm, .bias)] = nil
        notes.append("norm biases are folded into the biases of the projections after them")
    }

    /// Norms without weights multiply by one.
    private mutating func addNormWeights() {
        let ones = LazyTensor.vector([Float](repeating: 1, count: own.hiddenSize))
        var slots = [Slot(.outputNorm)]
        for layer in 0..<own.layerCount {
            slots += [Slot(.attentionNorm, layer: layer), Slot(.feedForwardNorm, layer: layer)]
        }
        for slot in slots {
            types[slot] = types[Slot(.tokenEmbedding)]
            graph[slot] = ones
        }
        notes.append("norm weights of one are written")
    }

    mutating func foldMultipliers() {
        foldAttentionScale()
        foldBranches()
        guard !carriesSource else { return }
        let (mine, theirs) = (own.multipliers, stated.multipliers)
        fold("embedding multiplier", mine.embedding / theirs.embedding, "the embedding is") {
            $0.untie()
            $0.computeAll(.tokenEmbedding, $1)
            $0.graph.configuration.multipliers.embedding = theirs.embedding
        }
        fold("residual multiplier", mine.residual / theirs.residual, "attention outputs and down projections are") {
            for role in [Role.attentionOutput, .down, .sharedDown] {
                $0.computeAll(role, parts: [.weight, .bias], $1)
            }
            $0.graph.configuration.multipliers.residual = theirs.residual
        }
        fold("logit divisor", theirs.logitDivisor / mine.logitDivisor, "the head is") {
            $0.untie()
            $0.computeAll(.outputHead, $1)
            $0.graph.configuration.multipliers.logitDivisor = theirs.logitDivisor
        }
    }

    /// In the order in which llama.cpp's converter multiplies. A file that carries the source's configuration says that its weights hold
    /// them by not having them itself.
    private mutating func foldBranches() {
        guard let branches = own.multipliers.branches, stated.multipliers.branches == nil else { return }
        if carriesSource { foldEnds() }
        func scale(_ role: Role, _ factors: Double...) {
            for entry in graph.entries where entry.slot.role == role {
                compute(entry.slot, factors.map { .scaling(Float($0)) })
            }
        }
        scale(.query, branches.attentionInput)
        scale(.key, branches.key, branches.attentionInput)
        scale(.value, branches.attentionInput)
        scale(.attentionOutput, branches.attentionOutput)
        scale(.recurrentOutput, branches.recurrentOutput)
        scale(.gate, branches.gate)
        scale(.down, branches.down)
        scaleRecurrentInput(branches)
        // What they are multiplied by cannot be taken out again without rounding.
        for entry in graph.entries where types[entry.slot] != nil { types[entry.slot] = .f32 }
        graph.configuration.multipliers.branches = nil
        notes.append("the multipliers of \(own.family)'s branches are folded into weights")
    }

    /// What comes out of the embedding, and logits.
    private mutating func foldEnds() {
        let (mine, theirs) = (own.multipliers, stated.multipliers)
        guard mine.embedding != theirs.embedding || mine.logitDivisor != theirs.logitDivisor else { return }
        untie()
        computeAll(.tokenEmbedding, .scaling(Float(mine.embedding / theirs.embedding)))
        computeAll(.outputHead, .scaling(Float(theirs.logitDivisor / mine.logitDivisor)))
        graph.configuration.multipliers.embedding = theirs.embedding
        graph.configuration.multipliers.logitDivisor = theirs.logitDivisor
    }

    private mutating func scaleRecurrentInput(_ branches: BranchFactors) {
        guard let mamba = own.recurrence?.mamba2 else { return }
        let state = mamba.groupCount * mamba.stateSize
        let sizes = [mamba.innerSize, mamba.innerSize, state, state, mamba.headCount]
        for entry in graph.entries where entry.slot.role == .recurrentInput {
            if types[entry.slot] == nil { types[entry.slot] = entry.tensor.isQuantized ? .f32 : entry.tensor.dtype }
            var first = 0
            graph[entry.slot] = .concatenatedRows(
                zip(sizes, branches.recurrentParts).map { size, factor in
                    defer { first += size }
                    return entry.tensor.rows(first..<first + size).converted(
                        to: .f32, [.scaling(Float(branches.recurrentInput)), .scaling(Float(factor))])
                })
        }
    }

    /// Into the query projection, or where its product is normalised, into that norm. What a file that carries the source's
    /// configuration has in its norms it says in a key of its own.
    private mutating func foldAttentionScale() {
        guard own.headDimension == stated.headDimension, !own.hasOwnHeads, !stated.hasOwnHeads else { return }
        let hasNorm = own.layerNorms.qk != .none
        guard own.latentAttention == nil, !hasNorm || own.norms.offset == 0 && own.layerNorms.qk.hasWeights else {
            explain("attention scale", "no weight can hold it")
            return
        }
        guard hasNorm || !carriesSource else { return }
        let theirs = stated.multipliers.attention
        let factor = own.attentionScale / stated.attentionScale
        fold("attention scale", factor, hasNorm ? "query norms are" : "query projections are") {
            if hasNorm { $0.computeAll(.queryNorm, $1) } else { $0.computeAll(.query, parts: [.weight, .bias], $1) }
            $0.graph.configuration.multipliers.attention = theirs
            $0.holdsAttentionScale = hasNorm
        }
    }

    /// Multiplies weights by what a number of the source is to that of the target; nothing where float32 has them the same.
    private mutating func fold(
        _ field: String, _ factor: Double, _ what: String, by scale: (inout TargetAdaptation, Arithmetic) -> Void
    ) {
        guard ModelConfiguration.fields.contains(where: { $0.name == field && !$0.isSame(own, stated) }) else { return }
        guard Float(factor).isNormal else {
            explain(field, "weights cannot be multiplied by \(factor), which float32 cannot hold")
            return
        }
        scale(&self, .scaling(Float(factor)))
        notes.append("\(what) multiplied by \(factor.plain)")
    }

    /// What cosines and sines of partial rotary heads are multiplied by, as a target with rotary over whole heads would
    /// multiply the other elements, too (families.md §1.11).
    mutating func foldRotaryFactor() {
        guard case .longrope(var longrope) = own.rope.scaling, longrope.attentionFactor != 1,
            case .longrope(let theirs) = stated.rope.scaling, theirs.attentionFactor == 1,
            own.rope.dimensions < own.headDimension, own.layerNorms.qk == .none
        else { return }
        let factor = longrope.attentionFactor * longrope.attentionFactor
        let (dimension, turning) = (own.headDimension, own.rope.dimensions)
        for entry in graph.entries where entry.slot.role == .query {
            if types[entry.slot] == nil { types[entry.slot] = entry.tensor.isQuantized ? .f32 : entry.tensor.dtype }
            graph[entry.slot] = .concatenatedRows(
                stride(from: 0, to: entry.tensor.rowCount, by: dimension).flatMap { head in
                    [
                        entry.tensor.rows(head..<head + turning).converted(to: .f32, [.scaling(Float(factor))]),
                        entry.tensor.rows(head + turning..<head + dimension).converted(to: .f32),
                    ]
                })
        }
        longrope.attentionFactor = 1
        graph.configuration.rope.scaling = .longrope(longrope)
        notes.append("the rotary rows of queries are multiplied by \(factor.plain)")
    }

    mutating func foldHead() {
        guard own.normalizesOutputHead, !stated.normalizesOutputHead else { return }
        untie()
        compute(Slot(.outputHead), [.normalizingRows])
        graph.configuration.normalizesOutputHead = false
        notes.append("the rows of the output head are normalized to unit length")
    }

    /// A head of its own, before head and embedding become different.
    private mutating func untie() {
        if graph[.outputHead] == nil { graph[Slot(.outputHead)] = graph[.tokenEmbedding] }
    }

    /// Each key and value head as often as there are queries for it (families.md §1.14).
    mutating func repeatHeads() {
        guard own.keyValueHeadCount < own.headCount, stated.keyValueHeadCount == own.headCount,
            own.latentAttention == nil, stated.headDimension == own.headDimension, !own.hasOwnHeads
        else { return }
        let (dimension, times) = (own.headDimension, own.headCount / own.keyValueHeadCount)
        for entry in graph.entries where [.key, .value].contains(entry.slot.role) {
            let heads = (0..<own.keyValueHeadCount).map { entry.tensor.rows($0 * dimension..<($0 + 1) * dimension) }
            graph[entry.slot] = .concatenatedRows(heads.flatMap { Array(repeating: $0, count: times) })
        }
        graph.configuration.keyValueHeadCount = own.headCount
        notes.append("key and value heads are written \(times) times, as \(target) has one for each query head")
    }

    /// A gate where there is none: it is what up was, and up is one (families.md §1.12).
    mutating func addGate() {
        // Where the configuration goes along, a gate would not be looked for.
        guard !own.gatesFeedForward, stated.gatesFeedForward, own.experts == nil, !carriesSource else { return }
        for layer in 0..<own.layerCount {
            guard let up = graph[.up, layer: layer] else { continue }
            let dtype = up.isQuantized ? DType.f32 : up.dtype
            graph[Slot(.gate, layer: layer)] = up
            graph[Slot(.gate, layer: layer, .bias)] = graph[.up, layer: layer, part: .bias]
            let (weight, bias) = (Slot(.up, layer: layer), Slot(.up, layer: layer, .bias))
            graph[weight] = .zeros(dtype, up.shape)
            graph[bias] = .ones(dtype, up.rowCount)
        }
        graph.configuration.gatesFeedForward = true
        notes.append("gates are what up projections were, which are zero with biases of one: \(target) has gates")
    }
}

extension LazyTensor {
    /// A vector of ones, in float32 where they are of no scalar type.
    fileprivate static func ones(_ dtype: DType, _ count: Int) -> LazyTensor {
        switch dtype {
        case .bf16: .literal(.bf16, [count], Array(repeatElement([0x80, 0x3F], count: count).joined()))
        case .f16: .literal(.f16, [count], Array(repeatElement([0x00, 0x3C], count: count).joined()))
        default: .vector([Float](repeating: 1, count: count))
        }
    }
}
