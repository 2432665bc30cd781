// Nemotron 3 and 4, Minitron: LayerNorm whose weights are stored less one, and squared ReLU without a gate. Source:
// Specs/families.md §3.19; transformers 5.23, `modeling_nemotron.py`.
extension Family {
    // swift-format-ignore
    static let nemotron = Family(
        "nemotron", architectures: ["NemotronForCausalLM"], modelType: "nemotron",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.up, .down],                             presence: .configured("mlp_bias")),
            BiasGroup(roles: .norms,                                   presence: .always),
        ],
        defaults: Defaults(contextLength: 4096, normEpsilon: 1e-5, activation: "relu2"),
        spellings: [("norm_eps", "rms_norm_eps")], partialRotary: 0.5,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.norms.offset = 1
        },
        writes: { configuration, object in object.spell([("norm_eps", "rms_norm_eps")]) }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.{weight,bias}")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.{weight,bias}")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.{weight,bias}")
        Row(.outputNorm,      "model.norm.{weight,bias}")
        Row(.outputHead,      "lm_head.weight")
    }
}

extension [Role] {
    /// Those that every layer has, and the last.
    static let norms: [Role] = [.attentionNorm, .feedForwardNorm, .outputNorm]
    /// Of attention and feed-forward without a gate.
    static let linears: [Role] = [.query, .key, .value, .attentionOutput, .up, .down]
}

extension ModelConfiguration {
    /// What the models before llama have in common: LayerNorm, and feed-forward without a gate.
    mutating func setClassic() {
        norms.kind = .layer
        gatesFeedForward = false
    }

    /// One learned vector for each position, in place of rotary embeddings.
    mutating func setLearnedPositions(offset: Int = 0) {
        learnedPositions = LearnedPositions(count: contextLength, offset: offset)
        eachLayer { $0.position = .learned }
    }

    /// Both branches see what comes into the layer, through the same norm where it is shared.
    mutating func setParallel(sharesNorm: Bool) {
        eachLayer {
            $0.hasParallelResidual = true
            $0.norms.sharesPreNorm = sharesNorm
        }
    }
}

extension HuggingFaceConfiguration {
    /// - Throws: `unsupported` where one of the keys says what is not computed.
    func refuse(_ keys: [(key: String, supported: Bool)]) throws(RecastError) {
        for (key, supported) in keys {
            guard let value = try flag(key), value != supported else { continue }
            throw .unsupported("\(file): a \"\(key)\" of \(value) is not supported; \(supported) is")
        }
    }
}

extension JSON.Object {
    /// Without what a model says whose heads are not rotated, or are as many as there are.
    mutating func dropRotary() {
        drop(["rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor"])
    }

    /// Without sizes of heads that follow from others.
    mutating func dropHeadSizes() { drop(["num_key_value_heads", "head_dim"]) }
}
