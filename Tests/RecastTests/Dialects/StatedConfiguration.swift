@testable import Recast

/// What configurations mean that say no more than must be there, and some things besides.
struct StatedConfiguration {
    var sizes: [(String, JSON)] = [
        ("vocab_size", 64), ("hidden_size", 512), ("intermediate_size", 48), ("num_hidden_layers", 4),
        ("num_attention_heads", 32), ("moe_intermediate_size", 16),
    ]

    func callAsFunction(
        _ family: Family, _ members: KeyValuePairs<String, JSON> = [:]
    ) throws(RecastError) -> ModelConfiguration {
        var object = JSON.Object(sizes)
        object["architectures"] = [.string(family.architectures[0])]
        for (key, value) in members { object[key] = value }
        return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: family)
    }
}
