extension ModelConfiguration {
    /// What products of queries and keys are multiplied by.
    public var attentionScale: Double { multipliers.attention ?? 1 / Double(headDimension).squareRoot() }

    /// The same of one layer.
    public func attentionScale(inLayer layer: Int) -> Double {
        let scale = multipliers.attention ?? 1 / Double(headDimension(inLayer: layer)).squareRoot()
        return multipliers.dividesAttentionByLayer ? scale / Double(layer + 1) : scale
    }
}

extension ModelConfiguration {
    /// The activation by the one name of all that transformers has for the same function.
    ///
    /// Source: transformers 5.23, `activations.py`.
    public var canonicalActivation: String {
        switch activation {
        case "swish": "silu"
        case "gelu_new", "gelu_fast", "gelu_accurate": "gelu_pytorch_tanh"
        case "gelu_python": "gelu"
        default: activation
        }
    }
}

extension ModelConfiguration {
    /// What it computes otherwise than a llama of the same sizes, experts and latent attention: by the fields' names.
    package var unusualComputation: [(name: String, value: String)] {
        var plain = ModelConfiguration(
            family: family, vocabularySize: vocabularySize, hiddenSize: hiddenSize, feedForwardSize: feedForwardSize,
            layerCount: layerCount, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            headDimension: headDimension, contextLength: contextLength, normEpsilon: normEpsilon, activation: "silu",
            rope: rope)
        plain.layers = layers.map { layer in
            var plain = LayerConfiguration()
            plain.latentAttention = layer.latentAttention
            plain.experts = layer.experts
            return plain
        }
        // In which form numbers are stored is nothing that is computed.
        plain.stateDecayForm = stateDecayForm
        return differences(from: plain).map { ($0.field.name, $0.own) }.filter { name, _ in
            name == "recurrent layer" || Self.fields.contains { $0.name == name && $0.kind == .computation }
        }
    }
}

extension Rope {
    /// Whether two rotate alike, as far as float32 can tell.
    func isEquivalent(to other: Rope, upTo length: Int) -> Bool {
        if self == other { return true }
        for length in [1, length] {
            guard let mine = table(in: length), let theirs = other.table(in: length) else { return false }
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
        case .proportional: "proportional"
        case .factors: "factors of its own"
        case .other(let name): name
        }
    }
}

extension Rope.Scaling {
    /// In words: `llama3, factor 8, low 1, high 4, original context 8192`.
    public var text: String {
        switch self {
        case .none: "not scaled"
        case .linear(let factor): "linear, factor \(factor.plain)"
        case .llama3(let factor, let low, let high, let original):
            "llama3, factor \(factor.plain), low \(low.plain), high \(high.plain), original context \(original)"
        case .yarn(let yarn):
            "yarn, factor \(yarn.factor.plain), original context \(yarn.originalContext)"
                + (yarn.truncates ? "" : ", not truncated")
        case .dynamic(let factor, let context): "dynamic, factor \(factor.plain) beyond \(context) tokens"
        case .longrope(let longrope):
            "longrope, original context \(longrope.originalContext), attention factor \(longrope.attentionFactor.plain)"
        case .proportional(let pairs, let factor):
            "proportional, \(pairs) pairs turn" + (factor == 1 ? "" : ", factor \(factor.plain)")
        case .factors: "factors of their own for each pair"
        case .other(let type): type
        }
    }
}
