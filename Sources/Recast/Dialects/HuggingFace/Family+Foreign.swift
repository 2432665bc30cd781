extension Family {
    /// A `config.json` of another program than transformers, by its keys.
    ///
    /// - Returns: nil where it is none that is known.
    static func foreign(_ configuration: JSON.Object, file: String) -> RecastError? {
        func has(_ keys: String...) -> Bool { keys.allSatisfy { configuration[$0] != nil } }
        func refusal(_ what: String) -> RecastError {
            RecastError(
                .unsupported, "is that of \(what), which is not read: name the checkpoint that it was made from",
                trail: [file])
        }
        if has("pretrained_config", "build_config") { return refusal("an engine of TensorRT-LLM") }
        if has("architecture", "mapping") || has("architecture", "num_hidden_layers", "hidden_act", "quantization") {
            return refusal("a checkpoint of TensorRT-LLM")
        }
        if has("module", "class_name") || has("registered_name") { return refusal("a model of Keras") }
        if has("_class_name", "_diffusers_version") { return refusal("a part of a pipeline of diffusers") }
        if has("peft_type") { return refusal("an adapter of PEFT") }
        return nil
    }
}
