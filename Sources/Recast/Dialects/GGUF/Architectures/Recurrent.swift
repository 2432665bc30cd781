// Architectures with recurrent layers. Source: llama.cpp's converter and loader, Specs/families.md §3.16.
extension GGUFArchitecture {
    static let qwen3Next = deltaNet("qwen3next", families: ["qwen3_next"], hasExperts: true) {
        Row.ggufGatedAttention
        Row.ggufExperts
        Row([.recurrentBeta, .recurrentAlpha], "blk.{layer}.ssm_ba.weight", layout: .interleavedKeyHeadRows)
        Row.ggufDelta
    }

    static let qwen35 = deltaNet("qwen35", families: ["qwen3_5"], sections: [11, 11, 10, 0]) {
        Row.ggufGatedAttention
        Row.ggufTiledDelta
    }

    static let qwen35MoE = deltaNet(
        "qwen35moe", families: ["qwen3_5_moe"], hasExperts: true, sections: [11, 11, 10, 0]
    ) {
        Row.ggufGatedAttention
        Row.ggufExperts
        Row.ggufTiledDelta
    }

    static let lfm2 = GGUFArchitecture(
        "lfm2", families: ["lfm2"], listsLayers: true,
        reads: { (reader, configuration) throws(RecastError) in try reader.readShortConvolution(into: &configuration) },
        writes: { (configuration, keys) throws(RecastError) in try keys.writeShortConvolution(configuration) }
    ) {
        Row.ggufShortConvolution
    }

    static let lfm2MoE = GGUFArchitecture(
        "lfm2moe", families: ["lfm2_moe"], listsLayers: true,
        reads: { (reader, configuration) throws(RecastError) in
            try GGUFRouter(score: .sigmoid, keys: [.size, .denseLayers, .score]).read(reader, into: &configuration)
            try reader.readShortConvolution(into: &configuration)
            // llama.cpp divides by 2^-14 at least instead; scores add up to more in trained models.
            configuration.eachLayer { $0.experts?.routing.sumEpsilon = 1e-6 }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try GGUFRouter(score: .sigmoid, keys: [.size, .denseLayers, .score]).write(configuration, into: &keys)
            try keys.writeShortConvolution(configuration)
        }
    ) {
        Row.ggufShortConvolution
        Row.ggufExperts
    }

    private static func deltaNet(
        _ name: String, families: [String], hasExperts: Bool = false, sections: [Int]? = nil,
        @RowBuilder rows: () -> [Row]
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            name, families: families, sections: sections,
            reads: { (reader, configuration) throws(RecastError) in
                if hasExperts { try reader.readExperts(into: &configuration, normalizes: true) }
                try reader.readDeltaNet(into: &configuration)
            },
            writes: { (configuration, keys) throws(RecastError) in
                if let experts = configuration.experts {
                    try keys.writeExperts(experts)
                    if let shared = experts.shared {
                        try keys.set("expert_shared_feed_forward_length", shared.feedForwardSize)
                    }
                }
                try keys.writeDeltaNet(configuration)
            }, rows: rows)
    }
}

// swift-format-ignore
extension Row {
    fileprivate static let ggufGatedAttention = ggufNames(biases: .attention).filter { ![[.query], [.feedForwardNorm]].contains($0.roles) } + [
        Row([.query, .attentionGate], "blk.{layer}.attn_q.{weight,bias}", layout: .interleavedHeads),
        Row(.feedForwardNorm,         "blk.{layer}.post_attention_norm.weight"),
    ] + ggufHeadNorms

    fileprivate static let ggufDelta = [
        Row(.recurrentInput,  "blk.{layer}.attn_qkv.weight"),
        Row(.recurrentGate,   "blk.{layer}.attn_gate.weight"),
        Row(.convolution,     "blk.{layer}.ssm_conv1d.weight"),
        Row(.timeStepBias,    "blk.{layer}.ssm_dt.bias"),
        Row(.stateDecay,      "blk.{layer}.ssm_a"),
        Row(.recurrentNorm,   "blk.{layer}.ssm_norm.weight"),
        Row(.recurrentOutput, "blk.{layer}.ssm_out.weight"),
    ]

    fileprivate static let ggufShortConvolution = ggufNames().filter { $0.roles != [.outputNorm] } + ggufHeadNorms + [
        Row(.recurrentInput,  "blk.{layer}.shortconv.in_proj.weight"),
        Row(.convolution,     "blk.{layer}.shortconv.conv.weight"),
        Row(.recurrentOutput, "blk.{layer}.shortconv.out_proj.weight"),
        Row(.outputNorm,      "token_embd_norm.weight"),
    ]

