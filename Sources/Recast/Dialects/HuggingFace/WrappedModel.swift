/// A text model inside another: beside towers for images or sounds, with a configuration and names of its own.
///
/// One rule for all: the text model's configuration is an object inside the wrapper's, or stands in it flat, and its tensors have
/// a prefix, or stand flat beside those of towers. Source: Specs/families.md §5.
struct WrappedModel: Sendable {
    /// The configuration of the text model by itself.
    var configuration: JSON.Object
    /// Its tensors, under the names they have by themselves.
    var tensors: [NamedTensor]
    /// What else there is, under its own names.
    var towers: [NamedTensor]
    /// The architecture of the wrapper.
    var wrapper: String
    /// The whole `config.json`.
    let whole: JSON.Object
    /// Where in it the text model's is; empty where that stands in it flat.
    private let place: [String]
    /// What was taken off names, and what they have instead.
    private let taken: [(of: String, own: String)]
    /// What is said of positions in several dimensions (M-RoPE), the first of it for programs.
    private var statedSections: [RotarySections.Stated] = []
    /// The same, once it is known how many pairs there are; nil where positions are numbers.
    private(set) var rotarySections: RotarySections?
    /// What the configuration does not say, and is taken to be transformers' defaults.
    var assumed: [String] = []

    /// Where the text model's configuration may lie.
    private static let places = [
        ["text_config"], ["llm_config"], ["language_config"], ["thinker_config", "text_config"],
        ["language_model_config"],
    ]

    /// What stands before the names of a text model, and before them alone; behind the arrow what takes its place.
    // swift-format-ignore
    private static let prefixes: [(of: String, own: String)] = [
        ("thinker.model.",                "model."),
        ("thinker.lm_head.",              "lm_head."),
        ("language_model.model.",         "model."),
        ("language_model.lm_head.",       "lm_head."),
        ("model.language_model.model.",   "model."),
        ("model.language_model.lm_head.", "lm_head."),
        ("model.language_model.",         "model."),
        ("model.text_model.",             "model."),
        ("model.llm.",                    "model."),
        ("llm.model.",                    "model."),
        ("llm.lm_head.",                  "lm_head."),
        ("text_model.model.",             "model."),
        ("language_model.layers.",        "model.layers."),
        ("language_model.embed_tokens.",  "model.embed_tokens."),
        ("language_model.norm.",          "model.norm."),
    ]

    /// The names of a text model by itself, of those of a wrapper whose text model is of no family; others as they are.
    static func plainNames(_ names: [String]) -> [String] {
        let plain = names.compactMap { name in
            prefixes.first { name.hasPrefix($0.of) }.map { $0.own + name.dropFirst($0.of.count) }
        }
        return plain.isEmpty ? names : plain + names.filter { $0.hasPrefix("lm_head.") }
    }

    /// The configuration of a text model inside of another; nil where there is none.
    static func innerConfiguration(_ wrapper: JSON.Object) -> JSON.Object? {
        for path in places {
            var value: JSON? = .object(wrapper)
            for key in path { value = value?[key] }
            if let object = value?.object { return object }
        }
        return nil
    }

    /// Components of names that belong to towers, where the text model's names have no prefix.
    static let towerNames: Set<String> = [
        "visual", "vision_tower", "vision_model", "vision_encoder", "vision_embed_tokens", "vision_projector",
        "multi_modal_projector",
        "mm_projector", "mm_input_projector", "mlp1", "vit", "sam_model", "projector", "image_newline",
        "view_seperator", "connector",
        "audio_tower", "audio_encoder", "audio_model", "audio_projector", "speech_encoder", "aligner", "gen_head",
        "gen_embed",
        "gen_aligner", "gen_vision_model", "resampler", "vpm", "apm", "talker", "token2wav", "code2wav",
        "image_encoder", "img_projection",
    ]

