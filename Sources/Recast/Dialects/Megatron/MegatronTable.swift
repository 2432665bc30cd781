/// Megatron's names for the tensors of a model, and how ranks share them.
///
/// Names are those of Megatron core's own modules (the "local" ones); `MegatronNames` turns other spellings into them.
/// Source: Specs/megatron.md §2.1 and §3.1.
enum MegatronTable {
    // swift-format-ignore
    private static let rows: [(row: Row, split: MegatronSplit)] = [
        (Row(.tokenEmbedding,        "embedding.word_embeddings.weight"),                                  .rows),
        (Row(.positionEmbedding,     "embedding.position_embeddings.weight"),                              .replicated),
        (Row(.attentionNorm,         "decoder.layers.{layer}.input_layernorm.{weight,bias}"),              .replicated),
        (Row([.query, .key, .value], "decoder.layers.{layer}.self_attention.linear_qkv.{weight,bias}",
             layout: .interleavedGroups),                                                                  .rows),
        (Row(.queryNorm,             "decoder.layers.{layer}.self_attention.q_layernorm.weight"),          .replicated),
        (Row(.keyNorm,               "decoder.layers.{layer}.self_attention.k_layernorm.weight"),          .replicated),
        (Row(.query,                 "decoder.layers.{layer}.self_attention.linear_q_proj.weight"),        .rows),
        (Row(.queryDown,             "decoder.layers.{layer}.self_attention.linear_q_down_proj.weight"),   .replicated),
        (Row(.queryDownNorm,         "decoder.layers.{layer}.self_attention.q_layernorm.weight"),          .replicated),
        (Row(.queryUp,               "decoder.layers.{layer}.self_attention.linear_q_up_proj.weight"),     .rows),
        (Row(.keyValueDown,          "decoder.layers.{layer}.self_attention.linear_kv_down_proj.weight"),  .replicated),
        (Row(.keyValueDownNorm,      "decoder.layers.{layer}.self_attention.kv_layernorm.weight"),         .replicated),
        (Row(.keyValueUp,            "decoder.layers.{layer}.self_attention.linear_kv_up_proj.weight"),    .rows),
        (Row(.attentionOutput,       "decoder.layers.{layer}.self_attention.linear_proj.{weight,bias}"),   .columns),
        (Row(.feedForwardNorm,       "decoder.layers.{layer}.pre_mlp_layernorm.{weight,bias}"),            .replicated),
        (Row([.gate, .up],           "decoder.layers.{layer}.mlp.linear_fc1.{weight,bias}",
             layout: .concatenatedRows),                                                                            .halves),
        (Row(.up,                    "decoder.layers.{layer}.mlp.linear_fc1.{weight,bias}"),               .rows),
        (Row(.down,                  "decoder.layers.{layer}.mlp.linear_fc2.{weight,bias}"),               .columns),
        (Row(.router,                "decoder.layers.{layer}.mlp.router.weight"),                          .replicated),
        (Row(.routerBias,            "decoder.layers.{layer}.mlp.router.expert_bias"),                     .replicated),
        (Row(.sharedRouter,          "decoder.layers.{layer}.mlp.shared_experts.gate_weight"),             .replicated),
        (Row([.sharedGate, .sharedUp], "decoder.layers.{layer}.mlp.shared_experts.linear_fc1.weight",
             layout: .concatenatedRows),                                                                            .halves),
        (Row(.sharedDown,            "decoder.layers.{layer}.mlp.shared_experts.linear_fc2.weight"),       .columns),
        (Row([.gate, .up],           "decoder.layers.{layer}.mlp.experts.local_experts.{expert}.linear_fc1.weight",
             layout: .concatenatedRows),                                                                            .halves),
        (Row(.down,                  "decoder.layers.{layer}.mlp.experts.local_experts.{expert}.linear_fc2.weight"),
                                                                                                           .columns),
        (Row(.outputNorm,            "decoder.final_layernorm.{weight,bias}"),                             .replicated),
        (Row(.outputHead,            "output_layer.weight"),                                               .rows),
    ]

    static let headName = "output_layer.weight"

    /// Every name that is known, of models whose feed-forward has a gate, and of others: both have one name for what comes first.
    static let gated = MappingTable(rows.map(\.row).filter { $0.roles != [.up] })
    static let ungated = MappingTable(rows.map(\.row).filter { !$0.roles.contains(.gate) })

    /// The names that a model has. The norm of queries has the same with latent attention as without.
    static func table(of configuration: ModelConfiguration) -> MappingTable {
        MappingTable(
            (configuration.gatesFeedForward ? gated : ungated).rows.filter { row in
                row.roles.allSatisfy(configuration.has)
                    && (row.roles != [.query] || configuration.latentAttention != nil)
            })
    }

    private static let splits = Dictionary(rows.map { ([$0.row.stem] + $0.row.roles.map(\.rawValue), $0.split) }) {
        first, _ in first
    }

    /// How ranks share the tensor of a row. A bias of a layer whose columns they share is added after their sum: all have
    /// it.
    ///
    /// - Parameter spelling: whose modules load it; Megatron's own share the rows of the first projections of latent
    ///   attention, which Transformer Engine's have alike. Source: megatron-core 0.16.1, `multi_latent_attention.py`.
    static func split(
        of match: MappingTable.Match, _ spelling: MegatronTarget.Spelling = .transformerEngine
    ) -> MegatronSplit {
        if spelling == .local, match.row.roles == [.queryDown] || match.row.roles == [.keyValueDown] { return .rows }
        let split = splits[[match.row.stem] + match.row.roles.map(\.rawValue)] ?? .replicated
        return match.part == .bias && split == .columns ? .replicated : split
    }
}
