// StarCoder and StarCoder 2. Source: Specs/families.md §3.19; transformers 5.23, `modeling_gpt_bigcode.py` and `modeling_starcoder2.py`.
extension Family {
    // swift-format-ignore
    static let starCoder2 = Family(
        "starcoder2", architectures: ["Starcoder2ForCausalLM"], modelType: "starcoder2",
        biases: [
            BiasGroup(roles: .linears, presence: .configured("use_bias", default: true)),
            BiasGroup(roles: .norms,   presence: .always),
        ],
        tiesByDefault: true, slidingWindow: .everywhere,
        defaults: Defaults(
            contextLength: 4096, keyValueHeadCount: 2, normEpsilon: 1e-5, activation: "gelu_pytorch_tanh"),
        spellings: [("norm_epsilon", "rms_norm_eps")],
        reads: { (_, configuration) throws(RecastError) in configuration.setClassic() },
        writes: { configuration, object in object.spell([("norm_epsilon", "rms_norm_eps")]) }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.{weight,bias}")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.up,              "model.layers.{layer}.mlp.c_fc.{weight,bias}")
        Row(.down,            "model.layers.{layer}.mlp.c_proj.{weight,bias}")
        Row(.outputNorm,      "model.norm.{weight,bias}")
        Row(.outputHead,      "lm_head.weight")
    }

    /// GPT-2's names with one key and one value for all heads, and matrices as others store them.
    // swift-format-ignore
    static let gptBigCode = Family(
        "gpt_bigcode", architectures: ["GPTBigCodeForCausalLM"], modelType: "gpt_bigcode",
        biases: [BiasGroup(roles: .linears + .norms, presence: .always)],
        tiesByDefault: true,
        defaults: Defaults(
            contextLength: 1024, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu_pytorch_tanh"),
        spellings: gpt2Spellings, buffers: [".attn.bias", ".attn.masked_bias"],
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readGPT2(into: &configuration)
            configuration.keyValueHeadCount = try reader.flag("multi_query") ?? true ? 1 : configuration.headCount
        },
        writes: { configuration, object in
            object.writeGPT2(configuration)
            object["multi_query"] = .bool(configuration.keyValueHeadCount == 1)
        }
    ) {
        // With a key and a value for each head, those of a head follow its query.
        gpt2Rows(attention: .interleavedGroups, matrices: .direct)
    }
}
