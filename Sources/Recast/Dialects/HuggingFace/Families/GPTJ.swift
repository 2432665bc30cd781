// GPT-J and CodeGen: neighbours are rotated, and both branches of a layer see the same norm. Source: Specs/families.md §3.19;
// transformers 5.23, `modeling_gptj.py` and `modeling_codegen.py`.
extension Family {
    // swift-format-ignore
    static let gptJ = gptJ("gptj", "GPTJForCausalLM") {
        Row(.query, "transformer.h.{layer}.attn.q_proj.weight", rotary: .interleaved)
        Row(.key,   "transformer.h.{layer}.attn.k_proj.weight", rotary: .interleaved)
        Row(.value, "transformer.h.{layer}.attn.v_proj.weight")
    }

    /// Its query, value and key lie in four parts, as it was trained on as many processors.
    static let codeGen = gptJ("codegen", "CodeGenForCausalLM", headsAreMultipleOf: 4) {
        Row(
            [.query, .value, .key], "transformer.h.{layer}.attn.qkv_proj.weight", layout: .partitionedRows(4),
            rotary: .interleaved)
    }

    // swift-format-ignore
    private static func gptJ(
        _ name: String, _ architecture: String, headsAreMultipleOf parts: Int = 1, @RowBuilder projections: () -> [Row]
    ) -> Family {
        let projections = projections()
        return Family(
            name, architectures: [architecture], modelType: name,
            biases: [BiasGroup(roles: [.attentionNorm, .up, .down, .outputNorm, .outputHead], presence: .always)],
            defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu_new"),
            spellings: gpt2Spellings, partialRotary: 1, buffers: [".attn.bias", ".attn.masked_bias", ".attn.causal_mask"],
            reads: { (reader, configuration) throws(RecastError) in
                configuration.setClassic()
                configuration.setParallel(sharesNorm: true)
                configuration.keyValueHeadCount = configuration.headCount
                let said = reader.object["rotary_dim"] ?? 64
                guard !said.isNull, said.int != 0 else {
                    throw .unsupported("\(reader.file): a \"rotary_dim\" of null is not supported; a number is")
                }
                let turning = try reader.optionalSize("rotary_dim") ?? min(64, configuration.headDimension)
                configuration.rope = Rope(theta: 10_000, dimensions: turning)
                guard configuration.headCount.isMultiple(of: parts) else {
                    throw reader.failure(
                        "\(configuration.headCount) heads cannot lie in \(parts) parts, as those of \(architecture) do")
                }
            },
            writes: { configuration, object in
                object.dropRotary()
                object.dropHeadSizes()
                object.drop(["attention_dropout"])
                object.spell(gpt2Spellings.map { (theirs: $0.0, usual: $0.1) })
                object.writePositions(configuration)
                object["rotary_dim"] = .int(configuration.rope.dimensions)
            }
        ) {
            Row(.tokenEmbedding,  "transformer.wte.weight")
            Row(.attentionNorm,   "transformer.h.{layer}.ln_1.{weight,bias}")
            projections
            Row(.attentionOutput, "transformer.h.{layer}.attn.out_proj.weight")
            Row(.up,              "transformer.h.{layer}.mlp.fc_in.{weight,bias}")
            Row(.down,            "transformer.h.{layer}.mlp.fc_out.{weight,bias}")
            Row(.outputNorm,      "transformer.ln_f.{weight,bias}")
            Row(.outputHead,      "lm_head.{weight,bias}")
        }
    }
}
