/// The spellings of Megatron's names: of its own modules, of Transformer Engine's, and of the programs before the core.
///
/// Source: Specs/megatron.md §2.1.
enum MegatronNames {
    // swift-format-ignore
    private static let beginnings: [(old: String, new: String)] = [
        ("language_model.encoder.",            "decoder."),
        ("language_model.transformer.",        "decoder."),
        ("language_model.embedding.",          "embedding."),
        ("language_model.output_layer.",       "output_layer."),
        // The copy of a tied embedding on the last stage.
        ("word_embeddings_for_head.",          "output_layer."),
        ("decoder.final_norm.",                "decoder.final_layernorm."),
    ]

    /// Behind the number of the layer.
    // swift-format-ignore
    private static let modules: [(old: String, new: String)] = [
        ("attention.",                                    "self_attention."),
        ("self_attention.query_key_value.",               "self_attention.linear_qkv."),
        ("self_attention.dense.",                         "self_attention.linear_proj."),
        ("self_attention.linear_qkv.layer_norm_",         "input_layernorm."),
        ("self_attention.linear_q_up_proj.layer_norm_",   "self_attention.q_layernorm."),
        ("self_attention.linear_kv_up_proj.layer_norm_",  "self_attention.kv_layernorm."),
        ("input_norm.",                                   "input_layernorm."),
        ("mlp.dense_h_to_4h.",                            "mlp.linear_fc1."),
        ("mlp.dense_4h_to_h.",                            "mlp.linear_fc2."),
        ("mlp.linear_fc1.layer_norm_",                    "pre_mlp_layernorm."),
        ("post_attention_norm.",                          "pre_mlp_layernorm."),
        ("post_attention_layernorm.",                     "pre_mlp_layernorm."),
    ]

    /// Names of Megatron core's own modules, and of Transformer Engine's where those are called otherwise.
    // swift-format-ignore
    private static let transformerEngine: [(local: String, other: String)] = [
        (".input_layernorm.",                ".self_attention.linear_qkv.layer_norm_"),
        (".pre_mlp_layernorm.",              ".mlp.linear_fc1.layer_norm_"),
    ]

    /// The same with latent attention, whose first projections leave the norm before them a module of its own.
    // swift-format-ignore
    private static let latentTransformerEngine: [(local: String, other: String)] = [
        (".self_attention.q_layernorm.",     ".self_attention.linear_q_up_proj.layer_norm_"),
        (".self_attention.kv_layernorm.",    ".self_attention.linear_kv_up_proj.layer_norm_"),
        (".pre_mlp_layernorm.",              ".mlp.linear_fc1.layer_norm_"),
    ]

    /// Whether only a model of Transformer Engine's modules gives a rank such a name.
    static func isTransformerEngine(_ name: String) -> Bool {
        (transformerEngine + latentTransformerEngine).contains { name.contains($0.other) }
            || canonical(name).template.contains(localExperts)
                && !name.contains(localExperts)
    }

    /// Whether Megatron's core calls a part of a layer so, and not the programs before it.
    static func isOfCore(_ name: String) -> Bool {
        name.contains(".self_attention.linear_") && !name.contains("language_model.")
    }

    /// A name of the local spelling in another one.
    ///
    /// - Parameter hasExperts: whether it is of a layer with experts, whose norm Transformer Engine leaves a module of its
    ///   own.
    static func spelled(
        _ name: String, _ spelling: MegatronTarget.Spelling, hasExperts: Bool = false, isLatent: Bool = false
    ) -> String {
        guard spelling == .transformerEngine else { return name }
        if name.contains(stackedExperts) { return name }
        if let (beginning, number, module) = expert(in: name) {
            // `linear_fc1.weight` of expert 3 is `linear_fc1.weight3` of all.
            return beginning + experts + module + String(number)
        }
        if hasExperts, name.contains(".pre_mlp_layernorm.") { return name }
        for (local, other) in isLatent ? latentTransformerEngine : transformerEngine where name.contains(local) {
            return name.replacing(local, with: other)
        }
        return name
    }

    /// A name with the number of its layer in another place of the model; the same name where it has none.
    static func renumbered(_ name: String, layer: Int) -> String {
        canonical(name).name(firstLayer: layer - (canonical(name).layer ?? layer))
    }

    /// The name under which the tensors of all layers are stored as one.
    static func withoutLayer(_ name: String) -> String {
        canonical(name).template.replacing("#.", with: "", maxReplacements: 1)
    }

    /// A name with the number of its layer taken out.
    struct Numbered: Sendable, Hashable {
        /// With `#` in place of the layer's number.
        var template: String
        /// Counted from the beginning of the stage, or of its virtual stage.
        var layer: Int?

        /// The whole name, with the layer counted from the beginning of the model.
        func name(firstLayer: Int) -> String {
            guard let layer else { return template }
            return template.replacing("#", with: String(firstLayer + layer), maxReplacements: 1)
        }
    }

