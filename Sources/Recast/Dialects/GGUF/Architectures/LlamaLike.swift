// Architectures of llama's names. Source: Specs/gguf.md §d.3; llama.cpp's converter for which heads it permutes.

extension Row {
    /// - Parameters:
    ///   - rotary: `interleaved` where llama.cpp rotates so and its converter permutes what transformers has in halves.
    ///   - biases: where llama.cpp's loader looks for them; files with others are not loaded.
    // swift-format-ignore
    static func ggufNames(rotary: RotaryLayout = .halfSplit, biases: Set<Role> = []) -> [Row] {
        func name(_ role: Role, _ stem: String) -> String { stem + (biases.contains(role) ? ".{weight,bias}" : ".weight") }
        func row(_ role: Role, _ stem: String, rotary: RotaryLayout = .halfSplit) -> Row { Row(role, name(role, stem), rotary: rotary) }
        return [
            row(.tokenEmbedding,  "token_embd"),
            row(.attentionNorm,   "blk.{layer}.attn_norm"),
            row(.query,           "blk.{layer}.attn_q", rotary: rotary),
            row(.key,             "blk.{layer}.attn_k", rotary: rotary),
            row(.value,           "blk.{layer}.attn_v"),
            row(.attentionOutput, "blk.{layer}.attn_output"),
            row(.feedForwardNorm, "blk.{layer}.ffn_norm"),
            row(.gate,            "blk.{layer}.ffn_gate"),
            row(.up,              "blk.{layer}.ffn_up"),
            row(.down,            "blk.{layer}.ffn_down"),
            row(.outputNorm,      "output_norm"),
            row(.outputHead,      "output"),
        ]
    }

    static let ggufHeadNorms = [
        Row(.queryNorm, "blk.{layer}.attn_q_norm.weight"), Row(.keyNorm, "blk.{layer}.attn_k_norm.weight"),
    ]

    static let ggufPostNorms = [
        Row(.attentionPostNorm, "blk.{layer}.post_attention_norm.weight"),
        Row(.feedForwardPostNorm, "blk.{layer}.post_ffw_norm.weight"),
    ]

    // swift-format-ignore
    static let ggufExperts = [
        Row(.router,       "blk.{layer}.ffn_gate_inp.weight"),
        Row(.routerBias,   "blk.{layer}.exp_probs_b.bias"),
        Row(.gate,         "blk.{layer}.ffn_gate_exps.{expert}.weight"),
        Row(.up,           "blk.{layer}.ffn_up_exps.{expert}.weight"),
        Row(.down,         "blk.{layer}.ffn_down_exps.{expert}.weight"),
        Row(.sharedRouter, "blk.{layer}.ffn_gate_inp_shexp.weight"),
        Row(.sharedGate,   "blk.{layer}.ffn_gate_shexp.weight"),
        Row(.sharedUp,     "blk.{layer}.ffn_up_shexp.weight"),
        Row(.sharedDown,   "blk.{layer}.ffn_down_shexp.weight"),
    ]
}

extension Set<Role> {
    /// Biases of queries, keys and values.
    static let projections: Set = [.query, .key, .value]
    static let attention = projections.union([.attentionOutput])
    static let linear = attention.union([.gate, .up, .down])
}

