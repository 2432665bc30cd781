// Apertus: feed-forward without a gate, whose activation has numbers of its own in each layer. Source: Specs/families.md §3.18;
// transformers 5.23, `modeling_apertus.py` and `XIELUActivation` in `activations.py`.
extension Family {
    static let apertus = Family(
        "apertus", architectures: ["ApertusForCausalLM"], modelType: "apertus",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
        ],
        defaults: Defaults(
            contextLength: 65_536, normEpsilon: 1e-5, activation: "xielu", theta: 12_000_000,
            ropeScaling: .llama3(
                factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)),
        reads: { (_, configuration) throws(RecastError) in configuration.gatesFeedForward = false }
    ) {
        Row.apertusNames
    }
}

extension Row {
    // swift-format-ignore
    fileprivate static let apertusNames = llamaNames(hasQKNorm: true)
        .filter { $0.roles != [.gate] && $0.roles != [.attentionNorm] && $0.roles != [.feedForwardNorm] } + [
            Row(.attentionNorm,   "model.layers.{layer}.attention_layernorm.weight"),
            Row(.feedForwardNorm, "model.layers.{layer}.feedforward_layernorm.weight"),
            Row(.xieluAlphaP,     "model.layers.{layer}.mlp.act_fn.alpha_p"),
            Row(.xieluAlphaN,     "model.layers.{layer}.mlp.act_fn.alpha_n"),
            Row(.xieluBeta,       "model.layers.{layer}.mlp.act_fn.beta"),
            Row(.xieluEpsilon,    "model.layers.{layer}.mlp.act_fn.eps"),
        ]
}
