// Gemma 4 (text): two sizes of heads, values that are keys, experts beside a feed-forward part, layers that look at the keys
// and values of others, and an embedding for each layer. Source: Specs/families.md §3.18; transformers 5.23, `modeling_gemma4.py` and
// `configuration_gemma4.py`.
extension Family {
    static let gemma4 = Family(
        "gemma4_text", architectures: ["Gemma4ForCausalLM"], modelType: "gemma4_text", biases: gemma4Biases,
        tiesByDefault: true, slidingWindow: .patterned(fullEach: 6), defaults: gemma4Defaults,
        recognizes: { $0["enable_moe_block"]?.bool != true },
        reads: { (reader, configuration) throws(RecastError) in try reader.readGemma4(into: &configuration) },
        writes: { configuration, object in object.writeGemma4(configuration) }
    ) {
        Row.gemma4Names(gate: .gate, up: .up, down: .down)
    }

    /// The same without per-layer embeddings, beside another encoder of images.
    static let gemma4Unified = Family(
        "gemma4_unified_text", architectures: ["Gemma4UnifiedForCausalLM"], modelType: "gemma4_unified_text",
        biases: gemma4Biases, tiesByDefault: true, slidingWindow: .patterned(fullEach: 6),
        defaults: Defaults(
            contextLength: 262_144, keyValueHeadCount: 4, headDimension: 256, slidingWindow: 1024,
            activation: "gelu_pytorch_tanh"),
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readGemma4(into: &configuration, hasLayerInputs: false)
        },
        writes: { configuration, object in
            object.writeGemma4(configuration)
            // transformers has no such attributes there.
            object.drop(["enable_moe_block", "hidden_size_per_layer_input", "vocab_size_per_layer_input"])
        }
    ) {
        Row.gemma4Names(gate: .gate, up: .up, down: .down)
    }

    /// The feed-forward part that all tokens go through is the shared expert here.
    static let gemma4MoE = Family(
        "gemma4_moe", architectures: ["Gemma4ForCausalLM"], modelType: "gemma4_text", biases: gemma4Biases,
        tiesByDefault: true, slidingWindow: .patterned(fullEach: 6), defaults: gemma4Defaults,
        experts: ExpertKeys(
            count: ["num_experts"], usedCount: ["top_k_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .always, denseLayers: .none, shared: .one(size: "intermediate_size"),
            stacks: [
                ExpertStack(name: "model.layers.{layer}.experts.gate_up_proj", roles: [.gate, .up]),
                ExpertStack(name: "model.layers.{layer}.experts.down_proj", roles: [.down]),
            ]),
        recognizes: { $0["enable_moe_block"]?.bool == true },
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readGemma4(into: &configuration)
            configuration.eachLayer { $0.experts?.hasOwnNorms = true }
            guard !configuration.layers.contains(where: { $0.feedForwardSize != nil }) else {
                throw .unsupported("\(reader.file): \"use_double_wide_mlp\" beside experts is not supported")
            }
        },
        writes: { configuration, object in object.writeGemma4(configuration) }
    ) {
        Row.gemma4Names(gate: .sharedGate, up: .sharedUp, down: .sharedDown)
        Row.gemma4Experts
    }

    private static let gemma4Biases = [
        BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
    ]

    private static let gemma4Defaults = Defaults(
        contextLength: 131_072, keyValueHeadCount: 4, headDimension: 256, slidingWindow: 512,
        activation: "gelu_pytorch_tanh")
}

extension Row {
    // swift-format-ignore
    fileprivate static func gemma4Names(gate: Role, up: Role, down: Role) -> [Row] {
        let layer = "model.layers.{layer}."
        return [
            Row(.tokenEmbedding,           "model.embed_tokens.weight"),
            Row(.layerEmbedding,           "model.embed_tokens_per_layer.weight"),
            Row(.layerEmbeddingProjection, "model.per_layer_model_projection.weight"),
            Row(.layerEmbeddingNorm,       "model.per_layer_projection_norm.weight"),
            Row(.attentionNorm,            layer + "input_layernorm.weight"),
            Row(.query,                    layer + "self_attn.q_proj.{weight,bias}"),
            Row(.key,                      layer + "self_attn.k_proj.{weight,bias}"),
            Row(.value,                    layer + "self_attn.v_proj.{weight,bias}"),
            Row(.queryNorm,                layer + "self_attn.q_norm.weight"),
            Row(.keyNorm,                  layer + "self_attn.k_norm.weight"),
            Row(.attentionOutput,          layer + "self_attn.o_proj.{weight,bias}"),
            Row(.attentionPostNorm,        layer + "post_attention_layernorm.weight"),
            Row(.feedForwardNorm,          layer + "pre_feedforward_layernorm.weight"),
            Row(gate,                      layer + "mlp.gate_proj.weight"),
            Row(up,                        layer + "mlp.up_proj.weight"),
            Row(down,                      layer + "mlp.down_proj.weight"),
            Row(.feedForwardPostNorm,      layer + "post_feedforward_layernorm.weight"),
            Row(.layerInputGate,           layer + "per_layer_input_gate.weight"),
            Row(.layerInputProjection,     layer + "per_layer_projection.weight"),
            Row(.layerInputNorm,           layer + "post_per_layer_input_norm.weight"),
            Row(.layerScale,               layer + "layer_scalar"),
            Row(.outputNorm,               "model.norm.weight"),
            Row(.outputHead,               "lm_head.weight"),
        ]
    }

    // The last three are names that no file has: stacks do.
    // swift-format-ignore
    fileprivate static let gemma4Experts = [
        Row(.router,         "model.layers.{layer}.router.proj.weight"),
        Row(.routerScale,    "model.layers.{layer}.router.scale"),
        Row(.expertScale,    "model.layers.{layer}.router.per_expert_scale"),
        Row(.expertNorm,     "model.layers.{layer}.pre_feedforward_layernorm_2.weight"),
        Row(.sharedPostNorm, "model.layers.{layer}.post_feedforward_layernorm_1.weight"),
        Row(.expertPostNorm, "model.layers.{layer}.post_feedforward_layernorm_2.weight"),
        Row(.gate,           "model.layers.{layer}.experts.{expert}.gate_proj.weight"),
        Row(.up,             "model.layers.{layer}.experts.{expert}.up_proj.weight"),
        Row(.down,           "model.layers.{layer}.experts.{expert}.down_proj.weight"),
    ]
}
