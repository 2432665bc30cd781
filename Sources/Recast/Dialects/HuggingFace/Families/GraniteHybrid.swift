// Granite 4: Mamba-2 and attention, dense or with experts beside a shared one. Source: Specs/families.md §3.16; transformers 5.23,
// `configuration_granitemoehybrid.py`.
extension Family {
    /// The feed-forward part is what the other has as its shared expert.
    static let graniteHybrid = graniteHybrid(
        "granitemoehybrid_dense", experts: nil, recognizes: { $0["num_local_experts"]?.int == 0 }
    ) {
        Row([.gate, .up], "model.layers.{layer}.shared_mlp.input_linear.weight", layout: .concatenatedRows)
        Row(.down, "model.layers.{layer}.shared_mlp.output_linear.weight")
    }

    static let graniteHybridMoE = graniteHybrid(
        "granitemoehybrid",
        experts: ExpertKeys(
            count: ["num_local_experts"], feedForwardSize: "intermediate_size", normalization: .always,
            denseLayers: .none, shared: .one(size: "shared_intermediate_size"), defaultCount: 8, defaultUsedCount: 2,
            stacks: [
                ExpertStack(
                    name: "model.layers.{layer}.block_sparse_moe.input_linear.weight", roles: [.gate, .up],
                    alias: "model.layers.{layer}.block_sparse_moe.experts.gate_up_proj"),
                ExpertStack(
                    name: "model.layers.{layer}.block_sparse_moe.output_linear.weight", roles: [.down],
                    alias: "model.layers.{layer}.block_sparse_moe.experts.down_proj"),
            ]), recognizes: { $0["num_local_experts"]?.int != 0 }
    ) {
        Row(
            .router, "model.layers.{layer}.block_sparse_moe.router.layer.weight",
            or: "model.layers.{layer}.block_sparse_moe.router.weight")
        Row(.gate, "model.layers.{layer}.block_sparse_moe.experts.{expert}.gate_proj.weight")
        Row(.up, "model.layers.{layer}.block_sparse_moe.experts.{expert}.up_proj.weight")
        Row(.down, "model.layers.{layer}.block_sparse_moe.experts.{expert}.down_proj.weight")
        Row([.sharedGate, .sharedUp], "model.layers.{layer}.shared_mlp.input_linear.weight", layout: .concatenatedRows)
        Row(.sharedDown, "model.layers.{layer}.shared_mlp.output_linear.weight")
    }

    private static func graniteHybrid(
        _ name: String, experts: ExpertKeys?, recognizes: @escaping Recognizing, @RowBuilder rows: () -> [Row]
    ) -> Family {
        let names = Row.hybridNames.filter { $0.roles != [.outputHead] }
        return Family(
            name, architectures: ["GraniteMoeHybridForCausalLM"], modelType: "granitemoehybrid", biases: hybridBiases,
            experts: experts,
            completes: { object in
                object.complete([("shared_intermediate_size", 1024)])
                if experts == nil { object["intermediate_size"] = object["shared_intermediate_size"] }
            }, recognizes: recognizes,
            reads: { (reader, configuration) throws(RecastError) in
                try reader.readMultipliers(into: &configuration)
                let mamba = try reader.mamba2(
                    .prefixed, innerSize: try reader.expandedSize(configuration.hiddenSize, key: "mamba_expand"))
                try reader.readRecurrentLayers(
                    .mamba2(mamba), into: &configuration, keys: ["layer_types", "layers_block_type"],
                    kinds: ["mamba": true, "linear_attention": true, "attention": false, "full_attention": false]
                ) { _ in true }
                if try reader.text("position_embedding_type") != "rope" {
                    configuration.eachLayer { $0.position = .none }
                }
                try reader.checkStateSpaceActivation(configuration)
            },
            writes: { configuration, object in
                writeMultipliers(of: configuration, to: &object)
                object["layer_types"] = configuration.layerKinds(recurrent: "mamba", attention: "attention")
                object["position_embedding_type"] =
                    configuration.layers.contains { $0.position == .rotary } ? "rope" : "nope"
                if experts == nil {
                    object["shared_intermediate_size"] = .int(configuration.feedForwardSize)
                    object["num_local_experts"] = 0
                }
                object.writePrefixedMamba2(configuration)
            }
        ) {
            names
            Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
            rows()
            Row(.outputNorm, "model.norm.weight")
            Row(.outputHead, "lm_head.weight")
        }
    }
}
