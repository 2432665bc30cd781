/// A graph that says no more than a target can: what the target has no place for is folded into weights where that
/// changes nothing but their last bits, and everything else is refused, all reasons at once.
///
/// Source of the folds: Specs/families.md §1, whose numbers are given.
struct Fitting {
    /// What the target is called in messages: `LlamaForCausalLM`.
    let target: String
    /// What the target will compute.
    let said: ModelConfiguration
    var graph: Graph
    /// The types of weights before they were computed with.
    var types: [Slot: DType] = [:]
    var notes: [String] = []
    var warnings: [String] = []
    private var obstacles: [String] = []
    let lastNormHasBias: Bool

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

    var own: ModelConfiguration { graph.configuration }

    mutating func refuse(_ reason: String) { obstacles.append(reason) }

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
}

extension Double {
    /// Without a needless fraction: `12`, `0.45`.
    var plain: String { Int(exactly: self).map(String.init) ?? "\(self)" }
}
