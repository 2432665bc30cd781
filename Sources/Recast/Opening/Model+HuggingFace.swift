extension Model {
    static func lift(
        _ checkpoint: Checkpoint, _ files: HuggingFaceFiles, _ options: Options
    ) throws(RecastError) -> Model {
        let path = files.configurationPath
        guard let object = files.configuration else {
            throw RecastError(
                .inputMissing, "not found: a checkpoint of tensors alone does not say which model it is", trail: [path])
        }
        let family = try Family.of(object, file: path)
        let reader = HuggingFaceConfiguration(object: object, file: path)
        let configuration = try reader.configuration(of: family)
        let saysTied = try reader.tiesEmbeddings(family)
        let quantized = try files.quantizedModules(of: checkpoint)
        let tensors = try FusedExperts.separated(
            Self.withPrefix(quantized?.tensors ?? checkpoint.tensors), family, configuration, file: checkpoint.path)
        let outcome = try Lifting(
            table: family.table, configuration: configuration, biases: try reader.biases(of: family),
            optional: saysTied ? [.outputHead] : [],
            furtherLayerCount: try reader.optionalCount("num_nextn_predict_layers") ?? 0,
            ignored: { $0.hasSuffix("rotary_emb.inv_freq") || $0.hasSuffix("rotary_pos_emb.inv_freq") }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: checkpoint.path)
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: object, sourceTypes: nil, outcome: outcome)
        if let scale = outcome.unknown.first(where: { $0.name.contains("scale") }) {
            throw RecastError(
                .malformedInput,
                "\(scale.name) looks like the scales of a quantized weight, which the configuration says nothing of; without "
                    + "them its numbers are meaningless", trail: [path])
        }
        model.warnings += Self.contradictions(
            in: object, family, isQuantized: tensors.contains(where: \.tensor.isQuantized))
        model.evidence += quantized?.evidence ?? []
        model.warnings += quantized?.warnings ?? []
        model.dropsActivationScales = quantized?.dropsActivationScales ?? false
        if saysTied, options.looksAtTensors { try model.resolveTiedEmbeddings(workers: options.workers) }
        return model
    }

    /// What the configuration says and the checkpoint is not.
    private static func contradictions(in object: JSON.Object, _ family: Family, isQuantized: Bool) -> [String] {
        var warnings: [String] = []
        if let type = object["model_type"]?.string, let architecture = object["architectures"]?.array?.first?.string,
            type != family.modelType, Family.all.contains(where: { $0.modelType == type })
        {
            warnings.append(
                "config.json says model_type \(type), but the architecture \(architecture): the architecture is believed"
            )
        }
        let quantization = (object["quantization_config"] ?? object["quantization"])?.object
        if let quantization, !quantization.members.isEmpty, !isQuantized {
            let method = quantization["quant_method"]?.string.map { " (\($0))" } ?? ""
            warnings.append(
                "config.json says that weights are quantized\(method), but none is stored so: quantization_config is left out"
            )
        }
        return warnings
    }

    /// transformers 5 writes and reads names without `model.` too.
    private static func withPrefix(_ tensors: [NamedTensor]) -> [NamedTensor] {
        guard !tensors.contains(where: { $0.name.hasPrefix("model.") }),
            tensors.contains(where: { $0.name == "embed_tokens.weight" })
        else { return tensors }
        return tensors.map { $0.name == "lm_head.weight" ? $0 : NamedTensor("model." + $0.name, $0.tensor) }
    }
}