    /// - Returns: nil where the configuration is that of a text model, or of nothing that has one of a known family.
    init?(_ wrapper: JSON.Object, _ stored: [NamedTensor]) {
        let architecture = wrapper["architectures"]?.array?.first?.string ?? ""
        var inner: JSON.Object?
        var place: [String] = []
        for path in Self.places {
            var value: JSON? = .object(wrapper)
            for key in path { value = value?[key] }
            if let object = value?.object {
                (inner, place) = (object, path)
                break
            }
        }
        let isFlat = inner == nil
        let hasTower = wrapper["vision_config"] != nil || wrapper["audio_config"] != nil || wrapper["visual"] != nil
        guard var configuration = inner ?? (hasTower ? wrapper : nil) else { return nil }
        guard let family = Self.family(of: configuration, isFlat: isFlat) else { return nil }
        configuration["architectures"] = [.string(family.architectures[0])]
        configuration["model_type"] = .string(family.modelType)
        if isFlat {
            for key in ["vision_config", "audio_config", "visual", "auto_map"] { configuration[key] = nil }
        }
        // What the wrapper says for the whole; the flag of the tie is its own.
        for key in [
            "torch_dtype", "dtype", "bos_token_id", "eos_token_id", "pad_token_id", "quantization_config",
            "quantization",
        ]
        where configuration[key] == nil { configuration[key] = wrapper[key] }
        if let flag = wrapper["tie_word_embeddings"] { configuration["tie_word_embeddings"] = flag }
        // The spelling of transformers 5 says all of rotary in one place.
        let hasRope = configuration["rope_parameters"] != nil
        for member in TextDefaults.of(family.modelType).members
        where configuration[member.key] == nil && !(hasRope && member.key.hasPrefix("rope_")) {
            configuration[member.key] = member.value
            assumed.append(member.key)
        }
        // Their experts' weights are normalised: of Qwen3-VL always, of the Omni thinker unless it says otherwise.
        let type = (inner ?? wrapper)["model_type"]?.string ?? ""
        let saysNormalized = configuration["norm_topk_prob"] != nil
        if type.hasPrefix("qwen3_vl_moe") || type.hasPrefix("qwen3_omni_moe") && !saysNormalized {
            configuration["norm_topk_prob"] = true
        }
        // Heads of 128 are GLM-4's default, and not that of its text model in GLM-4V.
        if type.hasPrefix("glm4v"), configuration["head_dim"] == nil, let hidden = configuration["hidden_size"]?.int,
            let count = configuration["num_attention_heads"]?.int, count > 0
        {
            configuration["head_dim"] = .int(hidden / count)
        }
        statedSections = Self.makePlain(&configuration, at: place)
        // The image, and the question behind it, see each other whole; text by itself is read as text.
        if wrapper["model_type"]?.string == "paligemma" { configuration["use_bidirectional_attention"] = nil }
        var tensors: [NamedTensor] = []
        var towers: [NamedTensor] = []
        var taken: [(of: String, own: String)] = []
        let hasPrefix = stored.contains { tensor in Self.prefixes.contains { tensor.name.hasPrefix($0.of) } }
        for tensor in stored {
            if let prefix = Self.prefixes.first(where: { tensor.name.hasPrefix($0.of) }) {
                tensors.append(NamedTensor(prefix.own + tensor.name.dropFirst(prefix.of.count), tensor.tensor))
                if !taken.contains(where: { $0 == prefix }) { taken.append(prefix) }
            } else if tensor.name.hasPrefix("lm_head.") || tensor.name.hasPrefix(FurtherLayers.prefix) {
                tensors.append(tensor)
            } else if hasPrefix
                || tensor.name.split(separator: ".").prefix(2).contains(where: { Self.towerNames.contains(String($0)) })
            {
                towers.append(tensor)
            } else {
                tensors.append(tensor)
            }
        }
        guard !tensors.isEmpty else { return nil }
        self.configuration = configuration
        self.tensors = tensors
        self.towers = towers
        self.wrapper = architecture
        whole = wrapper
        self.place = place
        self.taken = taken
    }

    /// The family of a text model, by its architecture or by its type: that of a wrapper's part ends otherwise.
    private static func family(of configuration: JSON.Object, isFlat: Bool) -> Family? {
        let architecture = configuration["architectures"]?.array?.first?.string
        if !isFlat, let family = Family.all.first(where: { $0.architectures.contains(architecture ?? "") }) {
            return family
        }
        guard var type = configuration["model_type"]?.string else { return nil }
        if let known = types[type] { type = known }
        return Family.all.first { $0.modelType == type && $0.recognizes(configuration) }
    }

    // swift-format-ignore
    private static let types = [
        "qwen2_vl":         "qwen2",     "qwen2_vl_text":          "qwen2",
        "qwen2_5_vl":       "qwen2",     "qwen2_5_vl_text":        "qwen2",
        "qwen2_5_omni_text": "qwen2",    "qwen2_audio_text":       "qwen2",
        "qwen3_vl_text":    "qwen3",     "qwen3_vl_moe_text":      "qwen3_moe",
        "qwen3_omni_moe_text": "qwen3_moe", "glm4v_text":          "glm4",
        "gemma3":           "gemma3_text", "paligemma":            "gemma",
        "deepseek_vl_v2":   "deepseek_v2", "kimi_vl":              "deepseek_v3",
    ]

