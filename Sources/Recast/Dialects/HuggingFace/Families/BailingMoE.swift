// Ling and Ring 2.0. transformers has no class for them. Source: Specs/families.md §3.14; llama.cpp's converter and loader.
extension Family {
    // swift-format-ignore
    static let bailingMoE2 = Family(
        "bailing_moe_v2", architectures: ["BailingMoeV2ForCausalLM"], modelType: "bailing_moe",
        defaults: Defaults(contextLength: 32_768),
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 0),
            shared: .several(count: "num_shared_experts", default: 0),
            router: .sigmoid(
                .text("score_function", ["sigmoid"]), .flag("moe_router_enable_expert_bias", true), .flag("use_qk_norm", true),
                .flag("use_bias", false), .flag("use_qkv_bias", false), .flag("norm_head", false)),
            defaultCount: nil),
        partialRotary: 0.5,
        writes: { _, object in object["num_nextn_predict_layers"] = 0 }
    ) {
        Row(.tokenEmbedding,        "model.word_embeddings.weight")
        Row(.attentionNorm,         "model.layers.{layer}.input_layernorm.weight")
        Row([.query, .key, .value], "model.layers.{layer}.attention.query_key_value.weight", layout: .concatenatedRows)
        Row(.queryNorm,             "model.layers.{layer}.attention.query_layernorm.weight")
        Row(.keyNorm,               "model.layers.{layer}.attention.key_layernorm.weight")
        Row(.attentionOutput,       "model.layers.{layer}.attention.dense.weight")
        Row(.feedForwardNorm,       "model.layers.{layer}.post_attention_layernorm.weight")
        Row.expertNames(bias: "gate.expert_bias", shared: "shared_experts")
        Row(.gate,                  "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,                    "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,                  "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,            "model.norm.weight")
        Row(.outputHead,            "lm_head.weight")
    }
}
