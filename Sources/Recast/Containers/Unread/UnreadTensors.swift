/// Tensors that are not those of a model, or not in a way that is read, by their names.
enum UnreadTensors {
    /// What a component of a name may begin with that no model's has.
    private enum Mark: Hashable {
        /// Of an adapter: PEFT's methods, MLX's and those of image models.
        case adapter
        /// A module that PEFT has put an adapter around.
        case wrapped
        /// The state of an optimizer.
        case optimizer
    }

    private static let marks: [(beginning: String, mark: Mark)] =
        [
            "lora_", "lora.", "hada_w", "lokr_w", "ia3_l", "oft_r", "oft_R", "boft_", "vera_lambda", "randlora_",
            "fourierft_", "shira_", "waveft_", "hra_u", "vblora_", "modules_to_save.", "trainable_tokens_",
            "prompt_embeddings",
        ].map { ($0, .adapter) }
        + ["base_layer.", "original_module."].map { ($0, .wrapped) }
        + ["exp_avg", "momentum_buffer"].map { ($0, .optimizer) }

    /// The marks by their first byte, as there may be many names.
    private static let byFirstByte: [[(bytes: [UInt8], mark: Mark)]] = {
        var table = [[(bytes: [UInt8], mark: Mark)]](repeating: [], count: 256)
        for (beginning, mark) in marks {
            let bytes = Array(beginning.utf8)
            table[Int(bytes[0])].append((bytes, mark))
        }
        return table
    }()

    /// What is known of a checkpoint by the names of its tensors alone.
    ///
    /// - Throws: `unsupported` for adapters, merged or not, states of optimizers, and weights of formats that are not read.
    static func check(_ names: [String], file: String) throws(RecastError) {
        var found: [Mark: String] = [:]
        for name in names {
            for mark in self.marks(in: name) where found[mark] == nil { found[mark] = name }
        }
        let hasEmbedding = { names.contains { $0.hasSuffix("embed_tokens.weight") } }
        if let adapter = found[.adapter] {
            let isWhole = found[.wrapped] != nil || hasEmbedding() || names.contains { $0.hasSuffix(".linear.weight") }
            throw refusal(ofAdapter: adapter, isWhole: isWhole, file)
        }
        if let wrapped = found[.wrapped] {
            throw RecastError(
                .unsupported,
                "its adapter is not merged, and lies elsewhere: \(wrapped) is the name of a weight that PEFT changes; save the "
                    + "result of merge_and_unload, and name that", trail: [file])
        }
        if let state = found[.optimizer], !hasEmbedding() {
            throw RecastError(
                .unsupported,
                "holds the states of an optimizer (\(state)) and no weights of a model: name the file that has those",
                trail: [file])
        }
        if let refusal = otherFormat(names, file) { throw refusal }
    }

    private static func marks(in name: String) -> [Mark] {
        let bytes = Array(name.utf8)
        var marks: [Mark] = []
        var start = 0
        while start < bytes.count {
            for (beginning, mark) in byFirstByte[Int(bytes[start])] where bytes[start...].starts(with: beginning) {
                marks.append(mark)
            }
            start = (bytes[start...].firstIndex(of: UInt8(ascii: ".")) ?? bytes.count) + 1
        }
        return marks
    }

    private static func refusal(ofAdapter name: String, isWhole: Bool, _ file: String) -> RecastError {
        let merging = name.hasSuffix(".lora_a") || name.hasSuffix(".lora_b") ? "mlx_lm.fuse" : "PEFT's merge_and_unload"
        let text =
            isWhole
            ? "its adapter is not merged: \(name) changes the weights beside it; save the result of \(merging), and name that"
            : "is an adapter (\(name)), which changes another model: merge it into that first (\(merging)), and name the result"
        return RecastError(.unsupported, text, trail: [file])
    }

    // swift-format-ignore
    private static let formats: [(endings: [String], title: String)] = [
        ([".q_weight", ".q_scale_max"], "weights of ExLlamaV2 (EXL2)"),
        ([".trellis", ".suh"],          "weights of ExLlamaV3 (EXL3)"),
        ([".W_q", ".zero"],             "weights of HQQ"),
    ]

    private static func otherFormat(_ names: [String], _ file: String) -> RecastError? {
        let endings = Set(names.lazy.compactMap { name in name.lastIndex(of: ".").map { String(name[$0...]) } })
        guard let format = formats.first(where: { $0.endings.allSatisfy(endings.contains) }) else { return nil }
        return RecastError(
            .unsupported,
            "holds \(format.title), which are not read: name the checkpoint that they were made from, or another quantization of "
                + "it (GPTQ, AWQ, GGUF)", trail: [file])
    }
}
