import Recast

extension SmallModel {
    /// A model with latent attention, one dense layer, and three with eight experts of which every token goes through two
    /// and through two that all share.
    ///
    /// - Parameter generation: 2 or 3.
    package static func deepSeek(generation: Int, queryRank: Int?) -> SmallModel {
        var model = SmallModel("llama")
        let values: JSON = [
            "architectures": [.string("DeepseekV\(generation)ForCausalLM")],
            "model_type": .string("deepseek_v\(generation)"), "hidden_act": "silu", "vocab_size": 24, "hidden_size": 32,
            "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
            "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "bos_token_id": 1,
            "eos_token_id": 2, "torch_dtype": "float32", "attention_bias": false,
            "q_lora_rank": queryRank.map(JSON.int) ?? .null, "kv_lora_rank": 12, "qk_nope_head_dim": 6,
            "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 8, "n_shared_experts": 2,
            "num_experts_per_tok": 4, "moe_intermediate_size": 16, "first_k_dense_replace": 1, "moe_layer_freq": 1,
            "n_group": 4, "topk_group": .int(generation == 2 ? 4 : 2), "routed_scaling_factor": 2.5,
            "norm_topk_prob": .bool(generation == 3),
            "topk_method": .string(generation == 2 ? "greedy" : "noaux_tc"),
            "scoring_func": .string(generation == 2 ? "softmax" : "sigmoid"), "rope_theta": 10000.0,
            "rope_scaling": [
                "type": "yarn", "factor": 40, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1,
                "mscale": 0.707, "mscale_all_dim": 0.707,
            ],
        ]
        model.configuration = values.object!
        model.tensors = []
        model.add("model.embed_tokens.weight", [24, 32])
        for layer in 0..<4 {
            let prefix = "model.layers.\(layer)."
            model.add(prefix + "input_layernorm.weight", [32])
            if let queryRank {
                model.add(prefix + "self_attn.q_a_proj.weight", [queryRank, 32])
                model.add(prefix + "self_attn.q_a_layernorm.weight", [queryRank])
                model.add(prefix + "self_attn.q_b_proj.weight", [40, queryRank])
            } else {
                model.add(prefix + "self_attn.q_proj.weight", [40, 32])
            }
            model.add(prefix + "self_attn.kv_a_proj_with_mqa.weight", [16, 32])
            model.add(prefix + "self_attn.kv_a_layernorm.weight", [12])
            model.add(prefix + "self_attn.kv_b_proj.weight", [56, 12])
            model.add(prefix + "self_attn.o_proj.weight", [32, 32])
            model.add(prefix + "post_attention_layernorm.weight", [32])
            if layer == 0 {
                model.addFeedForward(prefix + "mlp.", 64)
                continue
            }
            model.add(prefix + "mlp.gate.weight", [8, 32])
            if generation == 3 { model.add(prefix + "mlp.gate.e_score_correction_bias", [8]) }
            for expert in 0..<8 { model.addFeedForward(prefix + "mlp.experts.\(expert).", 16) }
            model.addFeedForward(prefix + "mlp.shared_experts.", 32)
        }
        model.add("model.norm.weight", [32])
        model.add("lm_head.weight", [24, 32])
        return model
    }

    /// A model with six experts in each layer, of which every token goes through two.
    package static func mixtral() -> SmallModel {
        var model = SmallModel("llama")
        model.configuration["architectures"] = ["MixtralForCausalLM"]
        model.configuration["model_type"] = "mixtral"
        model.configuration["num_local_experts"] = 6
        model.configuration["num_experts_per_tok"] = 2
        model.tensors.removeAll { $0.name.contains(".mlp.") }
        for layer in 0..<layerCount {
            let prefix = "model.layers.\(layer).block_sparse_moe."
            model.add(prefix + "gate.weight", [6, 32])
            for expert in 0..<6 {
                model.add(prefix + "experts.\(expert).w1.weight", [64, 32])
                model.add(prefix + "experts.\(expert).w2.weight", [32, 64])
                model.add(prefix + "experts.\(expert).w3.weight", [64, 32])
            }
        }
        return model
    }

    private mutating func addFeedForward(_ prefix: String, _ size: Int) {
        add(prefix + "gate_proj.weight", [size, 32])
        add(prefix + "up_proj.weight", [size, 32])
        add(prefix + "down_proj.weight", [32, size])
    }
}
