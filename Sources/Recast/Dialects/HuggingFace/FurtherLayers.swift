/// Layers behind the last one, which predict tokens after the next one (multi-token prediction).
struct FurtherLayers: Sendable {
    /// As the configuration has it.
    var count = 0
    /// What the graph does not have of them.
    var tensors: [NamedTensor] = []
    /// Whether the graph has, behind the model's own layers, what they share with these.
    var areInGraph = false
    /// What is said where they are left out.
    var note: String?

    /// Where Qwen3-Next and later models have them, beside their layers.
    static let prefix = "mtp."

    /// How many there are beside the layers of a model.
    static func count(beside tensors: [NamedTensor]) -> Int {
        Set(tensors.compactMap { layer(of: $0.name) }).count
    }

    /// Of `mtp.layers.0.mlp.up_proj.weight`: 0.
    private static func layer(of name: String) -> Int? {
        let parts = name.split(separator: ".", maxSplits: 3)
        return parts.count == 4 && parts[0] == "mtp" && parts[1] == "layers" ? Int(parts[2]) : nil
    }

    /// The tensors of a model with such layers behind its own, under the names that DeepSeek has for what they have besides. Source:
    /// llama.cpp's converter, `_QwenMtpMixin`.
    static func appended(_ tensors: [NamedTensor], behind count: Int) -> [NamedTensor] {
        tensors.map { tensor in
            var tensor = tensor
            if let layer = layer(of: tensor.name) {
                let rest = tensor.name.split(separator: ".", maxSplits: 3)[3]
                tensor.name = "model.layers.\(count + layer).\(rest)"
            } else if let own = names[tensor.name] {
                tensor.name = "model.layers.\(count).\(own)"
            }
            return tensor
        }
    }

    // swift-format-ignore
    private static let names = [
        "mtp.fc.weight":                    "eh_proj.weight", "mtp.pre_fc_norm_embedding.weight": "enorm.weight",
        "mtp.pre_fc_norm_hidden.weight":    "hnorm.weight",   "mtp.norm.weight":                  "shared_head.norm.weight",
    ]
}
