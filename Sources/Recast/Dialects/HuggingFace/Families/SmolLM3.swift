// SmolLM3, some of whose layers have no positions. Source: Specs/families.md §3.13; transformers 5.23,
// `configuration_smollm3.py`.
extension Family {
    // swift-format-ignore
    static let smolLM3 = Family(
        "smollm3", architectures: ["SmolLM3ForCausalLM"], modelType: "smollm3",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down],                      presence: .configured("mlp_bias")),
        ],
        tiesByDefault: true, slidingWindow: .refused,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 4, theta: 2_000_000),
        reads: { (reader, configuration) throws(RecastError) in
            let layers = 0..<configuration.layerCount
            guard let list = reader.object["no_rope_layers"], !list.isNull else {
                let interval = try reader.optionalSize("no_rope_layer_interval") ?? 4
                for layer in layers where (layer + 1).isMultiple(of: interval) { configuration.layers[layer].position = .none }
                return
            }
            let turns = list.array?.compactMap(\.int) ?? []
            guard turns.count == layers.count, turns.allSatisfy({ $0 == 0 || $0 == 1 }) else {
                throw reader.failure("\"no_rope_layers\" does not say 0 or 1 of each of \(layers.count) layers")
            }
            for layer in layers where turns[layer] == 0 { configuration.layers[layer].position = .none }
        },
        writes: { configuration, object in
            object.drop(["head_dim"])
            object["no_rope_layers"] = .array(configuration.layers.map { $0.position == .none ? 0 : 1 })
        }
    ) {
        Row.llamaNames()
    }
}
