// What a target has no place for, folded into weights. The numbers are those of the tricks in Specs/families.md §1.
extension Fitting {
    /// Numbers of a weight computed in float32, to be rounded once.
    private mutating func compute(_ slot: Slot, _ operation: Arithmetic) {
        guard let tensor = graph[slot] else { return }
        if types[slot] == nil { types[slot] = tensor.isQuantized ? .f32 : tensor.dtype }
        graph[slot] = tensor.converted(to: .f32, [operation])
    }

    /// Whether a number is one that float32 can multiply by; otherwise it is refused.
    private mutating func isFactor(_ factor: Double, of what: String) -> Bool {
        if Float(factor).isNormal { return true }
        refuse("\(what) would be multiplied by \(factor), which float32 cannot hold")
        return false
    }

    private mutating func computeAll(_ role: Role, parts: [Slot.Part] = [.weight], _ operation: Arithmetic) {
        for entry in graph.entries where entry.slot.role == role && parts.contains(entry.slot.part) {
            compute(entry.slot, operation)
        }
    }

    mutating func foldNorms() {
        let (mine, theirs) = (own.norms, said.norms)
        if mine.kind != theirs.kind || mine.hasWeights != theirs.hasWeights {
            guard mine.kind == .layer, theirs == Norms(), !mine.hasWeights || !lastNormHasBias else {
                refuse(normObstacle)
                return
            }
            removeMeans()
            if mine.hasWeights { moveNormBiases() } else { addNormWeights() }
            graph.configuration.norms = Norms()
            return
        }
        guard mine.offset != theirs.offset else { return }
        // The fifth.
        let difference = mine.offset - theirs.offset
        for role in Role.allCases where role.isNorm { computeAll(role, .adding(Float(difference))) }
        graph.configuration.norms.offset = theirs.offset
        notes.append("\(difference.plain) is added to the weights of norms")
    }

    /// The eighth: a hidden state whose mean is zero throughout, which norms need not subtract any more.
    private mutating func removeMeans() {
        untie()
        computeAll(.tokenEmbedding, .centeringRows)
        for entry in graph.entries where [.attentionOutput, .down].contains(entry.slot.role) {
            types[entry.slot] = entry.tensor.isQuantized ? .f32 : entry.tensor.dtype
            graph[entry.slot] = entry.tensor.centered()
        }
        notes.append("the means that norms subtract are taken out of the weights")
    }

