// EXAONE 3, 3.5 and 4. Source: Specs/families.md §3.13 and §3.15; transformers 5.23, `modeling_exaone4.py`.
extension Family {
    // swift-format-ignore
    static let exaone = Family(
        "exaone", architectures: ["ExaoneForCausalLM"], modelType: "exaone", defaults: Defaults(normEpsilon: 1e-5),
        spellings: [
            ("num_layers", "num_hidden_layers"), ("layer_norm_epsilon", "rms_norm_eps"),
            ("activation_function", "hidden_act"),
        ],
        writes: { configuration, object in
            object.drop(["num_hidden_layers", "rms_norm_eps", "hidden_act"])
            object["num_layers"] = .int(configuration.layerCount)
            object["layer_norm_epsilon"] = .double(configuration.normEpsilon)
            object["activation_function"] = .string(configuration.activation)
        }
    ) {
        Row(.tokenEmbedding,  "transformer.wte.weight")
        Row(.attentionNorm,   "transformer.h.{layer}.ln_1.weight")
        Row(.query,           "transformer.h.{layer}.attn.attention.q_proj.weight")
        Row(.key,             "transformer.h.{layer}.attn.attention.k_proj.weight")
        Row(.value,           "transformer.h.{layer}.attn.attention.v_proj.weight")
        Row(.attentionOutput, "transformer.h.{layer}.attn.attention.out_proj.weight")
        Row(.feedForwardNorm, "transformer.h.{layer}.ln_2.weight")
        Row(.gate,            "transformer.h.{layer}.mlp.c_fc_0.weight")
        Row(.up,              "transformer.h.{layer}.mlp.c_fc_1.weight")
        Row(.down,            "transformer.h.{layer}.mlp.c_proj.weight")
        Row(.outputNorm,      "transformer.ln_f.weight")
        Row(.outputHead,      "lm_head.weight")
    }

    static let exaone4 = Family(
        "exaone4", architectures: ["Exaone4ForCausalLM"], modelType: "exaone4",
        slidingWindow: .patterned(fullEach: 4),
        defaults: Defaults(keyValueHeadCount: 32, slidingWindow: 4096, normEpsilon: 1e-5),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms = .after(qk: .perHead) }
            // Layers that see all turn nothing where there is a window, be it of no layer.
            guard reader.object["sliding_window"]?.isNull != true else { return }
            configuration.eachLayer { if $0.slidingWindow == nil { $0.position = .none } }
        },
        writes: { configuration, object in
            guard configuration.slidingWindow == nil, configuration.layers.contains(where: { $0.position == .none })
            else { return }
            object["sliding_window"] = .int(configuration.contextLength)
        }
    ) {
        Row.postNormNames
    }
}
