// gpt-oss: attention sinks, biases everywhere, and experts whose gates and ups are within limits, all of a layer in one tensor. Source:
// Specs/families.md §3.15; transformers 5.23, `modeling_gpt_oss.py`.
extension Family {
    // swift-format-ignore
    static let gptOSS = Family(
        "gpt_oss", architectures: ["GptOssForCausalLM"], modelType: "gpt_oss",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias", default: true)),
            BiasGroup(roles: [.router, .gate, .up, .down],             presence: .always),
        ],
        slidingWindow: .patterned(fullEach: 2),
        defaults: Defaults(
            contextLength: 131_072, keyValueHeadCount: 8, headDimension: 64, slidingWindow: 128, normEpsilon: 1e-5,
            theta: 150_000,
            ropeScaling: .yarn(untruncated)),
        experts: ExpertKeys(
            count: ["num_local_experts", "num_experts"], usedCount: ["num_experts_per_tok", "experts_per_token"],
            feedForwardSize: "intermediate_size", normalization: .always, denseLayers: .none, defaultCount: 128,
            defaultUsedCount: 4,
            stacks: [
                ExpertStack(name: experts + "gate_up_proj", roles: [.gate, .up], isTransposed: true, interleavesRoles: true),
                ExpertStack(name: experts + "gate_up_proj_bias", roles: [.gate, .up], part: .bias, interleavesRoles: true),
                ExpertStack(name: experts + "down_proj", roles: [.down], isTransposed: true),
                ExpertStack(name: experts + "down_proj_bias", roles: [.down], part: .bias),
            ]),
        reads: { (reader, configuration) throws(RecastError) in
            // Whatever is said: transformers looks at neither.
            configuration.activation = "silu"
            let limit = GateLimit(
                limit: try reader.number("swiglu_limit") ?? 7, alpha: try reader.number("swiglu_alpha") ?? 1.702)
            guard limit.limit > 0, limit.alpha > 0 else {
                throw reader.failure("\"swiglu_limit\" is \(limit.limit) and \"swiglu_alpha\" \(limit.alpha): both are positive")
            }
            configuration.gateLimit = limit
            configuration.eachLayer { $0.hasSinks = true }
        },
        writes: { configuration, object in
            object["swiglu_limit"] = .double(configuration.gateLimit?.limit ?? 7)
            object["swiglu_alpha"] = .double(configuration.gateLimit?.alpha ?? 1.702)
        }
    ) {
        Row.llamaNames().filter { Set($0.roles).isDisjoint(with: [.gate, .up, .down]) }
        Row(.sinks,  "model.layers.{layer}.self_attn.sinks")
        Row(.router, "model.layers.{layer}.mlp.router.{weight,bias}")
        // Names that no file has: stacks do.
        Row(.gate,   experts + "{expert}.gate_proj.{weight,bias}")
        Row(.up,     experts + "{expert}.up_proj.{weight,bias}")
        Row(.down,   experts + "{expert}.down_proj.{weight,bias}")
    }

    private static let untruncated: Rope.Yarn = {
        var yarn = Rope.Yarn(factor: 32, originalContext: 4096)
        yarn.truncates = false
        return yarn
    }()

    private static let experts = "model.layers.{layer}.mlp.experts."
}
