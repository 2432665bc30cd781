// Gemma 4. Source: llama.cpp's converter and loader, Specs/families.md §3.18.
extension GGUFArchitecture {
    static let gemma4 = gemma4(family: "gemma4_text", "gemma4_unified_text", distinguishingTensor: nil) {
        Row.gemma4Names(gate: .gate, up: .up, down: .down)
    }

    /// With experts, whose gate and up projections are one stack.
    static let gemma4MoE = gemma4(family: "gemma4_moe", distinguishingTensor: "ffn_gate_up_exps") {
        Row.gemma4Names(gate: .sharedGate, up: .sharedUp, down: .sharedDown)
        Row.gemma4Experts
        Row([.gate, .up], "blk.{layer}.ffn_gate_up_exps.{expert}.weight", layout: .concatenatedRows)
    }

    /// The same with a stack for each, as files may have them, too.
    static let gemma4MoEApart = gemma4(family: "gemma4_moe", distinguishingTensor: "ffn_up_exps") {
        Row.gemma4Names(gate: .sharedGate, up: .sharedUp, down: .sharedDown)
        Row.gemma4Experts
        Row(.gate, "blk.{layer}.ffn_gate_exps.{expert}.weight")
        Row(.up, "blk.{layer}.ffn_up_exps.{expert}.weight")
    }

    private static func gemma4(
        family: String, _ others: String..., distinguishingTensor: String?, @RowBuilder rows: () -> [Row]
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            "gemma4", families: [family] + others, activation: "gelu_pytorch_tanh", rotaryFactors: .always,
            distinguishingTensor: distinguishingTensor,
            sizesOfLayers: ["attention.head_count_kv", "feed_forward_length"], needsWindows: true, joinsByMerges: true,
            reads: { (reader, configuration) throws(RecastError) in
                try reader.readGemma4(into: &configuration, hasExperts: family == "gemma4_moe")
            },
            writes: { (configuration, keys) throws(RecastError) in try keys.writeGemma4(configuration) }, rows: rows)
    }
}

extension Row {
    // swift-format-ignore
    fileprivate static func gemma4Names(gate: Role, up: Role, down: Role) -> [Row] {
        ggufNames().filter { Set($0.roles).isDisjoint(with: [.gate, .up, .down]) } + ggufHeadNorms + ggufPostNorms + [
            Row(gate,                      "blk.{layer}.ffn_gate.weight"),
            Row(up,                        "blk.{layer}.ffn_up.weight"),
            Row(down,                      "blk.{layer}.ffn_down.weight"),
            Row(.layerEmbedding,           "per_layer_token_embd.weight"),
            Row(.layerEmbeddingProjection, "per_layer_model_proj.weight"),
            Row(.layerEmbeddingNorm,       "per_layer_proj_norm.weight"),
            Row(.layerInputGate,           "blk.{layer}.inp_gate.weight"),
            Row(.layerInputProjection,     "blk.{layer}.proj.weight"),
            Row(.layerInputNorm,           "blk.{layer}.post_norm.weight"),
            Row(.layerScale,               "blk.{layer}.layer_output_scale.weight"),
        ]
    }

    // swift-format-ignore
    fileprivate static let gemma4Experts = [
        Row(.router,         "blk.{layer}.ffn_gate_inp.weight"),
        Row(.routerScale,    "blk.{layer}.ffn_gate_inp.scale"),
        Row(.expertScale,    "blk.{layer}.ffn_down_exps.scale"),
        Row(.expertNorm,     "blk.{layer}.pre_ffw_norm_2.weight"),
        Row(.sharedPostNorm, "blk.{layer}.post_ffw_norm_1.weight"),
        Row(.expertPostNorm, "blk.{layer}.post_ffw_norm_2.weight"),
        Row(.down,           "blk.{layer}.ffn_down_exps.{expert}.weight"),
    ]
}

extension GGUFConfiguration {
    fileprivate func readGemma4(into configuration: inout ModelConfiguration, hasExperts: Bool) throws(RecastError) {
        let count = configuration.layerCount
        configuration.multipliers.embedding = Double(configuration.hiddenSize).squareRoot()
        configuration.multipliers.attention = 1
        // llama.cpp takes 30 where nothing is said, and nothing for 0.
        let cap = "final_logit_softcapping"
        configuration.softCaps.logits = value(cap)?.double == 0 ? nil : try positive(cap) ?? 30
        guard value("attention.sliding_window_pattern") != nil else {
            throw failure("\(key("attention.sliding_window_pattern")) is missing")
        }
        try GGUFArchitecture.readPattern(self, &configuration)
        configuration.eachLayer {
            $1.norms.hasPostNorms = true
            $1.norms.normalizesValues = true
            $1.hasScale = seen.scaledLayers.contains($0)
        }
        configuration.layerInputSize = try optionalSize(
            "embedding_length_per_layer_input", limit: HuggingFaceConfiguration.maximumHeadDimension)
        try readHeads(into: &configuration)
        try readSharing(into: &configuration)
        let sizes = try sizes("feed_forward_length", layerCount: count)
        if let sizes { configuration.setFeedForward(sizes: sizes) }
        guard hasExperts else { return }
        try readExperts(into: &configuration, normalizes: true)
        guard configuration.experts != nil, Set(sizes ?? []).count == 1 else {
            throw failure(
                "\(key("expert_count")) and \(key("feed_forward_length")) say nothing of experts that are there")
        }
        let shared = SharedExpert(feedForwardSize: configuration.feedForwardSize, isGated: false)
        configuration.eachLayer {
            $0.experts?.shared = shared
            $0.experts?.hasOwnNorms = true
        }
    }

