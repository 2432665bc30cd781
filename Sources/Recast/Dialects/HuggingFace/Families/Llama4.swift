// Llama 4 (text): attention within chunks, layers that do not know where tokens are and have a temperature instead, and one expert
// for each token, whose weight multiplies what goes into it. Source: Specs/families.md §3.18; transformers 5.23, `modeling_llama4.py` and
// `configuration_llama4.py`.
extension Family {
    static let llama4 = Family(
        "llama4_text", architectures: ["Llama4ForCausalLM"], modelType: "llama4_text",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
        ],
        defaults: Defaults(
            contextLength: 131_072, keyValueHeadCount: 8, headDimension: 128, normEpsilon: 1e-5, theta: 500_000),
        experts: ExpertKeys(
            count: ["num_local_experts"], feedForwardSize: "intermediate_size", normalization: .never,
            denseLayers: .spaced, shared: .one(size: "intermediate_size"),
            router: Router(score: .sigmoid, scalesInput: true), defaultCount: 16, defaultUsedCount: 1,
            stacks: [
                ExpertStack(name: experts + "gate_up_proj", roles: [.gate, .up], isTransposed: true),
                ExpertStack(name: experts + "down_proj", roles: [.down], isTransposed: true),
            ]),
        reads: { (reader, configuration) throws(RecastError) in try reader.readLlama4(into: &configuration) },
        writes: { configuration, object in object.writeLlama4(configuration) }
    ) {
        Row.llamaNames(rotary: .interleaved).filter { Set($0.roles).isDisjoint(with: [.gate, .up, .down]) }
        Row.llama4FeedForward(experts)
    }

    private static let experts = "model.layers.{layer}.feed_forward.experts."
}

extension Row {
    // swift-format-ignore
    fileprivate static func llama4FeedForward(_ experts: String) -> [Row] {
        let part = "model.layers.{layer}.feed_forward."
        return [
            Row(.gate,       part + "gate_proj.weight"),
            Row(.up,         part + "up_proj.weight"),
            Row(.down,       part + "down_proj.weight"),
            Row(.router,     part + "router.weight"),
            Row(.gate,       experts + "{expert}.gate_proj.weight"),
            Row(.up,         experts + "{expert}.up_proj.weight"),
            Row(.down,       experts + "{expert}.down_proj.weight"),
            Row(.sharedGate, part + "shared_expert.gate_proj.weight"),
            Row(.sharedUp,   part + "shared_expert.up_proj.weight"),
            Row(.sharedDown, part + "shared_expert.down_proj.weight"),
        ]
    }
}

extension HuggingFaceConfiguration {
    fileprivate func readLlama4(into configuration: inout ModelConfiguration) throws(RecastError) {
        let count = configuration.layerCount
        configuration.feedForwardSize = try optionalSize("intermediate_size_mlp") ?? 16_384
        let rotates = try rotaryLayers(count)
        let isChunked = try chunkedLayers(count) ?? rotates
        let size = object["attention_chunk_size"] == nil ? 8192 : try optionalSize("attention_chunk_size")
        guard size != nil || !isChunked.contains(true) else {
            throw failure("\"attention_chunk_size\" is null, but there are layers with chunks")
        }
        let normalizes = try flag("use_qk_norm") ?? true
        configuration.eachLayer { layer, own in
            own.position = rotates[layer] ? .rotary : .none
            own.attentionChunk = isChunked[layer] ? size : nil
            own.norms.qk = normalizes && rotates[layer] ? .perRotatedHeadUnweighted : .none
        }
        // Published configurations have had numbers there, of which any but none means yes.
        let tuning = object["attn_temperature_tuning"]
        var isTuned = tuning?.int.map { $0 != 0 } ?? true
        if tuning?.int == nil { isTuned = try flag("attn_temperature_tuning") ?? true }
        guard isTuned, rotates.contains(false) else { return }
        let slope = try number("attn_scale") ?? 0.1
        guard slope >= 0 else { throw failure("\"attn_scale\" is \(slope)") }
        var temperature = AttentionTemperature(slope: slope, context: try optionalSize("floor_scale") ?? 8192)
        (temperature.offset, temperature.sparesRotaryLayers) = (1, true)
        configuration.temperature = temperature
    }

    /// Which layers rotate heads: those of which `no_rope_layers` says 1.
    private func rotaryLayers(_ count: Int) throws(RecastError) -> [Bool] {
        guard let list = object["no_rope_layers"], !list.isNull, list.array?.isEmpty != true else {
            let interval = try optionalSize("no_rope_layer_interval") ?? 4
            return (0..<count).map { !($0 + 1).isMultiple(of: interval) }
        }
        let answers = list.array?.compactMap { $0.int ?? $0.bool.map { $0 ? 1 : 0 } } ?? []
        guard answers.count >= count, answers.count == list.array?.count, answers.allSatisfy((0...1).contains) else {
            throw failure(
                "\"no_rope_layers\" does not say of each of \(count) layers whether it rotates heads (1) or not (0)")
        }
        return answers.prefix(count).map { $0 == 1 }
    }

    private func chunkedLayers(_ count: Int) throws(RecastError) -> [Bool]? {
        guard let types = object["layer_types"], !types.isNull else { return nil }
        let names = types.array?.map { $0.string ?? "" } ?? []
        let known = ["full_attention", "chunked_attention"]
        guard names.count == count, names.allSatisfy(known.contains) else {
            throw failure(
                "\"layer_types\" does not say of each of \(count) layers whether it is \(known[0]) or \(known[1])")
        }
        return names.map { $0 == known[1] }
    }
}

extension JSON.Object {
    fileprivate mutating func writeLlama4(_ configuration: ModelConfiguration) {
        let layers = configuration.layers
        self["intermediate_size_mlp"] = .int(configuration.feedForwardSize)
        self["no_rope_layers"] = .array(layers.map { .int($0.hasRotary ? 1 : 0) })
        self["layer_types"] = .array(
            layers.map { $0.attentionChunk == nil ? "full_attention" : "chunked_attention" })
        self["attention_chunk_size"] = layers.lazy.compactMap(\.attentionChunk).first.map(JSON.int) ?? .null
        self["use_qk_norm"] = .bool(layers.contains { $0.norms.qk == .perRotatedHeadUnweighted })
        self["attn_temperature_tuning"] = .bool(configuration.temperature != nil)
        self["attn_scale"] = .double(configuration.temperature?.slope ?? 0.1)
        self["floor_scale"] = .int(configuration.temperature?.context ?? 8192)
    }
}