    private static let layers = "decoder.layers."
    private static let experts = "mlp.experts."
    private static let localExperts = "mlp.experts.local_experts."

    /// The number of the expert in a name of the local spelling, with what stands before and behind; nil where there is
    /// none.
    static func expert(in name: String) -> (beginning: String, number: Int, module: String)? {
        guard let range = name.firstRange(of: localExperts) else { return nil }
        let rest = name[range.upperBound...]
        let digits = rest.prefix { $0 != "." }
        guard let number = Int(digits), String(number) == digits, (0..<1 << 16).contains(number) else { return nil }
        return (String(name[..<range.lowerBound]), number, String(rest.dropFirst(digits.count + 1)))
    }

    /// A name with another number of the expert.
    static func withExpert(_ number: Int, _ name: String) -> String {
        guard let (beginning, _, module) = expert(in: name) else { return name }
        return "\(beginning)\(localExperts)\(number).\(module)"
    }

    /// The name under which the tensors of all experts of a layer are stored as one.
    static func withoutExpert(_ name: String) -> String {
        guard let (beginning, _, module) = expert(in: name) else { return name }
        return beginning + stackedExperts + module
    }

    /// `mlp.experts.linear_fc1.weight3`, as the matrices of grouped matrices are called, in the local spelling.
    private static func ungrouped(_ rest: String) -> String {
        // Whole tensors of one expert each: `mlp.experts.experts.3.linear_fc1.weight`.
        if rest.hasPrefix(stackedExperts), rest.dropFirst(stackedExperts.count).first?.isNumber == true {
            return localExperts + rest.dropFirst(stackedExperts.count)
        }
        guard rest.hasPrefix(experts), !rest.hasPrefix(localExperts) else { return rest }
        let module = rest.dropFirst(experts.count)
        let digits = module.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
        guard !digits.isEmpty, module.hasPrefix("linear_fc"), module.dropLast(digits.count).hasSuffix(".weight") else {
            return rest
        }
        return localExperts + String(digits) + "." + module.dropLast(digits.count)
    }
    private static let stackedExperts = "mlp.experts.experts."

    /// How many axes of a stored tensor count tensors: layers whose number is not in the name, and experts.
    ///
    /// Source: Specs/megatron.md §5.4.
    static func leadingAxes(of name: String) -> Int {
        guard name.hasPrefix(layers) else { return 0 }
        let rest = name.dropFirst(layers.count)
        let hasNumber = rest.first?.isNumber == true
        let afterNumber = hasNumber ? rest.drop { $0 != "." }.dropFirst() : rest
        // Where experts are stored one by one, their number follows.
        let experts =
            afterNumber.hasPrefix(stackedExperts)
            && afterNumber.dropFirst(stackedExperts.count).first?.isNumber != true
        return (hasNumber ? 0 : 1) + (experts ? 1 : 0)
    }

    /// The names of the tensors that one stored under such a name consists of, in their order.
    static func names(of name: String, counts: [Int]) -> [String] {
        var names = [name]
        if leadingAxes(of: name) != counts.count { return names }
        for (axis, count) in counts.enumerated() {
            names = names.flatMap { name in
                (0..<count).map { number in
                    axis == 0 && name.dropFirst(layers.count).first?.isNumber != true
                        ? layers + "\(number)." + name.dropFirst(layers.count)
                        : name.replacing(stackedExperts, with: localExperts + "\(number).")
                }
            }
        }
        return names
    }

    /// A name without those of the modules around the model: Megatron's own, and others where the model's follow.
    static func unwrapped(_ name: String) -> String {
        let inner = MegatronWrappers.stripped(name)
        if modelBeginnings.contains(where: inner.hasPrefix) { return inner }
        var bytes = name.utf8[...]
        let wrapper = "module.".utf8
        while bytes.starts(with: wrapper) { bytes = bytes.dropFirst(wrapper.count) }
        return String(Substring(bytes))
    }

    /// How the names of a model begin, in any spelling.
    private static let modelBeginnings =
        ["decoder.", "embedding.", "output_layer."] + beginnings.map(\.old)

    /// A name of any spelling in that of Megatron core's own modules.
    static func canonical(_ name: String) -> Numbered {
        var name = unwrapped(name)
        for (old, new) in beginnings where name.hasPrefix(old) { name = new + name.dropFirst(old.count) }
        guard name.hasPrefix(layers) else { return Numbered(template: name, layer: nil) }
        let numbered = name.dropFirst(layers.count)
        let digits = numbered.prefix { $0 != "." }
        guard let layer = Int(digits), String(layer) == digits, (0..<1 << 20).contains(layer),
            numbered.count > digits.count
        else { return Numbered(template: name, layer: nil) }
        var rest = String(numbered.dropFirst(digits.count + 1))
        for (old, new) in modules where rest.hasPrefix(old) { rest = new + rest.dropFirst(old.count) }
        return Numbered(template: layers + "#." + ungrouped(rest), layer: layer)
    }
}