extension GGUFArchitecture {
    static let llama = GGUFArchitecture(
        "llama", families: ["llama", "yi", "mistral", "mixtral", "internlm3"], writesRopeDimensions: true,
        rotaryFactors: .one,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readExperts(into: &configuration, normalizes: true)
            if configuration.experts != nil { configuration.family = "mixtral" }
        },
        writes: { (configuration, keys) throws(RecastError) in
            guard let experts = configuration.experts else { return }
            try keys.writeExperts(experts)
            // All feed-forward parts are experts' here.
            try keys.set("feed_forward_length", experts.feedForwardSize)
            keys["expert_feed_forward_length"] = nil
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .linear)
        Row.ggufExperts
    }

    static let qwen2 = GGUFArchitecture("qwen2", families: ["qwen2"]) { Row.ggufNames(biases: .projections) }

    static let qwen3 = GGUFArchitecture("qwen3", families: ["qwen3"]) {
        Row.ggufNames(biases: .attention)
        Row.ggufHeadNorms
    }

    static let qwen2MoE = GGUFArchitecture(
        "qwen2moe", families: ["qwen2_moe"],
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readExperts(into: &configuration, normalizes: false)
        },
        writes: { (configuration, keys) throws(RecastError) in
            guard let experts = configuration.experts else { return }
            try keys.writeExperts(experts)
            if let shared = experts.shared { try keys.set("expert_shared_feed_forward_length", shared.feedForwardSize) }
        }
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufExperts
    }

    static let qwen3MoE = GGUFArchitecture(
        "qwen3moe", families: ["qwen3_moe"],
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readExperts(into: &configuration, normalizes: true)
        },
        writes: { (configuration, keys) throws(RecastError) in
            if let experts = configuration.experts { try keys.writeExperts(experts) }
        }
    ) {
        Row.ggufNames()
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    static let internLM2 = GGUFArchitecture("internlm2", families: ["internlm2"]) {
        Row.ggufNames(rotary: .interleaved)
    }

    /// Rows of 13B have biases by distance, which llama.cpp tells by the number of layers; it knows no normalised head.
    static let baichuan = GGUFArchitecture(
        "baichuan", families: ["baichuan", "baichuan2"],
        reads: { (_, configuration) throws(RecastError) in
            if configuration.layerCount == 40 { configuration.eachLayer { $0.position = .alibi } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            keys["tensor_data_layout"] = .string("Meta AI original pth")
        }
    ) {
        Row.ggufNames(rotary: .interleaved)
    }

    static let smolLM3 = GGUFArchitecture(
        "smollm3", families: ["smollm3"], writesRopeDimensions: true,
        reads: { (_, configuration) throws(RecastError) in
            configuration.eachLayer { if ($0 + 1).isMultiple(of: 4) { $1.position = .none } }
        }
    ) {
        Row.ggufNames(rotary: .interleaved)
    }

    static let exaone = GGUFArchitecture(
        "exaone", families: ["exaone"], rotaryFactors: .one,
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
        }
    ) {
        Row.ggufNames()
    }

    static let seedOSS = GGUFArchitecture("seed_oss", families: ["seed_oss"]) {
        Row.ggufNames(biases: .projections).filter { $0.roles != [.feedForwardNorm] }
        Row(.feedForwardNorm, "blk.{layer}.post_attention_norm.weight")
    }

    static let ernie45 = GGUFArchitecture("ernie4_5", families: ["ernie4_5"]) {
        Row.ggufNames(rotary: .interleaved, biases: .attention)
    }

    static let olmo = GGUFArchitecture(
        "olmo", families: ["olmo"],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.norms.kind = .layer
            configuration.norms.hasWeights = false
            configuration.projectionLimit = try reader.positive("attention.clamp_kqv")
        },
        writes: { (configuration, keys) throws(RecastError) in
            if let limit = configuration.projectionLimit { keys.set("attention.clamp_kqv", limit) }
        }
    ) {
        Row.ggufNames(rotary: .interleaved)
    }

    static let olmo2 = GGUFArchitecture(
        "olmo2", families: ["olmo2", "olmo3"],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms = .after(qk: .acrossHeads) }
            try readWindow(reader, fullEach: 4, &configuration)
            try readPattern(reader, &configuration)
            guard configuration.slidingWindow != nil else { return }
            configuration.family = "olmo3"
            // Scaling is for the layers that see all; llama.cpp does not look at the other key for a base.
            let local = Rope(theta: configuration.rope.theta, dimensions: configuration.rope.dimensions)
            guard local != configuration.rope else { return }
            configuration.eachLayer { if $0.slidingWindow != nil { $0.position = .localRotary(local) } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys.writeBetas(of: configuration.rope.scaling)
            guard configuration.slidingWindow != nil else { return }
            try keys.writeWindows(configuration)
            keys.set("rope.freq_base_swa", (configuration.localRope ?? configuration.rope).theta)
        }
    ) {
        Row.ggufNames()
        Row.ggufHeadNorms
        Row.ggufPostNorms
    }

    static let stableLM = GGUFArchitecture(
        "stablelm", families: ["stablelm"],
        reads: { (reader, configuration) throws(RecastError) in
            if reader.flag("use_parallel_residual") == true {
                throw .unsupported("\(reader.file): parallel residuals are not supported")
            }
            configuration.norms.kind = .layer
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            keys["use_parallel_residual"] = .bool(false)
        }
    ) {
        Row.ggufNames(biases: .projections.union([.attentionNorm, .feedForwardNorm, .outputNorm]))
    }
}
