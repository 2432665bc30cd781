// Granite 3, dense and with experts, and MiniCPM 1 and 2, which multiply on the way. Source: Specs/families.md §3.13 and §3.14;
// transformers 5.23, `modeling_granitemoe.py`.
extension Family {
    // swift-format-ignore
    static let granite = Family(
        "granite", architectures: ["GraniteForCausalLM"], modelType: "granite",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down],                      presence: .configured("mlp_bias")),
        ],
        reads: { (reader, configuration) throws(RecastError) in try reader.readMultipliers(into: &configuration) },
        writes: { configuration, object in writeMultipliers(of: configuration, to: &object) }
    ) {
        Row.llamaNames()
    }

    static let graniteMoE = Family(
        "granitemoe", architectures: ["GraniteMoeForCausalLM"], modelType: "granitemoe",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        experts: ExpertKeys(
            count: ["num_local_experts"], feedForwardSize: "intermediate_size", normalization: .always,
            denseLayers: .none, defaultCount: 8, defaultUsedCount: 2,
            stacks: [
                ExpertStack(
                    name: "model.layers.{layer}.block_sparse_moe.input_linear.weight", roles: [.gate, .up],
                    alias: "model.layers.{layer}.block_sparse_moe.experts.gate_up_proj"),
                ExpertStack(
                    name: "model.layers.{layer}.block_sparse_moe.output_linear.weight", roles: [.down],
                    alias: "model.layers.{layer}.block_sparse_moe.experts.down_proj"),
            ]),
        reads: { (reader, configuration) throws(RecastError) in try reader.readMultipliers(into: &configuration) },
        writes: { configuration, object in writeMultipliers(of: configuration, to: &object) }
    ) {
        Row.llamaNames(experts: [
            Row(
                .router, "model.layers.{layer}.block_sparse_moe.router.layer.weight",
                or: "model.layers.{layer}.block_sparse_moe.router.weight"),
            Row(.gate, "model.layers.{layer}.block_sparse_moe.experts.{expert}.gate_proj.weight"),
            Row(.up, "model.layers.{layer}.block_sparse_moe.experts.{expert}.up_proj.weight"),
            Row(.down, "model.layers.{layer}.block_sparse_moe.experts.{expert}.down_proj.weight"),
        ])
    }

    static func writeMultipliers(of configuration: ModelConfiguration, to object: inout JSON.Object) {
        object.drop(["head_dim"])
        object["embedding_multiplier"] = .double(configuration.multipliers.embedding)
        object["residual_multiplier"] = .double(configuration.multipliers.residual)
        object["attention_multiplier"] = .double(configuration.attentionScale)
        object["logits_scaling"] = .double(configuration.multipliers.logitDivisor)
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
    func readMultipliers(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.multipliers.embedding = try factor("embedding_multiplier")
        configuration.multipliers.residual = try factor("residual_multiplier")
        configuration.multipliers.attention = try factor("attention_multiplier")
        configuration.multipliers.logitDivisor = try factor("logits_scaling")
    }

    /// A positive number that multiplies or divides; one where it is absent.
    func factor(_ key: String) throws(RecastError) -> Double {
        let factor = try number(key) ?? 1
        guard factor > 0 else { throw failure("\"\(key)\" is \(factor), not a positive number") }
        return factor
    }
}
