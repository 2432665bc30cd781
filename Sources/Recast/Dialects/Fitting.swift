/// A graph that says no more than a target can: what the target has no place for is folded into weights where that
/// changes nothing but their last bits, and everything else is refused, all reasons at once.
///
/// Source of the folds: Specs/families.md §1, whose numbers are given.
struct Fitting {
    /// What the target is called in messages: `LlamaForCausalLM`.
    let target: String
    /// What the target will compute.
    let said: ModelConfiguration
    private(set) var graph: Graph
    /// The types of weights before they were computed with.
    private(set) var types: [Slot: DType] = [:]
    private(set) var notes: [String] = []
    private(set) var warnings: [String] = []
    private var obstacles: [String] = []
    private let lastNormHasBias: Bool

    /// - Parameter lastNormHasBias: whether the bias of the last norm is anything but zero, where there is one.
    /// - Throws: `unsupported` with every reason.
    init(
        _ graph: Graph, to target: String, saying said: ModelConfiguration, lastNormHasBias: Bool = true
    ) throws(RecastError) {
        self.target = target
        self.lastNormHasBias = lastNormHasBias
        self.said = said
        self.graph = graph
        compareParts()
        comparePositions()
        foldNorms()
        foldMultipliers()
        foldHead()
        foldRotaryFactor()
        repeatHeads()
        if obstacles.isEmpty { compareNumbers() }
        guard obstacles.isEmpty else { throw .unsupported(obstacles.joined(separator: "; ")) }
    }

    private var own: ModelConfiguration { graph.configuration }

    private mutating func refuse(_ reason: String) { obstacles.append(reason) }

    // MARK: What cannot be folded

    /// Steps that depend on the token, so that no weight can stand for them.
    private mutating func compareParts() {
        let (mine, theirs) = (own.norms, said.norms)
        if mine.heads != theirs.heads {
            refuse(
                mine.heads == .none
                    ? "\(target) normalises every query and key head (q_norm, k_norm), which this model does not"
                    : "\(own.family) normalises every query and key head (q_norm, k_norm); \(target) \(theirs.heads == .none ? "has no such step" : "does so otherwise"), and it "
                        + "cannot be folded into weights")
        }
        if mine.afterBranches != theirs.afterBranches {
            refuse(
                mine.afterBranches
                    ? "\(own.family) normalises what attention and feed-forward give before it is added (post-norms); "
                        + "\(target) does not"
                    : "\(target) normalises what attention and feed-forward give before it is added (post-norms), which "
                        + "this model does not")
        }
        if mine.beforeBranches != theirs.beforeBranches {
            refuse(
                "\(mine.beforeBranches ? target : own.family) does not normalise what goes into attention and feed-forward, "
                    + "which \(mine.beforeBranches ? "this model" : target) does")
        }
        if own.softCaps != said.softCaps {
            let caps = own.softCaps == SoftCaps() ? target : own.family
            refuse(
                "\(caps) limits attention scores or logits by a hyperbolic tangent (soft-capping); "
                    + "\(caps == target ? "this model" : target) does not")
        }
        if own.projectionLimit != said.projectionLimit {
            refuse(
                "queries, keys and values are limited to \(own.projectionLimit ?? 0) (clip_qkv); \(target) cannot say so"
            )
        }
        if (own.latentAttention != nil) != (said.latentAttention != nil) {
            refuse(
                said.latentAttention != nil
                    ? "\(target) has latent attention, which this model has not"
                    : "\(own.family) makes keys and values of few numbers a token and normalises these (multi-head latent "
                        + "attention); \(target) does not")
        } else if own.latentAttention != said.latentAttention {
            refuse("\(target) cannot say how this model's latent attention is made")
        }
        if let experts = own.experts, said.experts == nil {
            let shared = experts.shared == nil ? "" : ", and one for all,"
            refuse(
                "\(own.family) is a mixture of experts: a router picks \(experts.usedCount) of \(experts.count) experts\(shared) "
                    + "for each token; \(target) has one feed-forward part")
        } else if own.experts != said.experts {
            refuse(
                own.experts == nil
                    ? "\(target) has experts, which this model has not"
                    : "\(target) cannot say how this model picks and weighs experts")
        }
        if own.activation != said.activation {
            refuse("this model's activation is \(own.activation), \(target)'s \(said.activation)")
        }
    }

