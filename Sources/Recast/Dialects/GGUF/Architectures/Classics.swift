// The architectures before llama's: LayerNorm with biases, feed-forward without a gate, learned positions, biases by distance. Source: llama.cpp's converter
// and loader, Specs/families.md §3.19.
extension GGUFArchitecture {
    static let nemotron = GGUFArchitecture(
        "nemotron", families: ["nemotron"], activation: "relu2",
        reads: { (_, configuration) throws(RecastError) in configuration.setClassic() },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("vocab_size", configuration.vocabularySize)
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            if configuration.rope.scaling == .none { keys["rope.scaling.type"] = .string("none") }
            // Under both names, of which the loader reads the other.
            keys.set("attention.layer_norm_rms_epsilon", configuration.normEpsilon)
        }
    ) {
        Row.ggufNames(biases: .linear.union([Role].norms)).filter { $0.roles != [.gate] }
    }

    static let starCoder2 = GGUFArchitecture(
        "starcoder2", families: ["starcoder2"], activation: "gelu_pytorch_tanh",
        reads: { (_, configuration) throws(RecastError) in configuration.setClassic() }
    ) {
        Row.ggufNames(biases: .linear.union([Role].norms)).filter { $0.roles != [.gate] }
    }

    static let phi2 = GGUFArchitecture(
        "phi2", families: ["phi"], activation: "gelu_pytorch_tanh",
        reads: { (_, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.setParallel(sharesNorm: true)
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            keys.metadata["tokenizer.ggml.add_bos_token"] = .bool(false)
        }
    ) {
        Row.ggufNames(biases: .linear.union([.attentionNorm, .outputNorm, .outputHead])).filter {
            $0.roles != [.gate] && $0.roles != [.feedForwardNorm]
        }
    }

    static let gptNeoX = GGUFArchitecture(
        "gptneox", families: ["gpt_neox"], activation: "gelu_pytorch_tanh",
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            if reader.flag("use_parallel_residual") ?? true { configuration.setParallel(sharesNorm: false) }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            keys["use_parallel_residual"] = .bool(configuration.layers.first?.hasParallelResidual ?? true)
        }
    ) {
        Row.ggufClassicNames(biases: .linear.union([Role].norms))
    }

    static let gpt2 = learned("gpt2", "gpt2")
    static let starCoder = learned("starcoder", "gpt_bigcode")

    private static func learned(_ name: String, _ family: String) -> GGUFArchitecture {
        GGUFArchitecture(
            name, families: [family], activation: "gelu_pytorch_tanh",
            reads: { (_, configuration) throws(RecastError) in
                configuration.setClassic()
                configuration.setLearnedPositions()
            },
            writes: { (configuration, keys) throws(RecastError) in
                keys["rope.freq_base"] = nil
                try keys.set("context_length", configuration.learnedPositions?.count ?? configuration.contextLength)
            }
        ) {
            Row.ggufClassicNames(biases: .linear.union([Role].norms))
            Row(.positionEmbedding, "position_embd.weight")
        }
    }

    /// Falcon 40B, whose attention has a norm of its own beside that of feed-forward.
    static let falcon40B = falcon("falcon40b", distinguishingTensor: "attn_norm_2", sharesNorm: false) {
        Row(.attentionNorm, "blk.{layer}.attn_norm_2.{weight,bias}")
        Row(.feedForwardNorm, "blk.{layer}.attn_norm.{weight,bias}")
    }

    static let falcon = falcon("falcon", distinguishingTensor: nil, sharesNorm: true) {
        Row(.attentionNorm, "blk.{layer}.attn_norm.{weight,bias}")
    }

    private static func falcon(
        _ family: String, distinguishingTensor: String?, sharesNorm: Bool, @RowBuilder norms: () -> [Row]
    ) -> GGUFArchitecture {
        let norms = norms()
        return GGUFArchitecture(
            "falcon", families: [family], activation: "gelu_pytorch_tanh", distinguishingTensor: distinguishingTensor,
            reads: { (_, configuration) throws(RecastError) in
                configuration.setClassic()
                configuration.setParallel(sharesNorm: sharesNorm)
            },
            writes: { (_, keys) throws(RecastError) in keys["tensor_data_layout"] = .string("jploski") }
        ) {
            Row.ggufClassicNames(biases: [.outputNorm]).filter {
                $0.roles != [.attentionNorm] && $0.roles != [.feedForwardNorm]
            }
            norms
        }
    }

    static let bloom = GGUFArchitecture(
        "bloom", families: ["bloom"], activation: "gelu_pytorch_tanh",
        reads: { (_, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.norms.normalizesEmbedding = true
            configuration.eachLayer { $0.position = .alibi }
        },
        writes: { (_, keys) throws(RecastError) in keys["rope.freq_base"] = nil }
    ) {
        Row.ggufClassicNames(biases: .linear.union([Role].norms))
        Row(.embeddingNorm, "token_embd_norm.{weight,bias}")
    }

    static let mpt = GGUFArchitecture(
        "mpt", families: ["mpt"], activation: "gelu_pytorch_tanh",
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            let maximum = try reader.positive("attention.max_alibi_bias", orNone: true)
            configuration.eachLayer { $0.position = maximum == nil ? .none : .alibi }
            configuration.alibi.maximum = maximum ?? configuration.alibi.maximum
            configuration.projectionLimit = try reader.positive("attention.clamp_kqv")
            configuration.eachLayer { $0.norms.qk = reader.seen.normalizesHeads ? .acrossHeads : .none }
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys["rope.freq_base"] = nil
            if let limit = configuration.projectionLimit { keys.set("attention.clamp_kqv", limit) }
            keys.set("attention.max_alibi_bias", configuration.hasALiBi ? configuration.alibi.maximum : 0)
        }
    ) {
        Row.ggufClassicNames(biases: .linear.union([Role].norms))
        Row(.queryNorm, "blk.{layer}.attn_q_norm.{weight,bias}")
        Row(.keyNorm, "blk.{layer}.attn_k_norm.{weight,bias}")
    }
}

extension Row {
    /// Names without a gate, and with queries, keys and values in one tensor.
    fileprivate static func ggufClassicNames(biases: Set<Role>) -> [Row] {
        let fused = biases.contains(.query) ? "{weight,bias}" : "weight"
        return ggufNames(biases: biases).filter { $0.roles != [.gate] && !Set($0.roles).isSubset(of: .projections) }
            + [Row([.query, .key, .value], "blk.{layer}.attn_qkv.\(fused)", layout: .concatenatedRows)]
    }
}

extension GGUFConfiguration {
    /// A positive number; where it may be zero, nil for it.
    fileprivate func positive(_ name: String, orNone: Bool) throws(RecastError) -> Double? {
        value(name)?.double == 0 && orNone ? nil : try positive(name)
    }
}