    /// Positions in several dimensions are all alike in text.
    ///
    /// - Returns: what is said of how many pairs each of them turns.
    private static func makePlain(_ configuration: inout JSON.Object, at place: [String]) -> [RotarySections.Stated] {
        var sections: [RotarySections.Stated] = []
        for key in ["rope_scaling", "rope_parameters"] {
            guard var rope = configuration[key]?.object, rope[RotarySections.Stated.name] != nil else { continue }
            if let stated = RotarySections.Stated(in: rope, path: place + [key]) { sections.append(stated) }
            rope[RotarySections.Stated.name] = nil
            rope["mrope_interleaved"] = nil
            for name in ["type", "rope_type"] where rope[name]?.string == "mrope" { rope[name] = "default" }
            let isPlain = (rope["rope_type"] ?? rope["type"])?.string ?? "default" == "default"
            configuration[key] = isPlain && key == "rope_scaling" ? .null : .object(rope)
        }
        return sections
    }

    /// - Parameter rope: the text model's.
    /// - Throws: `malformedInput` where the dimensions of positions do not share its pairs.
    mutating func readSections(of rope: Rope, file: String) throws(RecastError) {
        for stated in statedSections {
            let sections = try RotarySections(stated, count: 3, of: rope, file: file)
            rotarySections = rotarySections ?? sections
        }
    }

    /// How many layers of the text model get something of the image added.
    var deepStackLayerCount: Int? {
        let tower = whole["vision_config"] ?? whole["thinker_config"]?["vision_config"]
        return tower?["deepstack_visual_indexes"]?.array?.count
    }

    /// What is left out of a target that holds the text model alone.
    var note: String {
        "of \(wrapper) the text model is taken; what belongs to images or sounds is left out: \(towersInWords)"
            + (assumed.isEmpty
                ? "" : "; transformers' defaults of what its configuration does not say: \(assumed.abridged)")
    }

    /// What becomes of the rest in the wrapper's own layout.
    var keptNote: String {
        "of \(wrapper) the text model is converted; what belongs to images or sounds is copied as it is: \(towersInWords)"
    }

    private var towersInWords: String {
        let bytes = towers.reduce(0) { $0 + $1.tensor.byteCount }
        return "\(towers.count) tensors, \(bytes) bytes (\(roots.map { $0 + ".*" }.joined(separator: ", ")))"
    }

    /// The modules that all towers are in, and nothing of the text model.
    var roots: [String] {
        var ofText: Set<String> = ["model"]
        for tensor in tensors {
            var name = ""
            for part in storedName(tensor.name).split(separator: ".") {
                name += name.isEmpty ? String(part) : "." + part
                ofText.insert(name)
            }
        }
        return towers.map { tensor in
            let parts = tensor.name.split(separator: ".")
            let counts = 1...parts.count
            let count = counts.first { !ofText.contains(parts.prefix($0).joined(separator: ".")) } ?? parts.count
            return parts.prefix(count).joined(separator: ".")
        }.unique
    }
}

// MARK: The way back

extension WrappedModel {
    /// The name that a tensor of the text model has in the wrapper.
    func storedName(_ own: String) -> String {
        if let prefix = taken.first(where: { own.hasPrefix($0.own) }) {
            return prefix.of + String(own.dropFirst(prefix.own.count))
        }
        // A head that was tied, beside an embedding with a prefix.
        guard own.hasPrefix("lm_head."), !tensors.contains(where: { $0.name.hasPrefix("lm_head.") }),
            let sibling = taken.first(where: { $0.own == "model." && $0.of.hasSuffix(".model.") })
        else { return own }
        let head = sibling.of.dropLast("model.".count) + "lm_head."
        return Self.prefixes.contains { $0.of == head } ? String(head + own.dropFirst("lm_head.".count)) : own
    }

    /// The wrapper's `config.json` around a text model's that has changed.
    func configuration(around text: JSON.Object) -> JSON.Object {
        var result = whole
        var inner: JSON = .object(whole)
        for key in place { inner = inner[key] ?? [:] }
        var own = inner.object ?? JSON.Object()
        let named: Set = ["architectures", "model_type", HuggingFaceConfiguration.sourceKey]
        for member in text.members where !named.contains(member.key) && configuration[member.key] != member.value {
            let isQuantization = ["quantization_config", "quantization"].contains(member.key)
            let isType = ["torch_dtype", "dtype"].contains(member.key)
            let isShared = isType || member.key == "tie_word_embeddings"
            // One of the two spellings is enough.
            let saysType = ["torch_dtype", "dtype"].contains { whole[$0] != nil || own[$0] != nil }
            if isType, saysType, whole[member.key] == nil, own[member.key] == nil { continue }
            if isQuantization || isShared && whole[member.key] != nil { result[member.key] = member.value }
            if isQuantization {
                own[member.key] = nil
            } else if own[member.key] != nil || !(isShared && whole[member.key] != nil) {
                own[member.key] = member.value
            }
        }
        for key in ["quantization_config", "quantization"] where text[key] == nil {
            result[key] = nil
            own[key] = nil
        }
        guard !place.isEmpty else {
            for member in own.members where result[member.key] != member.value { result[member.key] = member.value }
            return result
        }
        return Self.setting(own, at: place[...], in: result)
    }

