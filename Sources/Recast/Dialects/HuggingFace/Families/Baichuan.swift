// Baichuan 1 and 2: 7B is rotary, 13B has ALiBi; the second generation has a normalised head. Source:
// Specs/families.md §3.6.
extension Family {
    static let baichuan2 = baichuan("baichuan2", ["BaichuanForCausalLM"], normalizesHead: true) { object in
        object["vocab_size"]?.int == 125_696 || object["z_loss_weight"] != nil || !hasALiBi(object)
    }

    static let baichuan = baichuan(
        "baichuan", ["BaiChuanForCausalLM", "BaichuanForCausalLM"], normalizesHead: false
    ) { _ in true }

    /// Models of 13B say nothing of positions but the length of texts.
    private static func hasALiBi(_ object: JSON.Object) -> Bool {
        object["max_position_embeddings"]?.int == nil
            || object["hidden_size"]?.int == 5120 && object["num_hidden_layers"]?.int == 40
    }

    // swift-format-ignore
    private static func baichuan(
        _ name: String, _ architectures: [String], normalizesHead: Bool, recognizes: @escaping Recognizing
    ) -> Family {
        Family(
            name, architectures: architectures, modelType: "baichuan", defaults: Defaults(contextLength: 4096),
            recognizes: recognizes,
            reads: { (reader, configuration) throws(RecastError) in
                configuration.normalizesOutputHead = normalizesHead
                if hasALiBi(reader.object) { configuration.eachLayer { $0.position = .alibi } }
                let older = try reader.optionalSize("model_max_length")
                configuration.contextLength = try reader.optionalSize("max_position_embeddings") ?? older ?? 4096
                configuration.rope = Rope(theta: 10_000, dimensions: configuration.headDimension)
            },
            writes: { configuration, object in
                object.drop(["head_dim", "num_key_value_heads", "rope_theta", "rope_scaling", "rope_parameters"])
                object["model_max_length"] = .int(configuration.contextLength)
                if configuration.hasALiBi { object.drop(["max_position_embeddings"]) }
                if normalizesHead, configuration.hasALiBi { object["z_loss_weight"] = 0 }
            }
        ) {
            Row(.tokenEmbedding,        "model.embed_tokens.weight")
            Row(.attentionNorm,         "model.layers.{layer}.input_layernorm.weight")
            Row([.query, .key, .value], "model.layers.{layer}.self_attn.W_pack.weight", layout: .concatenatedRows)
            Row(.attentionOutput,       "model.layers.{layer}.self_attn.o_proj.weight")
            Row(.feedForwardNorm,       "model.layers.{layer}.post_attention_layernorm.weight")
            Row(.gate,                  "model.layers.{layer}.mlp.gate_proj.weight")
            Row(.up,                    "model.layers.{layer}.mlp.up_proj.weight")
            Row(.down,                  "model.layers.{layer}.mlp.down_proj.weight")
            Row(.outputNorm,            "model.norm.weight")
            Row(.outputHead,            "lm_head.weight")
        }
    }
}