    /// The ninth: what a norm adds, as the layers after it see it.
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
        notes.append("the biases of norms are moved to the layers after them")
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
        notes.append("norms get weights of one")
    }

    private var normObstacle: String {
        guard own.norms.kind == .layer else {
            return "\(target) subtracts means in its norms, which this model does not"
        }
        return own.norms.hasWeights
            ? "\(own.family) has norms that subtract means, and biases of norms: the last one would need a bias of the head, "
                + "which \(target) lacks"
            : "\(own.family) has norms that subtract means; \(target) does not"
    }

    mutating func foldMultipliers() {
        let (mine, theirs) = (own.multipliers, said.multipliers)
        func differ(_ a: Double, _ b: Double) -> Bool { Float(a) != Float(b) }
        // The fourth.
        if differ(mine.embedding, theirs.embedding) {
            let factor = mine.embedding / theirs.embedding
            guard isFactor(factor, of: "the embedding") else { return }
            untie()
            computeAll(.tokenEmbedding, .scaling(Float(factor)))
            notes.append("the embedding is multiplied by \(factor.plain)")
        }
        if differ(mine.branches, theirs.branches) {
            let factor = mine.branches / theirs.branches
            guard isFactor(factor, of: "what branches give") else { return }
            for role in [Role.attentionOutput, .down, .sharedDown] {
                computeAll(role, parts: [.weight, .bias], .scaling(Float(factor)))
            }
            notes.append("attention outputs and down projections are multiplied by \(factor.plain)")
        }
        if differ(mine.logitDivisor, theirs.logitDivisor) {
            let factor = theirs.logitDivisor / mine.logitDivisor
            guard isFactor(factor, of: "the head") else { return }
            untie()
            computeAll(.outputHead, .scaling(Float(factor)))
            notes.append("the head is multiplied by \(factor.plain)")
        }
        // The thirteenth. Attention scores of latent attention are another thing's square.
        let scales = (own.attentionScale, said.attentionScale)
        if own.headDimension == said.headDimension, Float(scales.0) != Float(scales.1) {
            if own.norms.heads != .none || own.latentAttention != nil {
                refuse("attention scores are scaled by \(scales.0.plain), \(target)'s by \(scales.1.plain)")
            } else {
                let factor = scales.0 / scales.1
                guard isFactor(factor, of: "the query projection") else { return }
                computeAll(.query, parts: [.weight, .bias], .scaling(Float(factor)))
                notes.append("query projections are multiplied by \(factor.plain)")
            }
        }
        graph.configuration.multipliers = theirs
    }

    /// The eleventh: what cosines and sines of heads that turn in part are multiplied by, as a target that turns whole heads
    /// would multiply what rests, too.
    mutating func foldRotaryFactor() {
        guard case .longrope(var longrope) = own.rope.scaling, longrope.attentionFactor != 1,
            case .longrope(let theirs) = said.rope.scaling, theirs.attentionFactor == 1,
            own.rope.dimensions < own.headDimension, own.norms.heads == .none
        else { return }
        let factor = longrope.attentionFactor * longrope.attentionFactor
        let (dimension, turning) = (own.headDimension, own.rope.dimensions)
        for entry in graph.entries where entry.slot.role == .query {
            if types[entry.slot] == nil { types[entry.slot] = entry.tensor.isQuantized ? .f32 : entry.tensor.dtype }
            graph[entry.slot] = .stacked(
                stride(from: 0, to: entry.tensor.rowCount, by: dimension).flatMap { head in
                    [
                        entry.tensor.rows(head..<head + turning).converted(to: .f32, [.scaling(Float(factor))]),
                        entry.tensor.rows(head + turning..<head + dimension).converted(to: .f32),
                    ]
                })
        }
        longrope.attentionFactor = 1
        graph.configuration.rope.scaling = .longrope(longrope)
        notes.append("the rows of queries that turn are multiplied by \(factor.plain)")
    }

    mutating func foldHead() {
        guard own.normalizesOutputHead != said.normalizesOutputHead else { return }
        guard own.normalizesOutputHead else {
            refuse("\(target) divides the rows of its head by their length, which this model does not")
            return
        }
        // The sixth.
        untie()
        compute(Slot(.outputHead), .normalizingRows)
        graph.configuration.normalizesOutputHead = false
        notes.append("the rows of the head are divided by their length")
    }

    /// The seventh: a head of its own, before head and embedding become different.
    private mutating func untie() {
        if graph[.outputHead] == nil { graph[Slot(.outputHead)] = graph[.tokenEmbedding] }
    }

    /// The fourteenth: each key and value head as often as there are queries for it.
    mutating func repeatHeads() {
        guard own.keyValueHeadCount < own.headCount, said.keyValueHeadCount == own.headCount,
            own.latentAttention == nil, said.headDimension == own.headDimension
        else { return }
        let (dimension, times) = (own.headDimension, own.headCount / own.keyValueHeadCount)
        for entry in graph.entries where [.key, .value].contains(entry.slot.role) {
            let heads = (0..<own.keyValueHeadCount).map { entry.tensor.rows($0 * dimension..<($0 + 1) * dimension) }
            graph[entry.slot] = .stacked(heads.flatMap { Array(repeating: $0, count: times) })
        }
        graph.configuration.keyValueHeadCount = own.headCount
        notes.append("key and value heads are written \(times) times, as \(target) has one for each query head")
    }
}
