// InternLM 1 to 3. Source: Specs/families.md §3.7.
extension Family {
    static let internLM1 = Family(
        "internlm", architectures: ["InternLMForCausalLM"], modelType: "internlm",
        biases: [
            BiasGroup(
                roles: [.query, .key, .value, .attentionOutput], presence: .configured("bias", default: true))
        ],
        reads: { (reader, configuration) throws(RecastError) in
            guard let rotary = reader.object["rotary"]?.object else { return }
            configuration.rope.theta = try reader.number("base", in: rotary) ?? configuration.rope.theta
            switch try reader.text("type", in: rotary) ?? "origin" {
            case "origin": break
            case "dynamic":
                configuration.rope.scaling = .dynamic(
                    factor: try reader.number("scaling_factor", in: rotary) ?? 1, context: configuration.contextLength)
            case let type: throw .unsupported("\(reader.file): a \"rotary\" of the type \(type) is not supported")
            }
        },
        writes: { configuration, object in
            object.drop(["head_dim", "num_key_value_heads", "rope_theta", "rope_scaling", "rope_parameters"])
            var rotary = JSON.Object([("base", .whole(configuration.rope.theta)), ("type", "origin")])
            if case .dynamic(let factor, _) = configuration.rope.scaling {
                rotary["type"] = "dynamic"
                if factor != 1 { rotary["scaling_factor"] = .double(factor) }
            }
            object["rotary"] = .object(rotary)
        }
    ) {
        Row.llamaNames()
    }

    // swift-format-ignore
    static let internLM2 = Family(
        "internlm2", architectures: ["InternLM2ForCausalLM"], modelType: "internlm2",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("bias", default: true)),
        ],
        defaults: Defaults(contextLength: 2048)
    ) {
        Row(.tokenEmbedding,        "model.tok_embeddings.weight")
        Row(.attentionNorm,         "model.layers.{layer}.attention_norm.weight")
        Row([.query, .key, .value], "model.layers.{layer}.attention.wqkv.{weight,bias}", layout: .interleavedGroups)
        Row(.attentionOutput,       "model.layers.{layer}.attention.wo.{weight,bias}")
        Row(.feedForwardNorm,       "model.layers.{layer}.ffn_norm.weight")
        Row(.gate,                  "model.layers.{layer}.feed_forward.w1.weight")
        Row(.up,                    "model.layers.{layer}.feed_forward.w3.weight")
        Row(.down,                  "model.layers.{layer}.feed_forward.w2.weight")
        Row(.outputNorm,            "model.norm.weight")
        Row(.outputHead,            "output.weight")
    }

    // swift-format-ignore
    static let internLM3 = Family(
        "internlm3", architectures: ["InternLM3ForCausalLM"], modelType: "internlm3",
        biases: [
            BiasGroup(roles: [.query, .key, .value],               presence: .configured("qkv_bias")),
            BiasGroup(roles: [.attentionOutput, .gate, .up, .down], presence: .configured("bias")),
        ],
        defaults: Defaults(contextLength: 32768)
    ) {
        Row.llamaNames()
    }
}
