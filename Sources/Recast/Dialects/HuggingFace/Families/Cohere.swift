// Command R and Aya, and Command R7B and A: both branches of a layer see the same LayerNorm, and logits are multiplied. Source:
// Specs/families.md §3.15; transformers 5.23, `modeling_cohere.py` and `modeling_cohere2.py`.
extension Family {
    static let cohere = Family(
        "cohere", architectures: ["CohereForCausalLM"], modelType: "cohere", biases: cohereBiases, tiesByDefault: true,
        defaults: Defaults(contextLength: 8192, normEpsilon: 1e-5, theta: 500_000), spellings: cohereSpellings,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readCohere(into: &configuration)
            let hasNorm = try reader.flag("use_qk_norm") ?? false
            configuration.eachLayer { $0.norms.qk = hasNorm ? .ofEachHead : .none }
        },
        writes: { configuration, object in
            object.writeCohere(configuration)
            object["use_qk_norm"] = .bool(configuration.layerNorms.qk != .none)
        }
    ) {
        Row.llamaNames(rotary: .interleaved, hasQKNorm: true).filter { $0.roles != [.feedForwardNorm] }
    }

    /// Layers that see all tokens do not know where these are.
    static let cohere2 = Family(
        "cohere2", architectures: ["Cohere2ForCausalLM"], modelType: "cohere2", biases: cohereBiases,
        tiesByDefault: true, slidingWindow: .patterned(fullEach: 4),
        defaults: Defaults(contextLength: 8192, slidingWindow: 4096, normEpsilon: 1e-5), spellings: cohereSpellings,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readCohere(into: &configuration)
            configuration.eachLayer { if $0.slidingWindow == nil { $0.position = .none } }
            // Programs differ in whether they look at it.
            if let share = try reader.number("rotary_pct"), share != 1 {
                throw .unsupported("\(reader.file): a \"rotary_pct\" of \(share) is not supported; 1 is")
            }
        },
        writes: { configuration, object in
            object.writeCohere(configuration)
            object["rotary_pct"] = 1.0
        }
    ) {
        Row.llamaNames(rotary: .interleaved).filter { $0.roles != [.feedForwardNorm] }
    }

    private static let cohereBiases = [
        BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
    ]

    /// Where both say how long texts may be, `model_max_length` is true (llama.cpp, `conversion/command_r.py`).
    private static let cohereSpellings = [
        ("layer_norm_eps", "rms_norm_eps"), ("model_max_length", "max_position_embeddings"),
    ]
}

extension HuggingFaceConfiguration {
    fileprivate func readCohere(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.norms.kind = .layer
        configuration.eachLayer {
            $0.hasParallelResidual = true
            $0.norms.sharesPreNorm = true
        }
        let scale = try number("logit_scale") ?? 0.0625
        guard scale > 0 else { throw failure("\"logit_scale\" is \(scale), not a positive number") }
        configuration.multipliers.logitDivisor = 1 / scale
    }
}

extension JSON.Object {
    fileprivate mutating func writeCohere(_ configuration: ModelConfiguration) {
        drop(["rms_norm_eps"])
        self["layer_norm_eps"] = .double(configuration.normEpsilon)
        self["logit_scale"] = .double(1 / configuration.multipliers.logitDivisor)
    }
}
