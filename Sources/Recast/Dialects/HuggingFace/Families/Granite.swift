// Granite 3 and MiniCPM 1 and 2, which multiply on the way. Source: Specs/families.md §3.13.
extension Family {
    // swift-format-ignore
    static let granite = Family(
        "granite", architectures: ["GraniteForCausalLM"], modelType: "granite",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down],                      presence: .configured("mlp_bias")),
        ],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.multipliers.embedding = try reader.factor("embedding_multiplier")
            configuration.multipliers.residual = try reader.factor("residual_multiplier")
            configuration.multipliers.attention = try reader.factor("attention_multiplier")
            configuration.multipliers.logitDivisor = try reader.factor("logits_scaling")
        },
        writes: { configuration, object in
            object.drop(["head_dim"])
            object["embedding_multiplier"] = .double(configuration.multipliers.embedding)
            object["residual_multiplier"] = .double(configuration.multipliers.residual)
            object["attention_multiplier"] = .double(configuration.attentionScale)
            object["logits_scaling"] = .double(configuration.multipliers.logitDivisor)
        }
    ) {
        Row.llamaNames()
    }

    static let miniCPM = Family(
        "minicpm", architectures: ["MiniCPMForCausalLM"], modelType: "minicpm",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
        ],
        tiesByDefault: true,
        reads: { (reader, configuration) throws(RecastError) in
            if let sparse = reader.object["sparse_config"], !sparse.isNull {
                throw .unsupported(
                    "\(reader.file): the sparse attention of MiniCPM4 (\"sparse_config\") is not supported")
            }
            let depth = try reader.factor("scale_depth")
            let base = try reader.factor("dim_model_base")
            configuration.multipliers.embedding = try reader.factor("scale_emb")
            configuration.multipliers.residual = depth / Double(configuration.layerCount).squareRoot()
            configuration.multipliers.logitDivisor = Double(configuration.hiddenSize) / base
        },
        writes: { configuration, object in
            object.drop(["head_dim"])
            let root = Double(configuration.layerCount).squareRoot()
            object["scale_emb"] = .whole(configuration.multipliers.embedding)
            object["scale_depth"] = .double((configuration.multipliers.residual * root * 1e9).rounded() / 1e9)
            object["dim_model_base"] = .whole(
                (Double(configuration.hiddenSize) / configuration.multipliers.logitDivisor * 1e9).rounded() / 1e9)
        }
    ) {
        Row.llamaNames()
    }
}

extension HuggingFaceConfiguration {
    /// A positive number that multiplies or divides; one where it is absent.
    fileprivate func factor(_ key: String) throws(RecastError) -> Double {
        let factor = try number(key) ?? 1
        guard factor > 0 else { throw failure("\"\(key)\" is \(factor), not a positive number") }
        return factor
    }
}