    private func readHeads(into configuration: inout ModelConfiguration) throws(RecastError) {
        let limit = HuggingFaceConfiguration.maximumHeadDimension
        let isFull = configuration.layers.map { $0.slidingWindow == nil }
        let full = configuration.headDimension
        let local = try optionalSize("attention.key_length_swa", limit: limit) ?? full
        guard try optionalSize("attention.value_length_swa", limit: limit) ?? local == local, local.isMultiple(of: 2)
        else { throw .unsupported("\(file): values of another length than keys are not supported") }
        let counts =
            try sizes("attention.head_count_kv", layerCount: isFull.count)
            ?? isFull.map { _ in configuration.headCount }
        for count in Set(counts) where !configuration.headCount.isMultiple(of: count) {
            throw failure("\(configuration.headCount) heads are no multiple of \(count) key/value heads")
        }
        // What is written is read again with the sizes of the last layer as the model's.
        configuration.setHeads(dimensions: isFull.map { $0 ? full : local }, keyValueCounts: counts)
        let turning = try optionalSize("rope.dimension_count_swa", limit: limit) ?? local
        guard turning <= local, turning.isMultiple(of: 2) else {
            throw failure("the rotary dimension is \(turning), of heads of \(local)")
        }
        let rope = Rope(theta: try positive("rope.freq_base_swa") ?? 10_000, dimensions: turning)
        configuration.eachLayer { if !isFull[$0] { $1.position = .localRotary(rope) } }
        configuration.rope.scaling = configuration.rope.firstTurning
    }

    private func readSharing(into configuration: inout ModelConfiguration) throws(RecastError) {
        let shared = try optionalSize("attention.shared_kv_layers") ?? 0
        guard shared < configuration.layerCount else {
            throw failure("\(key("attention.shared_kv_layers")) is \(shared) of \(configuration.layerCount) layers")
        }
        let first = configuration.layerCount - shared
        for layer in configuration.layers.indices {
            guard layer >= first else {
                configuration.layers[layer].valuesAreKeys = seen.valuelessLayers.contains(layer)
                continue
            }
            let isFull = configuration.layers[layer].slidingWindow == nil
            // llama.cpp takes the last two for one with a window and one without.
            let source = first - (isFull ? 1 : 2)
            guard source >= 0, (configuration.layers[source].slidingWindow == nil) == isFull,
                configuration.keyValueHeadCount(inLayer: source) == configuration.keyValueHeadCount(inLayer: layer)
            else {
                throw .unsupported(
                    "\(file): llama.cpp looks at the keys and values of the last two layers that have some, the first with a "
                        + "window and the second without, which these are not")
            }
            configuration.layers[layer].keyValueSource = source
        }
    }
}

extension Rope {
    /// The scaling behind divisors that are one number for the first pairs, and endless for the others.
    fileprivate var firstTurning: Scaling {
        guard let factors = frequencyFactors, let factor = factors.first else { return scaling }
        let pairs = factors.firstIndex { $0 >= Self.unrotated / 10 } ?? factors.count
        guard pairs > 0 else { return .proportional(pairs: 0, factor: 1) }
        guard factors[..<pairs].allSatisfy({ $0 == factor }),
            factors[pairs...].allSatisfy({ $0 >= Self.unrotated / 10 })
        else { return scaling }
        return pairs == factors.count && factor == 1 ? .none : .proportional(pairs: pairs, factor: factor)
    }
}

extension GGUFKeys {
    fileprivate mutating func writeGemma4(_ configuration: ModelConfiguration) throws(RecastError) {
        switch configuration.rope.scaling {
        case .none, .proportional: break
        default:
            throw .unsupported(
                "llama.cpp's gemma4 has no rotary scaling of the type \(configuration.rope.scaling.name)")
        }
        let layers = configuration.layers.indices
        let local = layers.first { configuration.layers[$0].slidingWindow != nil } ?? layers.upperBound - 1
        try writeHeadDimension(configuration)
        try set("attention.key_length_swa", configuration.headDimension(inLayer: local))
        try set("attention.value_length_swa", configuration.headDimension(inLayer: local))
        set("final_logit_softcapping", configuration.softCaps.logits ?? 0)
        try writeWindows(configuration)
        try set("attention.shared_kv_layers", configuration.layers.count { $0.keyValueSource != nil })
        try set("embedding_length_per_layer_input", configuration.layerInputSize ?? 0)
        try set("rope.dimension_count", configuration.rope.dimensions)
        let rope =
            configuration.localRope ?? Rope(theta: 10_000, dimensions: configuration.headDimension(inLayer: local))
        try set("rope.dimension_count_swa", rope.dimensions)
        set("rope.freq_base_swa", rope.theta)
        if Set(layers.map { configuration.keyValueHeadCount(inLayer: $0) }).count > 1
            || configuration.layers.contains(where: \.valuesAreKeys)
        {
            try setSizes("attention.head_count_kv", layers.map { configuration.keyValueHeadCount(inLayer: $0) })
        }
        if configuration.layers.contains(where: { $0.feedForwardSize != nil }) {
            try setSizes("feed_forward_length", layers.map { configuration.feedForwardSize(inLayer: $0) })
        }
        guard let experts = configuration.experts else { return }
        try writeExperts(experts)
        if let shared = experts.shared { try set("feed_forward_length", shared.feedForwardSize) }
    }

    private mutating func setSizes(_ key: String, _ sizes: [Int]) throws(RecastError) {
        let numbers = sizes.compactMap { Int32(exactly: $0) }
        guard numbers.count == sizes.count else { throw .unsupported("a size does not fit GGUF's 32 bits") }
        self[key] = .array(.i32(numbers))
    }
}
