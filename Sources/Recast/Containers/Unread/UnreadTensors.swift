/// Tensors that are not those of a model, or not in a way that is read, by their names.
enum UnreadTensors {
    /// What adapters call the parts of a weight: PEFT's methods, MLX's and those of image models.
    private static let adapterMarks = [
        ".lora_A", ".lora_B", ".lora_embedding_", ".lora_magnitude_vector", ".lora_a", ".lora_b", ".lora.up.",
        ".lora.down.",
        ".lora_up.", ".lora_down.", "lora_unet_", "lora_te_", ".hada_w1", ".hada_w2", ".lokr_w", ".ia3_l", ".oft_r",
        ".oft_R",
        ".boft_", ".vera_lambda", ".randlora_", ".fourierft_", ".shira_weight", ".waveft_", ".hra_u", ".vblora_",
        ".miss_",
        ".modules_to_save.", ".trainable_tokens_", "prompt_embeddings",
    ]

    /// What is known of a checkpoint by the names of its tensors alone.
    ///
    /// - Throws: `unsupported` for adapters, merged or not, states of optimizers, and weights of formats that are not read.
    static func check(_ names: [String], file: String) throws(RecastError) {
        if let refusal = adapter(names, file) ?? optimizer(names, file) ?? otherFormat(names, file) { throw refusal }
    }

    private static func adapter(_ names: [String], _ file: String) -> RecastError? {
        func refusal(_ text: String) -> RecastError { RecastError(.unsupported, text, trail: [file]) }
        let base = names.first { $0.contains(".base_layer.") || $0.contains(".original_module.") }
        guard let found = names.first(where: { name in adapterMarks.contains(where: name.contains) }) else {
            return base.map {
                refusal(
                    "its adapter is not merged, and lies elsewhere: \($0) is the name of a weight that PEFT changes; save the result "
                        + "of merge_and_unload, and name that")
            }
        }
        let isWhole =
            base != nil || names.contains { $0.hasSuffix("embed_tokens.weight") || $0.hasSuffix(".linear.weight") }
        let isMLX = found.hasSuffix(".lora_a") || found.hasSuffix(".lora_b")
        let merging = isMLX ? "mlx_lm.fuse" : "PEFT's merge_and_unload"
        return refusal(
            isWhole
                ? "its adapter is not merged: \(found) changes the weights beside it; save the result of \(merging), and name that"
                : "is an adapter (\(found)), which changes another model: merge it into that first (\(merging)), and name the "
                    + "result")
    }

    private static func optimizer(_ names: [String], _ file: String) -> RecastError? {
        let marks = ["exp_avg", "exp_avg_sq", "momentum_buffer"]
        guard
            let found = names.first(where: { name in
                name.split(separator: ".").contains { marks.contains(String($0)) }
            }), !names.contains(where: { $0.hasSuffix("embed_tokens.weight") })
        else { return nil }
        return RecastError(
            .unsupported,
            "holds the states of an optimizer (\(found)) and no weights of a model: name the file that has those",
            trail: [file])
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
