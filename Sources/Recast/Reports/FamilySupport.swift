/// Where the models of a family can go, found by trying with a small model of zeros that has everything the family has.
public struct FamilySupport: Sendable {
    public enum Answer: Sendable, Hashable {
        case bit
        case rounded
        case refused(reason: String)
    }

    public let family: Family
    /// A model of the family, to be tried.
    public let sample: Graph
    /// Written again as it was.
    public let own: Answer
    /// Written for `LlamaForCausalLM`.
    public let llama: Answer
    /// A llama written for this family.
    public let fromLlama: Answer
    public let gguf: Answer
    /// The name of its architecture in GGUF.
    public let architecture: String?
    public let megatron: Answer

    /// Every family.
    public static var all: [FamilySupport] {
        get throws(RecastError) {
            var all: [FamilySupport] = []
            for family in Family.all { all.append(try FamilySupport(family)) }
            return all
        }
    }

    public init(_ family: Family) throws(RecastError) {
        self.family = family
        let sample = try Self.sample(of: family)
        self.sample = sample
        own = Self.answer(lowering: sample, to: family)
        llama = Self.answer(lowering: sample, to: .llama)
        fromLlama = Self.answer(lowering: try Self.sample(of: .llama), to: family)
        architecture = try? GGUFArchitecture.of(sample.configuration).name
        gguf = Self.answer { () throws(RecastError) in
            try !GGUFAdaptation(sample, to: GGUFArchitecture.of(sample.configuration)).types.isEmpty
        }
        megatron = Self.answer { () throws(RecastError) in
            let adaptation = try TargetAdaptation(
                sample, to: "Megatron", stating: sample.configuration.asMegatronStates)
            let target = MegatronTarget(.ranks)
            let lowering = try MegatronLowering(
                adaptation.graph, tensorParallelSize: 1, vocabularyDivisor: MegatronLowering.usualDivisor,
                spelling: .transformerEngine
            ) { $0.tensor.dtype }
            let layout = try MegatronLayout(target.sizes, layerCount: sample.configuration.layerCount, counts: nil)
            _ = try MegatronDescription(adaptation.graph, layout: layout, lowering, dtype: .f32, target)
            return !adaptation.types.isEmpty
        }
    }

    private static func answer(lowering graph: Graph, to family: Family) -> Answer {
        answer { () throws(RecastError) in
            // Zeros stand for numbers of all kinds here.
            let outcome = try HuggingFaceLowering(family: family).lower(graph) { _ in
                false
            } hasUnitRows: { _ in
                false
            }
            return !outcome.types.isEmpty
        }
    }

    /// - Parameter attempt: whether numbers are computed.
    private static func answer(_ attempt: () throws(RecastError) -> Bool) -> Answer {
        do throws(RecastError) { return try attempt() ? .rounded : .bit } catch {
            return .refused(reason: error.message)
        }
    }

    /// What a family's reader makes of usual numbers, and zeros of the shapes these demand.
    static func sample(of family: Family) throws(RecastError) -> Graph {
        let members: [(String, JSON)] = [
            ("architectures", .array([.string(family.architectures[0])])), ("model_type", .string(family.modelType)),
            ("vocab_size", 256), ("hidden_size", 64), ("intermediate_size", 128), ("num_hidden_layers", 4),
            ("num_attention_heads", 4), ("num_key_value_heads", family.hasOnlyWholeHeads ? 4 : 2), ("head_dim", 16),
            ("max_position_embeddings", 128), ("moe_intermediate_size", 32), ("shared_expert_intermediate_size", 32),
            ("num_experts", 8), ("num_local_experts", 8), ("n_routed_experts", 8), ("num_experts_per_tok", 2),
            ("n_group", 4), ("topk_group", 2), ("q_lora_rank", 32), ("kv_lora_rank", 16), ("qk_nope_head_dim", 8),
            ("qk_rope_head_dim", 8), ("v_head_dim", 8), ("sliding_window", .null), ("seq_length", 128),
            ("bias", false), ("multi_query_attention", true), ("query_pre_attn_scalar", 16),
            ("norm_topk_prob", family.usuallyNormalizesWeights ? .bool(true) : .null),
            ("global_head_dim", 16), ("hidden_size_per_layer_input", 16), ("vocab_size_per_layer_input", 256),
            ("top_k_experts", 2),
            ("num_heads", 8), ("mamba_num_heads", 8), ("mamba_head_dim", 16), ("mamba_n_heads", 8),
            ("mamba_d_ssm", 128),
            ("n_groups", 2), ("attn_layer_indices", [1]), ("attn_layer_period", 4), ("attn_layer_offset", 1),
            ("hybrid_override_pattern", "M*EM"), ("layer_types", layerTypes[family.name] ?? .null),
        ]
        // Tencent's program has a size of its own for experts where transformers has that of the layer.
        let own = family.experts?.feedForwardSize == "intermediate_size" ? ["moe_intermediate_size"] : []
        let reader = HuggingFaceConfiguration(
            object: JSON.Object(members.filter { !own.contains($0.0) }), file: "a model of the family \(family.name)")
        return zeros(try reader.configuration(of: family), family, biases: try reader.biases(of: family))
    }

    /// Of families whose classes have no usual list.
    private static let layerTypes: [String: JSON] = [
        "lfm2": ["conv", "full_attention", "conv", "conv"],
        "lfm2_moe": ["conv", "full_attention", "conv", "conv"],
        "granitemoehybrid": ["mamba", "attention", "mamba", "mamba"],
        "granitemoehybrid_dense": ["mamba", "attention", "mamba", "mamba"],
    ]

    /// Zeros for everything that a model of the family has.
    static func zeros(_ configuration: ModelConfiguration, _ family: Family, biases: Set<Role>) -> Graph {
        var graph = Graph(configuration: configuration)
        for row in family.table.rows {
            for layer in row.isPerLayer ? (0..<configuration.layerCount).map(Optional.some) : [nil]
            where configuration.has(row, inLayer: layer) {
                for expert in configuration.experts(of: row, inLayer: layer) {
                    for role in row.roles {
                        for part in row.parts where part == .weight || biases.contains(role) {
                            let slot = Slot(role, layer: layer, expert: expert, part)
                            graph[slot] = LazyTensor.zeros(.bf16, configuration.shape(of: slot))
                        }
                    }
                }
            }
        }
        return graph
    }
}

extension Family {
    /// Whether published models say so where their configuration may.
    fileprivate var usuallyNormalizesWeights: Bool {
        guard let experts, name != Family.olmoE.name else { return false }
        return experts.router.score == .sigmoid || experts.router == Router() && experts.shared == .none
    }

    /// Whether keys and values have as many heads as queries, whatever a configuration says: a fused projection in thirds.
    fileprivate var hasOnlyWholeHeads: Bool {
        (try? HuggingFaceConfiguration.stated(
            of: ModelConfiguration(
                family: name, vocabularySize: 2, hiddenSize: 16, feedForwardSize: 2, layerCount: 1, headCount: 4,
                keyValueHeadCount: 2, headDimension: 4, contextLength: 8, normEpsilon: 1e-5, activation: "silu",
                rope: Rope(theta: 10_000, dimensions: 4)), by: self, original: nil, ropeScaling: nil
        ).keyValueHeadCount) == 4
    }
}