    private static func setting(_ value: JSON.Object, at place: ArraySlice<String>, in object: JSON.Object)
        -> JSON.Object
    {
        guard let key = place.first else { return value }
        var object = object
        object[key] = .object(setting(value, at: place.dropFirst(), in: object[key]?.object ?? JSON.Object()))
        return object
    }

    /// Whether transformers makes one tensor of the matrices of single experts: for all but the one that has published none.
    ///
    /// Source: transformers 5.23, `conversion_mapping.py`.
    var readsSingleExperts: Bool { whole["model_type"]?.string != "qwen3_vl_moe" }

    /// What helps where the wrapper cannot be written.
    var remedy: String { "--family \(configuration["model_type"]?.string ?? "llama") takes the text model alone" }

    /// - Throws: `unsupported` where the wrapper cannot be written with another text model inside.
    func checkCanBeKept(whole isCopied: Bool) throws(RecastError) {
        guard !isCopied else { return }
        let codes = towers.first { tensor in
            let dtype = tensor.tensor.dtype
            return [.u8, .i8, .i32, .u32].contains(dtype) || dtype.kind == .float && dtype.blockBytes == 1
        }
        if let codes {
            throw .unsupported(
                "\(codes.name) of \(wrapper) is quantized, too, and is only copied where the text model's codes are; \(remedy)"
            )
        }
    }
}

/// What transformers takes of a text model where its configuration says nothing: wrappers state what is otherwise.
enum TextDefaults {
    static func of(_ type: String) -> JSON.Object {
        guard let row = table[type] else { return JSON.Object() }
        let keys = [
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads",
            "max_position_embeddings",
        ]
        var object = JSON.Object()
        for (key, value) in zip(keys, row.sizes) { object[key] = .int(value) }
        for (key, value) in row.others { object[key] = value }
        return object
    }

    // swift-format-ignore
    private static let table: [String: (sizes: [Int], others: [(String, JSON)])] = [
        "llama":       ([ 32000, 4096, 11008, 32, 32, 32,   2048], [("rms_norm_eps", 1e-6), ("hidden_act", "silu"), ("rope_theta", 10000.0)]),
        "mistral":     ([ 32000, 4096, 14336, 32, 32,  8, 131072], [("rms_norm_eps", 1e-6), ("hidden_act", "silu"), ("rope_theta", 10000.0)]),
        "qwen2":       ([151936, 4096, 22016, 32, 32, 32,  32768], [("rms_norm_eps", 1e-6), ("hidden_act", "silu"), ("rope_theta", 10000.0)]),
        "qwen3":       ([151936, 4096, 22016, 32, 32, 32,  32768], [("rms_norm_eps", 1e-6), ("hidden_act", "silu"), ("head_dim", 128)]),
        "gemma":       ([256000, 3072, 24576, 28, 16, 16,   8192], [("rms_norm_eps", 1e-6), ("hidden_act", "gelu_pytorch_tanh"), ("head_dim", 256), ("rope_theta", 10000.0)]),
        "gemma2":      ([256000, 2304,  9216, 26,  8,  4,   8192], [("rms_norm_eps", 1e-6), ("hidden_activation", "gelu_pytorch_tanh"), ("head_dim", 256), ("sliding_window", 4096),
                                                                    ("query_pre_attn_scalar", 256), ("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0), ("rope_theta", 10000.0)]),
        "gemma3_text": ([262208, 2304,  9216, 26,  8,  4, 131072], [("rms_norm_eps", 1e-6), ("hidden_activation", "gelu_pytorch_tanh"), ("head_dim", 256), ("sliding_window", 4096),
                                                                    ("query_pre_attn_scalar", 256), ("rope_theta", 1000000.0), ("rope_local_base_freq", 10000.0)]),
        "gemma4_text": ([262144, 2304,  9216, 30,  8,  4, 131072], [("rms_norm_eps", 1e-6)]),
        "gemma4_unified_text": ([262144, 2304, 9216, 30, 8, 4, 262144], [("rms_norm_eps", 1e-6)]),
        "llama4_text": ([202048, 5120,  8192, 48, 40,  8, 131072], [("rms_norm_eps", 1e-5)]),
        "phi3":        ([ 32064, 3072,  8192, 32, 32, 32,   4096], [("rms_norm_eps", 1e-5), ("hidden_act", "silu"), ("rope_theta", 10000.0)]),
    ]
}
