extension ModelConfiguration {
    /// Every field, each once: a new one of ``ModelConfiguration`` has its line here, which a test demands.
    package static let fields =
        sizes + computation + positions + norms + multipliers + latentAttention + experts + specialTokens

    // swift-format-ignore
    private static let sizes: [ConfigurationField] = [
        .init("family",                           .family,        \.family),
        .init("vocabulary size",                  .size,          \.vocabularySize),
        .init("hidden size",                      .size,          \.hiddenSize),
        .optional("embedding size",               .size,          \.embeddingSize),
        .init("layers",                           .size,          \.layers.count),
        .init("feed-forward size",                .size,          \.feedForwardSize, isSame: hasSameFeedForward),
        .init("attention heads",                  .size,          \.headCount, isSame: hasSameHeads),
        .init("key/value heads",                  .size,          \.keyValueHeadCount, isSame: hasSameKeyValueHeads),
        .init("head dimension",                   .size,          \.headDimension, isSame: hasSameHeadDimension),
        .optionalOfLayer("own head dimension",    .size,          \.headDimension),
        .optionalOfLayer("own key/value heads",   .size,          \.keyValueHeadCount),
        .optionalOfLayer("own feed-forward size", .size,          \.feedForwardSize),
        .optional("per-layer embedding",          .size,          \.layerInputSize),
        .init("context length",                   .contextLength, \.contextLength),
    ]

    // swift-format-ignore
    private static let computation: [ConfigurationField] = [
        .number("norm epsilon",                                   \.normEpsilon),
        .init("activation",                       .computation,   \.activation, isSame: hasSameActivation),
        .flag("feed-forward gate",                                \.gatesFeedForward),
        .optionalNumber("SwiGLU limit",                           \.gateLimit?.limit),
        .init("SwiGLU alpha",                     .computation,   \.gateLimit?.alpha, text: alphaText, isSame: hasSameAlpha),
        .layerFlag("parallel residual",                           \.hasParallelResidual),
        .layerFlag("attention sinks",                             \.hasSinks),
        .layerFlag("values from keys",                            \.valuesAreKeys),
        .optionalOfLayer("shared keys and values", .computation,  \.keyValueSource) { "of layer \($0)" },
        .layerFlag("layer scale",                                 \.hasScale),
        .layerFlag("attention gate",                              \.gatesAttention),
        .layerFlag("attention",                                   \.hasAttention),
        .layerFlag("feed-forward part",                           \.hasFeedForward),
        .optionalOfLayer("recurrent layer",       .size,          \.recurrence?.sizes, text: \.text),
        .optionalNumberOfLayer("state norm epsilon",              \.recurrence?.mamba?.stateNormEpsilon),
        .optionalNumberOfLayer("time step minimum",               \.recurrence?.mamba2?.minimumTimeStep),
        .optionalNumberOfLayer("time step maximum",               \.recurrence?.mamba2?.maximumTimeStep),
        .init("state decay",                      .computation,   \.stateDecayForm, text: \.text, isSame: hasSameDecay),
        .flag("normalized output head",                           \.normalizesOutputHead),
        .optionalNumber("QKV clip",                               \.projectionLimit),
        .optionalNumber("attention soft-cap",                     \.softCaps.attention),
        .optionalNumber("logit soft-cap",                         \.softCaps.logits),
    ]

    // swift-format-ignore
    private static let positions: [ConfigurationField] = [
        .init("rotary dimension",                 .size,          \.rope.dimensions, isSame: hasSameRotaryDimension),
        .init("rotary base",                      .computation,   \.rope.theta, text: \.plain, isSame: hasSameRotaryBase),
        .init("rotary scaling",                   .computation,   \.rope.scaling, text: \.text, isSame: hasSameRotaryScaling),
        .layer("position encoding",               .computation,   \.position, text: \.text, isSame: hasSamePositions),
        .optional("learned positions",            .computation,   \.learnedPositions, text: \.text),
        .number("ALiBi maximum",                                  \.alibi.maximum),
        .flag("scaled ALiBi",                                     \.alibi.isScaled),
        .optionalOfLayer("sliding window",        .computation,   \.slidingWindow),
        .optionalOfLayer("attention chunk",       .computation,   \.attentionChunk),
        .init("dynamic NTK and log-n attention",  .computation,   \.longContext, text: \.text),
        .init("attention temperature",            .computation,   \.temperature, text: \.text, isSame: hasSameTemperature),
    ]

    // swift-format-ignore
    private static let norms: [ConfigurationField] = [
        .init("norm",                             .computation,   \.norms.kind, text: \.text),
        .flag("norm weights",                                     \.norms.hasWeights),
        .number("norm weight offset",                             \.norms.offset),
        .flag("embedding norm",                                   \.norms.normalizesEmbedding),
        .layerFlag("pre-norms",                                   \.norms.hasPreNorms),
        .layerFlag("shared pre-norm",                             \.norms.sharesPreNorm),
        .layerFlag("post-LN",                                     \.norms.isPostLN),
        .flag("output norm",                                      \.norms.hasOutputNorm),
        .layerFlag("post-norms",                                  \.norms.hasPostNorms),
        .layer("QK norm",                         .computation,   \.norms.qk, text: \.text),
        .layerFlag("value norm",                                  \.norms.normalizesValues),
    ]

