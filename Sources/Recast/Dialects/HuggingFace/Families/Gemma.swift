// Gemma 1, 2 and 3 (text). Source: Specs/families.md §3.11; transformers 5.23, `configuration_gemma3.py`.
extension Family {
    private static let gemmaBiases = [
        BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
    ]

    static let gemma = Family(
        "gemma", architectures: ["GemmaForCausalLM"], modelType: "gemma", biases: gemmaBiases, tiesByDefault: true,
        defaults: Defaults(
            contextLength: 8192, keyValueHeadCount: 16, headDimension: 256, activation: "gelu_pytorch_tanh"),
        reads: { (reader, configuration) throws(RecastError) in
            try readGemma(reader, &configuration)
            // Means the approximation, as all of Gemma's programs do.
            if configuration.activation == "gelu" { configuration.activation = "gelu_pytorch_tanh" }
        },
        writes: { configuration, object in object["hidden_activation"] = .string(configuration.activation) }
    ) {
        Row.llamaNames()
    }

    static let gemma2 = Family(
        "gemma2", architectures: ["Gemma2ForCausalLM"], modelType: "gemma2", biases: gemmaBiases,
        tiesByDefault: true,
        slidingWindow: .patterned(fullEach: 2),
        defaults: Defaults(
            contextLength: 8192, keyValueHeadCount: 4, headDimension: 256, slidingWindow: 4096,
            activation: "gelu_pytorch_tanh"),
        reads: { (reader, configuration) throws(RecastError) in
            try readGemma(reader, &configuration)
            try readGemma2(reader, &configuration, usualCaps: (50, 30))
        }, writes: writeGemma2
    ) {
        Row.gemmaNames()
    }

    static let gemma3 = Family(
        "gemma3_text", architectures: ["Gemma3ForCausalLM"], modelType: "gemma3_text", biases: gemmaBiases,
        tiesByDefault: true,
        slidingWindow: .patterned(fullEach: 6),
        defaults: Defaults(
            contextLength: 131072, keyValueHeadCount: 4, headDimension: 256, slidingWindow: 4096,
            activation: "gelu_pytorch_tanh", theta: 1_000_000),
        reads: { (reader, configuration) throws(RecastError) in
            try readGemma(reader, &configuration)
            try readGemma2(reader, &configuration, usualCaps: (nil, nil))
            try readGemma3Ropes(reader, &configuration)
        },
        writes: { configuration, object in
            writeGemma2(configuration, &object)
            let local = configuration.localRope ?? configuration.rope
            object["rope_local_base_freq"] = .double(local.theta)
            var parameters = JSON.Object()
            parameters["full_attention"] = object["rope_parameters"]
            parameters["sliding_attention"] = ["rope_type": "default", "rope_theta": .double(local.theta)]
            object["rope_parameters"] = .object(parameters)
        }
    ) {
        Row.gemmaNames()
        Row(.queryNorm, "model.layers.{layer}.self_attn.q_norm.weight")
        Row(.keyNorm, "model.layers.{layer}.self_attn.k_norm.weight")
    }

    @Sendable private static func readGemma(
        _ reader: HuggingFaceConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        if try reader.flag("use_bidirectional_attention") == true {
            throw .unsupported("\(reader.file): attention in both directions is not supported")
        }
        configuration.norms.offset = 1
        configuration.multipliers.embedding = Double(configuration.hiddenSize).squareRoot()
        if let activation = try reader.text("hidden_activation") { configuration.activation = activation }
    }

    @Sendable private static func readGemma2(
        _ reader: HuggingFaceConfiguration, _ configuration: inout ModelConfiguration,
        usualCaps usual: (attention: Double?, logits: Double?)
    ) throws(RecastError) {
        configuration.eachLayer { $0.norms.hasPostNorms = true }
        let scalar = try reader.number("query_pre_attn_scalar") ?? 256
        guard scalar > 0 else { throw reader.failure("\"query_pre_attn_scalar\" is \(scalar)") }
        configuration.multipliers.attention = 1 / scalar.squareRoot()
        func cap(_ key: String, _ usual: Double?) throws(RecastError) -> Double? {
            guard let cap = reader.object[key] == nil ? usual : try reader.number(key) else { return nil }
            guard cap > 0 else { throw reader.failure("\"\(key)\" is \(cap)") }
            return cap
        }
        configuration.softCaps.attention = try cap("attn_logit_softcapping", usual.attention)
        configuration.softCaps.logits = try cap("final_logit_softcapping", usual.logits)
    }

    /// One rotary for layers with a window, another for the others; of two dialects.
    @Sendable private static func readGemma3Ropes(
        _ reader: HuggingFaceConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let parameters = reader.object["rope_parameters"]?.object
        func rope(_ kind: String, theta key: String, usual: Double, scaling: JSON.Object?) throws(RecastError) -> Rope {
            let own = parameters?[kind]?.object
            let outside = try reader.number(key)
            return try reader.rope(
                scaling ?? own ?? JSON.Object(),
                theta: try reader.number("rope_theta", in: own ?? JSON.Object()) ?? outside ?? usual,
                dimensions: configuration.headDimension, contextLength: configuration.contextLength)
        }
        configuration.rope = try rope(
            "full_attention", theta: "rope_theta", usual: 1_000_000, scaling: reader.object["rope_scaling"]?.object)
        let local = try rope("sliding_attention", theta: "rope_local_base_freq", usual: 10_000, scaling: nil)
        configuration.eachLayer { if $0.slidingWindow != nil { $0.position = .localRotary(local) } }
    }

    @Sendable private static func writeGemma2(_ configuration: ModelConfiguration, _ object: inout JSON.Object) {
        object["hidden_activation"] = .string(configuration.activation)
        let scale = configuration.attentionScale
        // transformers 5 takes an integer and nothing else.
        object["query_pre_attn_scalar"] = .whole((1 / (scale * scale) * 1e6).rounded() / 1e6)
        object["attn_logit_softcapping"] = configuration.softCaps.attention.map(JSON.double) ?? .null
        object["final_logit_softcapping"] = configuration.softCaps.logits.map(JSON.double) ?? .null
    }
}

extension Row {
    // swift-format-ignore
    fileprivate static func gemmaNames() -> [Row] {
        [
            Row(.tokenEmbedding,      "model.embed_tokens.weight"),
            Row(.attentionNorm,       "model.layers.{layer}.input_layernorm.weight"),
            Row(.query,               "model.layers.{layer}.self_attn.q_proj.{weight,bias}"),
            Row(.key,                 "model.layers.{layer}.self_attn.k_proj.{weight,bias}"),
            Row(.value,               "model.layers.{layer}.self_attn.v_proj.{weight,bias}"),
            Row(.attentionOutput,     "model.layers.{layer}.self_attn.o_proj.{weight,bias}"),
            Row(.attentionPostNorm,   "model.layers.{layer}.post_attention_layernorm.weight"),
            Row(.feedForwardNorm,     "model.layers.{layer}.pre_feedforward_layernorm.weight"),
            Row(.gate,                "model.layers.{layer}.mlp.gate_proj.weight"),
            Row(.up,                  "model.layers.{layer}.mlp.up_proj.weight"),
            Row(.down,                "model.layers.{layer}.mlp.down_proj.weight"),
            Row(.feedForwardPostNorm, "model.layers.{layer}.post_feedforward_layernorm.weight"),
            Row(.outputNorm,          "model.norm.weight"),
            Row(.outputHead,          "lm_head.weight"),
        ]
    }
}