    fileprivate static let ggufTiledDelta = (ggufDelta + [
        Row(.recurrentBeta,   "blk.{layer}.ssm_beta.weight"),
        Row(.recurrentAlpha,  "blk.{layer}.ssm_alpha.weight"),
    ]).map(\.withTiledValueHeads)
}

extension GGUFConfiguration {
    /// A size of recurrent layers, within what memory can hold.
    func stateSize(_ name: String) throws(RecastError) -> Int { try size(name, limit: 1 << 20) }

    func convolutionSize(_ name: String) throws(RecastError) -> Int { try size(name, limit: 1 << 10) }

    /// A list with a truth for each layer; nil where it is absent.
    func layerFlags(_ name: String, layerCount: Int) throws(RecastError) -> [Bool]? {
        guard let value = value(name) else { return nil }
        guard case .array(.bool(let flags)) = value, flags.count >= layerCount else {
            throw failure("\(key(name)) does not say something of each of \(layerCount) layers")
        }
        return Array(flags.prefix(layerCount))
    }

    fileprivate func readDeltaNet(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.stateDecayForm = .plain
        let (inner, heads) = (try stateSize("ssm.inner_size"), try stateSize("ssm.time_step_rank"))
        let keyHeads = try stateSize("ssm.group_count")
        guard inner.isMultiple(of: heads), heads.isMultiple(of: keyHeads) else {
            throw failure("\(inner) values in \(heads) heads with \(keyHeads) key heads")
        }
        let net = GatedDeltaNet(
            keyHeadCount: keyHeads, valueHeadCount: heads, keyHeadDimension: try stateSize("ssm.state_size"),
            valueHeadDimension: inner / heads, convolutionSize: try convolutionSize("ssm.conv_kernel"))
        let interval = try optionalSize("full_attention_interval") ?? 4
        let listed = try layerFlags("attention.recurrent_layers", layerCount: configuration.layerCount)
        configuration.eachLayer { number, layer in
            if listed?[number] ?? !(number + 1).isMultiple(of: interval) {
                layer.mixer = .recurrent(.gatedDeltaNet(net))
            }
            layer.gatesAttention = layer.hasAttention
        }
    }
}

extension GGUFConfiguration {
    fileprivate func readShortConvolution(into configuration: inout ModelConfiguration) throws(RecastError) {
        let convolution = ShortConvolution(
            channelCount: configuration.hiddenSize, convolutionSize: try convolutionSize("shortconv.l_cache"))
        let heads = try layerSizes("attention.head_count_kv", layerCount: configuration.layerCount)
        configuration.eachLayer { if heads[$0] == 0 { $1.mixer = .recurrent(.shortConvolution(convolution)) } }
        // llama.cpp gives it to all layers that attend.
        if let window = try optionalSize("attention.sliding_window") {
            configuration.eachLayer { if $0.hasAttention { $0.slidingWindow = window } }
        }
    }
}

extension GGUFKeys {
    fileprivate mutating func writeShortConvolution(_ configuration: ModelConfiguration) throws(RecastError) {
        guard case .shortConvolution(let convolution)? = configuration.recurrence else {
            throw .unsupported("llama.cpp's \(architecture) has short convolutions, which this model has not")
        }
        try set("vocab_size", configuration.vocabularySize)
        try set("shortconv.l_cache", convolution.convolutionSize)
    }

    fileprivate mutating func writeDeltaNet(_ configuration: ModelConfiguration) throws(RecastError) {
        guard let net = configuration.recurrence?.delta else {
            throw .unsupported("llama.cpp's \(architecture) has recurrent layers, which this model has not")
        }
        try set("ssm.conv_kernel", net.convolutionSize)
        try set("ssm.state_size", net.keyHeadDimension)
        try set("ssm.group_count", net.keyHeadCount)
        try set("ssm.time_step_rank", net.valueHeadCount)
        try set("ssm.inner_size", net.valueRows)
        self["attention.recurrent_layers"] = .array(.bool(configuration.layers.map { $0.recurrence != nil }))
        // What is meant without the list.
        try set("full_attention_interval", 4)
        try set("rope.dimension_count", configuration.rope.dimensions)
    }
}