    // swift-format-ignore
    private static let multipliers: [ConfigurationField] = [
        .number("embedding multiplier",                           \.multipliers.embedding),
        .number("residual multiplier",                            \.multipliers.residual),
        .init("attention scale",                  .computation,   \.multipliers.attention, text: scaleText, isSame: hasSameScale),
        .flag("attention scale by inverse layer index",           \.multipliers.dividesAttentionByLayer),
        .number("logit divisor",                                  \.multipliers.logitDivisor),
        .optional("branch multipliers",           .computation,   \.multipliers.branches, text: \.text),
    ]

    // swift-format-ignore
    private static let latentAttention: [ConfigurationField] = [
        .optionalOfLayer("latent attention",          .size, \.latentAttention?.keyValueRank) { "key/value rank \($0)" },
        .optionalOfLayer("query rank",                .size, \.latentAttention?.queryRank, of: .latentAttention),
        .optionalOfLayer("non-rotary head dimension", .size, \.latentAttention?.nopeHeadDimension, of: .latentAttention),
        .optionalOfLayer("rotary head dimension",     .size, \.latentAttention?.ropeHeadDimension, of: .latentAttention),
        .optionalOfLayer("value head dimension",      .size, \.latentAttention?.valueDimension, of: .latentAttention),
        .optionalOfLayer("indexer heads",             .size, \.latentAttention?.indexer?.headCount, of: .latentAttention),
        .optionalOfLayer("indexer head dimension",    .size, \.latentAttention?.indexer?.headDimension, of: .indexer),
        .optionalOfLayer("tokens picked by indexers", .computation, \.latentAttention?.indexer?.pickedCount, of: .indexer),
        .optionalFlagOfLayer("neighbours turned by indexers",  \.latentAttention?.indexer?.turnsNeighbours, of: .indexer),
        .layer("shared indexer",                      .size, \.sharesIndexer) { $0 ? "yes" : "no" },
    ]

    // swift-format-ignore
    private static let experts: [ConfigurationField] = [
        .optionalOfLayer("experts",                   .size,        \.experts?.count),
        .optionalOfLayer("experts per token",         .computation, \.experts?.usedCount, of: .experts),
        .optionalOfLayer("expert feed-forward size",  .size,        \.experts?.feedForwardSize, of: .experts),
        .optionalFlagOfLayer("normalized expert weights",           \.experts?.normalizesWeights, of: .experts),
        .optionalOfLayer("expert latent size",        .size,        \.experts?.latentSize),
        .optionalOfLayer("shared expert size",        .size,        \.experts?.shared?.feedForwardSize, of: .experts),
        .optionalFlagOfLayer("shared expert gate",                  \.experts?.shared?.isGated, of: .sharedExpert),
        .optionalOfLayer("router score",              .computation, \.experts?.routing.score, of: .experts, text: \.rawValue),
        .optionalFlagOfLayer("router bias",                         \.experts?.routing.hasBias, of: .experts),
        .optionalOfLayer("expert groups",             .computation, \.experts?.routing.groups?.count, of: .experts),
        .optionalOfLayer("expert groups per token",   .computation, \.experts?.routing.groups?.usedCount, of: .expertGroups),
        .optionalOfLayer("experts that rank a group", .computation, \.experts?.routing.groups?.scoreCount, of: .expertGroups),
        .optionalFlagOfLayer("norms of experts",                    \.experts?.hasOwnNorms, of: .experts),
        .optionalFlagOfLayer("weighted expert inputs",              \.experts?.routing.scalesInput, of: .experts),
        .optionalNumberOfLayer("routed scaling factor",             \.experts?.routing.factor, of: .experts),
        .optionalNumberOfLayer("router sum epsilon",                \.experts?.routing.sumEpsilon, of: .experts),
        .optionalNumberOfLayer("router tolerance",                  \.experts?.routing.tolerance, of: .experts),
    ]

    // swift-format-ignore
    private static let specialTokens: [ConfigurationField] = [
        .init("BOS tokens",                       .specialTokens, \.bosTokens, text: \.idsText),
        .init("EOS tokens",                       .specialTokens, \.eosTokens, text: \.idsText),
        .optional("padding token",                .specialTokens, \.paddingToken),
    ]
}

// When two models have the same in a field.
extension ModelConfiguration {
    /// A model whose layers all have experts has no feed-forward part of that size.
    @Sendable private static func hasSameFeedForward(_ a: Self, _ b: Self) -> Bool {
        a.feedForwardSize == b.feedForwardSize || !a.hasDenseLayers && !b.hasDenseLayers
    }

    @Sendable private static func hasSameActivation(_ a: Self, _ b: Self) -> Bool {
        a.canonicalActivation == b.canonicalActivation
    }

