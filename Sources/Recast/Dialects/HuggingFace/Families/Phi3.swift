// Phi-3, 3.5, 4 and 4-mini. Source: Specs/families.md §3.12.
extension Family {
    // swift-format-ignore
    static let phi3 = Family(
        "phi3", architectures: ["Phi3ForCausalLM"], modelType: "phi3", slidingWindow: .everywhere,
        defaults: Defaults(contextLength: 4096, normEpsilon: 1e-5), partialRotary: 1,
        reads: { (reader, configuration) throws(RecastError) in
            switch configuration.rope.scaling {
            case .none, .longrope, .other: break
            default:
                throw .unsupported(
                    "\(reader.file): Phi-3 has no rotary scaling or longrope, not \(configuration.rope.scaling.name)")
            }
        },
        writes: { configuration, object in
            // Where transformers 4 looks for it.
            if case .longrope(let longrope) = configuration.rope.scaling {
                object["original_max_position_embeddings"] = .int(longrope.originalContext)
                // transformers 4 refuses any further key.
                object["rope_scaling"] = [
                    "type": "longrope", "short_factor": .array(longrope.short.map(JSON.double)),
                    "long_factor": .array(longrope.long.map(JSON.double)),
                ]
            } else {
                object["original_max_position_embeddings"] = .int(configuration.contextLength)
            }
        }
    ) {
        Row(.tokenEmbedding,        "model.embed_tokens.weight")
        Row(.attentionNorm,         "model.layers.{layer}.input_layernorm.weight")
        Row([.query, .key, .value], "model.layers.{layer}.self_attn.qkv_proj.weight", layout: .concatenatedRows)
        Row(.attentionOutput,       "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm,       "model.layers.{layer}.post_attention_layernorm.weight")
        Row([.gate, .up],           "model.layers.{layer}.mlp.gate_up_proj.weight", layout: .concatenatedRows)
        Row(.down,                  "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,            "model.norm.weight")
        Row(.outputHead,            "lm_head.weight")
    }
}
