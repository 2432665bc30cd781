// Ministral 3 and Mistral Small 4, whose queries grow with their position. Source: Specs/families.md §3.15; transformers 5.23,
// `configuration_ministral3.py` and `configuration_mistral4.py`.
extension Family {
    static let ministral3 = Family(
        "ministral3", architectures: ["Ministral3ForCausalLM"], modelType: "ministral3", slidingWindow: .everywhere,
        defaults: Defaults(
            contextLength: 262_144, keyValueHeadCount: 8, headDimension: 128, normEpsilon: 1e-5,
            ropeScaling: .yarn(Rope.Yarn(factor: 16, originalContext: 16384, mscale: 1, mscaleAllDimensions: 1))),
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readTemperature(into: &configuration, theta: 1_000_000)
        },
        writes: { configuration, object in object.addTemperature(of: configuration) }
    ) {
        Row.llamaNames()
    }

    static let mistral4 = deepSeekLike(
        "mistral4", architecture: "Mistral4ForCausalLM",
        defaults: Defaults(
            contextLength: 1_048_576,
            ropeScaling: .yarn(Rope.Yarn(factor: 128, originalContext: 8192, mscale: 1, mscaleAllDimensions: 1))),
        latent: LatentAttention(
            queryRank: 1024, keyValueRank: 256, nopeHeadDimension: 64, ropeHeadDimension: 64, valueDimension: 128),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 0),
            shared: .several(count: "n_shared_experts", default: 1),
            router: Router(
                groups: Router.Groups(defaultCount: 1, defaultUsedCount: 1, scoreCount: 2),
                factor: Router.Factor(default: 1)),
            defaultCount: 128, defaultUsedCount: 4,
            stacks: [
                ExpertStack(name: "model.layers.{layer}.mlp.experts.gate_up_proj", roles: [.gate, .up]),
                ExpertStack(name: "model.layers.{layer}.mlp.experts.down_proj", roles: [.down]),
            ]),
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readTemperature(into: &configuration, theta: 10_000)
        },
        writes: { configuration, object in
            object.addTemperature(of: configuration)
            let share = Double(configuration.rope.dimensions) / Double(configuration.headDimension)
            for key in ["rope_scaling", "rope_parameters"] {
                guard var rope = object[key]?.object else { continue }
                rope["partial_rotary_factor"] = .double(share)
                object[key] = .object(rope)
            }
        })
}

extension HuggingFaceConfiguration {
    private static let slopeKey = "llama_4_scaling_beta"
    private static let contextKey = "original_max_position_embeddings"

    /// What stands beside yarn in these families, and is no part of it.
    static let keysBesideYarn = [slopeKey, "max_position_embeddings", "partial_rotary_factor"]

    /// Rotary scaling and temperature, which share their original context.
    ///
    /// - Parameter theta: the base of the yarn that is meant where nothing is said (the family's defaults); elsewhere an absent base is
    ///   another one.
    fileprivate func readTemperature(
        into configuration: inout ModelConfiguration, theta: Double
    ) throws(RecastError) {
        let family = try Family.named(configuration.family)
        let dimensions = configuration.latentAttention?.ropeHeadDimension ?? configuration.headDimension
        let parameters = try members("rope_parameters")
        guard let stated = try members("rope_scaling") ?? parameters else {
            let usual = family.defaults.ropeScaling
            configuration.rope = Rope(theta: theta, dimensions: dimensions, scaling: usual)
            if case .yarn(let yarn) = usual {
                configuration.temperature = AttentionTemperature(slope: 0.1, context: yarn.originalContext)
            }
            return
        }
        if let share = try number("partial_rotary_factor", in: stated),
            share < 0 || share > 1 || Int(share * Double(configuration.headDimension)) != dimensions
        {
            throw .unsupported(
                "\(file): heads of which a share of \(share) is rotated, which is not \(dimensions) elements")
        }
        var plain = object
        for key in ["rope_scaling", "rope_parameters"] {
            guard var rope = plain[key]?.object else { continue }
            rope.drop(Self.keysBesideYarn)
            plain[key] = .object(rope)
        }
        configuration.rope = try HuggingFaceConfiguration(object: plain, file: file).rope(
            family, headDimension: dimensions, contextLength: configuration.contextLength)
        guard let slope = try number(Self.slopeKey, in: stated) else {
            throw failure("\"\(Self.slopeKey)\" is missing in the rope parameters")
        }
        guard slope != 0 else { return }
        let inner = try number(Self.contextKey, in: stated)
        let isScaled = ["yarn", "llama3", "longrope"].contains(configuration.rope.scaling.name)
        guard
            let context = try number(Self.contextKey) ?? inner ?? (isScaled ? Double(configuration.contextLength) : nil)
        else { throw failure("\"\(Self.contextKey)\" is missing in the rope parameters") }
        guard slope > 0, context >= 1, let tokens = Int(exactly: context), tokens < Self.maximumSize else {
            throw failure("queries cannot grow by \(slope) · ln of steps of \(context) tokens")
        }
        configuration.temperature = AttentionTemperature(slope: slope, context: tokens)
    }
}

extension JSON.Object {
    /// In both dialects, as transformers looks at one of them alone.
    fileprivate mutating func addTemperature(of configuration: ModelConfiguration) {
        for key in ["rope_scaling", "rope_parameters"] {
            guard var rope = self[key]?.object else { continue }
            rope["llama_4_scaling_beta"] = .double(configuration.temperature?.slope ?? 0)
            if rope["original_max_position_embeddings"] == nil {
                rope["original_max_position_embeddings"] = .int(
                    configuration.temperature?.context ?? configuration.contextLength)
            }
            self[key] = .object(rope)
        }
    }
}
