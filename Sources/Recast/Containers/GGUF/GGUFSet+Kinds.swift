// GGUF files that hold something else than a model.
extension GGUFSet {
    /// - Throws: `unsupported` for adapters, projectors, importance matrices, vocabularies and control vectors, each with what
    ///   it is for.
    package func checkIsModel() throws(RecastError) {
        let path = paths[0]
        func refusal(_ text: String) -> RecastError { RecastError(.unsupported, text, trail: [path]) }
        let architecture = metadata["general.architecture"]?.string
        let adapter = refusal(
            "is an adapter (LoRA), which changes another model: merge it into that (llama.cpp's llama-export-lora -m MODEL.gguf "
                + "--lora \(Path.name(path)) -o MERGED.gguf), and name the result")
        let projector = refusal(
            "is the projector of a model for images or sounds (mmproj), and no language model: name the model's own GGUF file"
        )
        let importance = refusal(
            "is an importance matrix, and no model: quantize --importance \(Path.name(path)) takes it")
        switch metadata["general.type"]?.string ?? "model" {
        case "adapter": throw adapter
        case "mmproj": throw projector
        case "imatrix": throw importance
        case "vocab": throw refusal("holds a vocabulary and no model: tokenize reads it")
        default: break
        }
        if architecture == "clip" { throw projector }
        if architecture == "controlvector" {
            throw refusal(
                "is a control vector, which steers another model while it runs, and no model: name the model's own file"
            )
        }
        if tensors.isEmpty { throw refusal("holds a vocabulary and no tensors: tokenize reads it") }
        // Files of before `general.type`.
        if tensors.contains(where: { $0.name.hasSuffix(".lora_a") }) { throw adapter }
        if tensors.allSatisfy({ $0.name.hasSuffix(".in_sum2") || $0.name.hasSuffix(".counts") }) { throw importance }
    }
}