    private mutating func comparePositions() {
        if own.hasALiBi != said.hasALiBi {
            refuse(
                own.hasALiBi
                    ? "\(own.family) of this size has ALiBi attention biases instead of rotary positions; \(target) has no "
                        + "additive position bias"
                    : "\(target) of this size has ALiBi attention biases, this model rotary positions")
            return
        }
        if own.hasALiBi { return }
        if own.unturnedLayers != said.unturnedLayers {
            let listed = own.unturnedLayers.prefix(4).map(String.init).joined(separator: ", ")
            refuse(
                own.unturnedLayers.isEmpty
                    ? "\(target) has layers without rotary positions, which this model has not"
                    : "layers without rotary positions: \(listed)\(own.unturnedLayers.count > 4 ? ", …" : ""); "
                        + "\(target) turns queries and keys in every layer")
        }
        if own.slidingRope != said.slidingRope {
            refuse(
                "layers with a sliding window turn otherwise than the others (two rotary bases); \(target) has one rotary"
            )
        }
        if own.stretch != said.stretch, let stretch = own.stretch {
            graph.configuration.stretch = said.stretch
            graph.configuration.contextLength = min(own.contextLength, stretch.context)
            warnings.append(
                "beyond \(stretch.context) tokens \(own.family) switches to dynamic NTK and log-n attention, which \(target) "
                    + "lacks: up to there the results are the same")
        }
        if own.slidingWindow != said.slidingWindow {
            if let window = own.slidingWindow, said.slidingWindow == nil {
                graph.configuration.slidingWindow = nil
                warnings.append(
                    "\(window.text(layerCount: own.layerCount)) attend only to the last \(window.size) tokens; \(target) "
                        + "attends to all: up to \(window.size) tokens the results are the same")
            } else {
                refuse("\(target) cannot say which layers attend only to the last tokens")
            }
        }
    }

    private mutating func compareNumbers() {
        let numbers: [(String, Double, Double)] = [
            ("hidden size", Double(own.hiddenSize), Double(said.hiddenSize)),
            ("head dimension", Double(own.headDimension), Double(said.headDimension)),
            ("number of heads", Double(own.headCount), Double(said.headCount)),
            ("number of key/value heads", Double(own.keyValueHeadCount), Double(said.keyValueHeadCount)),
            ("feed-forward size", Double(own.feedForwardSize), Double(said.feedForwardSize)),
            ("number of layers", Double(own.layerCount), Double(said.layerCount)),
            ("vocabulary", Double(own.vocabularySize), Double(said.vocabularySize)),
            ("norm's epsilon", own.normEpsilon, said.normEpsilon),
        ]
        for (name, mine, theirs) in numbers where Float(mine) != Float(theirs) {
            refuse("the \(name) is \(mine.plain), of which \(target) makes \(theirs.plain)")
        }
        guard !own.hasALiBi, own.unturnedLayers.count < own.layerCount else { return }
        if own.rope.dimensions != said.rope.dimensions {
            refuse(
                "of \(own.headDimension) elements of a head \(own.rope.dimensions) turn; \(target) turns \(said.rope.dimensions)"
            )
        } else if !own.rope.isEquivalent(to: said.rope, upTo: own.contextLength) {
            refuse("\(target) cannot say how heads turn here (theta \(own.rope.theta.plain), \(own.rope.scaling.name))")
        }
    }

    // MARK: Folds

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

    private mutating func foldNorms() {
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

    private mutating func foldMultipliers() {
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
    private mutating func foldRotaryFactor() {
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

    private mutating func foldHead() {
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
    private mutating func repeatHeads() {
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

extension ModelConfiguration {
    /// The same model without what llama does not do, but for the norms of heads, experts and latent attention.
    var likeLlama: ModelConfiguration {
        var configuration = self
        configuration.norms = Norms()
        configuration.norms.heads = norms.heads
        configuration.multipliers = Multipliers()
        configuration.softCaps = SoftCaps()
        configuration.normalizesOutputHead = false
        configuration.projectionLimit = nil
        configuration.hasALiBi = false
        configuration.unturnedLayers = []
        configuration.slidingRope = nil
        configuration.stretch = nil
        return configuration
    }

    /// What products of queries and keys are multiplied by.
    public var attentionScale: Double { multipliers.attention ?? 1 / Double(headDimension).squareRoot() }
}

extension Rope {
    /// Whether two turn alike, as far as float32 can tell.
    func isEquivalent(to other: Rope, upTo length: Int) -> Bool {
        if self == other { return true }
        for length in [1, length] {
            guard let mine = turning(in: length), let theirs = other.turning(in: length) else { return false }
            let pairs = zip(mine.frequencies + [mine.attentionFactor], theirs.frequencies + [theirs.attentionFactor])
            guard dimensions == other.dimensions, pairs.allSatisfy({ abs($0 - $1) <= 2e-7 * abs($0) }) else {
                return false
            }
        }
        return true
    }
}

extension Rope.Scaling {
    /// The name that transformers gives it.
    public var name: String {
        switch self {
        case .none: "default"
        case .linear: "linear"
        case .llama3: "llama3"
        case .yarn: "yarn"
        case .dynamic: "dynamic"
        case .longrope: "longrope"
        case .factors: "factors of its own"
        case .other(let name): name
        }
    }
}

extension Double {
    /// Without a needless fraction: `12`, `0.45`.
    var plain: String { Int(exactly: self).map(String.init) ?? "\(self)" }
}