    @Sendable private static func hasSameScale(_ a: Self, _ b: Self) -> Bool {
        Float(a.attentionScale) == Float(b.attentionScale) || !a.hasAttention && !b.hasAttention
    }

    @Sendable private static func hasSameAlpha(_ a: Self, _ b: Self) -> Bool {
        guard let own = a.gateLimit, let other = b.gateLimit else { return true }
        return Float(own.alpha) == Float(other.alpha)
    }

    // What only attention has.

    @Sendable private static func hasSameHeads(_ a: Self, _ b: Self) -> Bool {
        a.headCount == b.headCount || !a.hasAttention && !b.hasAttention
    }

    @Sendable private static func hasSameKeyValueHeads(_ a: Self, _ b: Self) -> Bool {
        a.keyValueHeadCount == b.keyValueHeadCount || !a.hasAttention && !b.hasAttention
    }

    @Sendable private static func hasSameHeadDimension(_ a: Self, _ b: Self) -> Bool {
        a.headDimension == b.headDimension || !a.hasAttention && !b.hasAttention
    }

    @Sendable private static func hasSameDecay(_ a: Self, _ b: Self) -> Bool {
        a.stateDecayForm == b.stateDecayForm || a.recurrence == nil && b.recurrence == nil
    }

    @Sendable private static func alphaText(_ alpha: Double?) -> String { alpha?.plain ?? "none" }

    @Sendable private static func scaleText(_ scale: Double?) -> String { scale?.plain ?? "1/√(head dimension)" }

    // Rotary positions are the same if they rotate alike, however that is described.

    @Sendable private static func hasSameRotaryDimension(_ a: Self, _ b: Self) -> Bool {
        a.rope.dimensions == b.rope.dimensions || !a.hasRotary && !b.hasRotary
    }

    @Sendable private static func hasSameRotaryBase(_ a: Self, _ b: Self) -> Bool {
        Float(a.rope.theta) == Float(b.rope.theta) || a.hasSameRotary(as: b)
    }

    @Sendable private static func hasSameRotaryScaling(_ a: Self, _ b: Self) -> Bool {
        a.rope.scaling == b.rope.scaling || a.hasSameRotary(as: b)
    }

    @Sendable private static func hasSamePositions(_ a: Self, _ b: Self) -> Bool {
        a.layerCount != b.layerCount
            || zip(a.layers, b.layers).allSatisfy { own, other in
                if own.position == other.position { return true }
                guard own.hasRotary, other.hasRotary else { return false }
                return (own.localRope ?? a.rope).isEquivalent(to: other.localRope ?? b.rope, upTo: a.contextLength)
            }
    }

    @Sendable private static func hasSameTemperature(_ a: Self, _ b: Self) -> Bool {
        guard var own = a.temperature, let other = b.temperature else { return a.temperature == b.temperature }
        if Float(own.slope) == Float(other.slope) { own.slope = other.slope }
        return own == other
    }

    private func hasSameRotary(as other: Self) -> Bool {
        rope.isEquivalent(to: other.rope, upTo: contextLength) || !hasRotary && !other.hasRotary
    }

    /// Whether any layer has rotary positions.
    private var hasRotary: Bool { layers.contains(where: \.hasRotary) }
}

extension Norms.Kind {
    fileprivate var text: String { self == .rms ? "RMSNorm" : "LayerNorm" }
}

extension BranchFactors {
    fileprivate var text: String {
        let parts = recurrentParts.map(\.plain).joined(separator: ", ")
        return "attention \(attentionInput.plain), keys \(key.plain), its output \(attentionOutput.plain); recurrence "
            + "\(recurrentInput.plain), its parts \(parts), its output \(recurrentOutput.plain); gate \(gate.plain), down \(down.plain)"
    }
}

extension StateDecayForm {
    fileprivate var text: String { self == .logarithm ? "ln(−A)" : "A" }
}

extension LayerConfiguration.LayerNorms.QKNorm {
    fileprivate var text: String {
        switch self {
        case .none: "none"
        case .perHead: "per head"
        case .perRotatedHead: "per rotated head"
        case .perRotatedHeadUnweighted: "per rotated head, without weights"
        case .acrossHeads: "over all heads"
        case .ofEachHead: "of each head"
        }
    }
}

extension LayerConfiguration.Position {
    fileprivate var text: String {
        switch self {
        case .rotary: "rotary"
        case .localRotary(let rope):
            "local rotary of base \(rope.theta.plain), dimension \(rope.dimensions), \(rope.scaling.text)"
        case .alibi: "ALiBi"
        case .learned: "learned"
        case .none: "none (NoPE)"
        }
    }
}

extension QwenLongContext? {
    fileprivate var text: String {
        guard let self else { return "none" }
        let steps = (self.dynamicNTK ? ["dynamic NTK"] : []) + (self.logNAttention ? ["log-n attention"] : [])
        return steps.joined(separator: " and ") + " beyond \(self.context) tokens"
    }
}

extension [Int] {
    fileprivate var idsText: String { isEmpty ? "none" : map(String.init).joined(separator: ", ") }
}
