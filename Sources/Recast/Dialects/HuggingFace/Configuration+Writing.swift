extension HuggingFaceConfiguration {
    /// The key under which the configuration of the original family is kept in a converted checkpoint, for the way back.
    static let sourceKey = "recast_source"

    /// What a target configuration is made from.
    struct Draft {
        var family: Family
        var configuration: ModelConfiguration
        var isTied: Bool
        /// The roles that have biases in the output.
        var biases: Set<Role>
        /// The type most output weights have.
        var dtype: DType
        /// The original `config.json`, of whatever family, if there was one.
        var original: JSON.Object?
        /// The original scaling, whose type this library may only carry along.
        var ropeScaling: JSON.Object?
    }

    /// A configuration that transformers 4 and 5 both load. Source: Specs/families.md §2.
    ///
    /// Where the original configuration, or the one it was converted from, is of the target's family and still true, it
    /// is used as it stands; otherwise the keys are written anew and the original is kept under `recast_source`.
    static func write(_ draft: Draft) -> JSON.Object {
        for candidate in [draft.original, draft.original?[sourceKey]?.object] {
            guard let candidate, isTrue(candidate, of: draft) else { continue }
            return completed(candidate, for: draft)
        }
        return fresh(draft)
    }

    /// What a family's configuration can say of a model: where the original one is of the family and still true,
    /// everything; else whatever is read again of what would be written.
    ///
    /// - Throws: what is wrong with the model for such a family.
    static func stated(
        of configuration: ModelConfiguration, by family: Family, original: JSON.Object?, ropeScaling: JSON.Object?
    ) throws(RecastError) -> ModelConfiguration {
        let file = "the config.json of \(family.name)"
        for candidate in [original, original?[sourceKey]?.object] {
            guard let candidate, (try? Family.of(candidate, file: file).name) == family.name,
                let stated = try? HuggingFaceConfiguration(object: candidate, file: file).configuration(of: family),
                stated.isEquivalent(to: configuration)
            else { continue }
            return configuration
        }
        let draft = Draft(
            family: family, configuration: configuration, isTied: false, biases: [], dtype: .f32, original: nil,
            ropeScaling: ropeScaling)
        return try HuggingFaceConfiguration(object: fresh(draft), file: file).configuration(of: family)
    }

    /// Whether a configuration says just what the draft says.
    private static func isTrue(_ object: JSON.Object, of draft: Draft) -> Bool {
        let reader = HuggingFaceConfiguration(object: object, file: "config.json")
        guard let family = try? Family.of(object, file: "config.json"), family.name == draft.family.name,
            let configuration = try? reader.configuration(of: family)
        else { return false }
        return configuration.differences(from: draft.configuration).isEmpty
            && (try? reader.biases(of: family)) == draft.biases
    }

    /// Adds what one of the two dialects is missing, and says what has changed: ties and the type of the weights.
    private static func completed(_ object: JSON.Object, for draft: Draft) -> JSON.Object {
        var object = object
        // transformers 4 reads the keys outside `rope_parameters`, and where they are missing or say something else it
        // silently computes something else.
        if object["rope_parameters"]?.object != nil {
            var old = object
            old["rope_parameters"] = nil
            let reader = HuggingFaceConfiguration(object: old, file: "config.json")
            let read = try? reader.configuration(of: draft.family)
            let agrees =
                read?.rope == draft.configuration.rope && read?.localRope == draft.configuration.localRope
            let fresh = fresh(draft)
            for key in [
                "rope_theta", "rope_scaling", "rope_local_base_freq", "partial_rotary_factor", "rotary_pct",
                "rotary_emb_base",
            ] {
                guard let value = fresh[key] else { continue }
                if !agrees || object[key] == nil || key == "rope_theta" && object[key]!.isNull { object[key] = value }
            }
        }
        // transformers 4 does not know the spelling of 5, and takes its default for the number of experts.
        if let keys = draft.family.experts, let count = draft.configuration.experts?.count {
            for key in keys.count where object[key] == nil { object[key] = .int(count) }
        }
        if object["tie_word_embeddings"]?.bool != draft.isTied { object["tie_word_embeddings"] = .bool(draft.isTied) }
        let dtype = JSON.string(draft.dtype.torchName)
        if let old = object["torch_dtype"] {
            if old != dtype { object["torch_dtype"] = dtype }
            if object["dtype"] != nil { object["dtype"] = dtype }
        } else {
            object["dtype"] = dtype
            object["torch_dtype"] = dtype
        }
        return object
    }

    private static func fresh(_ draft: Draft) -> JSON.Object {
        let configuration = draft.configuration
        var object = JSON.Object()
        object["architectures"] = [.string(draft.family.architectures[0])]
        object["model_type"] = .string(draft.family.modelType)
        object["vocab_size"] = .int(configuration.vocabularySize)
        object["hidden_size"] = .int(configuration.hiddenSize)
        object["intermediate_size"] = .int(configuration.feedForwardSize)
        object["num_hidden_layers"] = .int(configuration.layerCount)
        object["num_attention_heads"] = .int(configuration.headCount)
        object["num_key_value_heads"] = .int(configuration.keyValueHeadCount)
        object["head_dim"] = .int(configuration.headDimension)
        object["hidden_act"] = .string(configuration.activation)
        object["max_position_embeddings"] = .int(configuration.contextLength)
        object["initializer_range"] = draft.original?["initializer_range"] ?? .double(0.02)
        let epsilon = draft.original?["rms_norm_eps"]
        object["rms_norm_eps"] =
            epsilon?.double == configuration.normEpsilon ? epsilon : .double(configuration.normEpsilon)
        object["use_cache"] = true
        for group in draft.family.biasGroups {
            let isThere = !draft.biases.isDisjoint(with: group.roles)
            switch group.presence {
            case .always: break
            case .configured(let key, _): object[key] = .bool(isThere)
            case .switchedOff(let key, _): object[key] = .bool(!isThere)
            }
        }
        addLatentAttention(of: configuration, to: &object)
        if let keys = draft.family.experts {
            add(expertsOf: configuration, keys, original: draft.original, to: &object)
        }
        switch draft.family.slidingWindow {
        case .none: break
        case .patterned:
            let types = configuration.layers.map {
                $0.slidingWindow == nil ? "full_attention" : "sliding_attention"
            }
            object["sliding_window"] = configuration.slidingWindow.map(JSON.int) ?? .null
            object["layer_types"] = .array(types.map(JSON.string))
        case .everywhere: object["sliding_window"] = configuration.slidingWindow.map(JSON.int) ?? .null
        case .refused: object["use_sliding_window"] = false
        case .fromLayer:
            object["sliding_window"] = configuration.slidingWindow.map(JSON.int) ?? .null
            object["max_window_layers"] = .int(configuration.layers.prefix { $0.slidingWindow == nil }.count)
        case .switched:
            object["use_sliding_window"] = .bool(configuration.slidingWindow != nil)
            object["sliding_window"] = configuration.slidingWindow.map(JSON.int) ?? .null
            // Where others than the last ones have a window, it is read again as something else, and refused.
            object["max_window_layers"] = .int(configuration.layers.prefix { $0.slidingWindow == nil }.count)
        }
        object["attention_dropout"] = draft.original?["attention_dropout"] ?? .double(0)
        object["tie_word_embeddings"] = .bool(draft.isTied)
        object["bos_token_id"] = tokens(configuration.bosTokens)
        object["eos_token_id"] = tokens(configuration.eosTokens)
        object["pad_token_id"] = configuration.paddingToken.map(JSON.int) ?? .null
        (object["rope_theta"], object["rope_scaling"], object["rope_parameters"]) = rope(draft)
        if let share = object["rope_parameters"]?["partial_rotary_factor"] { object["partial_rotary_factor"] = share }
        object["torch_dtype"] = .string(draft.dtype.torchName)
        object["dtype"] = .string(draft.dtype.torchName)
        draft.family.writes(configuration, &object)
        if var original = draft.original {
            original[sourceKey] = nil
            object[sourceKey] = .object(draft.original?[sourceKey]?.object ?? original)
        }
        return object
    }

    /// The part of a head that so many pairs are, of which programs make their number again by rounding down.
    private static func share(of pairs: Int, in dimensions: Int) -> Double {
        let share = 2 * Double(pairs) / Double(dimensions)
        return Int(share * Double(dimensions) / 2) == pairs ? share : share.nextUp
    }

    private static func tokens(_ ids: [Int]) -> JSON {
        ids.count > 1 ? .array(ids.map(JSON.int)) : ids.first.map(JSON.int) ?? .null
    }

    /// The same in both dialects: `rope_theta` and `rope_scaling` of transformers 4, `rope_parameters` of 5.
    private static func rope(_ draft: Draft) -> (theta: JSON, scaling: JSON, parameters: JSON) {
        let configuration = draft.configuration
        var rope = configuration.rope
        var share: JSON?
        if draft.family.partialRotary != nil {
            share = .double(Double(rope.dimensions) / Double(configuration.headDimension))
        } else if configuration.latentAttention == nil,
            let (spread, _) = rope.spread(over: configuration.headDimension, contextLength: configuration.contextLength)
        {
            rope = spread
        }
        let theta = JSON.double(rope.theta)
        var scaling = JSON.Object()
        switch rope.scaling {
        case .none, .factors: break
        case .linear(let factor):
            scaling["factor"] = .double(factor)
            scaling["rope_type"] = "linear"
        case .llama3(let factor, let low, let high, let original):
            scaling["factor"] = .double(factor)
            scaling["high_freq_factor"] = .double(high)
            scaling["low_freq_factor"] = .double(low)
            scaling["original_max_position_embeddings"] = .int(original)
            scaling["rope_type"] = "llama3"
        case .yarn(let yarn) where draft.ropeScaling == nil:
            scaling["beta_fast"] = .double(yarn.betaFast)
            scaling["beta_slow"] = .double(yarn.betaSlow)
            scaling["factor"] = .double(yarn.factor)
            if let factor = yarn.statedAttentionFactor { scaling["attention_factor"] = .double(factor) }
            if !yarn.truncates { scaling["truncate"] = false }
            if yarn.mscaleAllDimensions != 0 {
                scaling["mscale"] = .double(yarn.mscale)
                scaling["mscale_all_dim"] = .double(yarn.mscaleAllDimensions)
            }
            scaling["original_max_position_embeddings"] = .int(yarn.originalContext)
            scaling["rope_type"] = "yarn"
        case .proportional(let pairs, let factor):
            scaling["rope_type"] = "proportional"
            scaling["partial_rotary_factor"] = .double(Self.share(of: pairs, in: rope.dimensions))
            if factor != 1 { scaling["factor"] = .double(factor) }
        case .dynamic(let factor, _):
            scaling["factor"] = .double(factor)
            scaling["rope_type"] = "dynamic"
        case .longrope(let longrope):
            scaling["rope_type"] = "longrope"
            scaling["short_factor"] = .array(longrope.short.map(JSON.double))
            scaling["long_factor"] = .array(longrope.long.map(JSON.double))
            scaling["factor"] = .double(Double(configuration.contextLength) / Double(longrope.originalContext))
            scaling["attention_factor"] = .double(longrope.attentionFactor)
            scaling["original_max_position_embeddings"] = .int(longrope.originalContext)
        case .yarn, .other:
            // What layers without a window have, where others have one of their own.
            scaling = draft.ropeScaling?["full_attention"]?.object ?? draft.ropeScaling ?? JSON.Object()
            scaling["rope_theta"] = nil
            scaling["type"] = nil
            if case .yarn = rope.scaling { scaling.drop(HuggingFaceConfiguration.keysBesideYarn) }
            scaling["rope_type"] = .string(rope.scaling.name)
        }
        var parameters = scaling
        if rope.scaling == .none { parameters["rope_type"] = "default" }
        parameters["rope_theta"] = theta
        if let share { parameters["partial_rotary_factor"] = share }
        return (theta, rope.scaling == .none ? .null : .object(scaling), .object(parameters))
    }
}

extension JSON.Object {
    /// Only some of the members.
    mutating func keep(only keys: [String]) {
        self = JSON.Object(uniqueMembers: members.filter { keys.contains($0.key) })
    }

    /// Members under a family's own names for them, in the place of the usual ones.
    mutating func spell(_ spellings: [(theirs: String, usual: String)]) {
        for (theirs, usual) in spellings {
            guard let value = self[usual] else { continue }
            self[usual] = nil
            self[theirs] = value
        }
    }

    mutating func drop(_ keys: [String]) {
        self = JSON.Object(uniqueMembers: members.filter { !keys.contains($0.key) })
    }
}

extension DType {
    /// The name in `config.json`.
    var torchName: String {
        switch self {
        case .f16: "float16"
        case .bf16: "bfloat16"
        case .f64: "float64"
        default: "float32"
        }
    }
}
