extension Model {
    static func lift(
        _ checkpoint: Checkpoint, _ files: HuggingFaceFiles, _ options: Options
    ) throws(RecastError) -> Model {
        let path = files.configurationPath
        let core = try files.core()
        guard let object = core.configuration else {
            throw UnreadKinds.originalLayout(files.folder, files.companions + files.ignored + files.weightFiles)
                ?? RecastError(
                    .inputMissing,
                    "not found: a checkpoint of tensors alone does not say which model it is; put the model's config.json beside "
                        + "them", trail: [path])
        }
        let family = try Family.of(object, tensors: core.tensors.map(\.name), file: path)
        var reader = HuggingFaceConfiguration(object: object, file: path)
        var configuration = try reader.configuration(of: family)
        var wrapped = core.wrapped
        try wrapped?.readSections(of: configuration.rope, file: path)
        var further = try furtherLayers(reader, behind: configuration.layerCount)
        let quantized = try files.quantizedModules(of: core, checkpoint)
        var stored = Self.withPrefix(quantized?.tensors ?? core.tensors, of: family)
        // Those beside the layers are attention layers, whatever the last one is.
        let besideCount = further.isEmpty ? FurtherLayers.count(beside: stored) : 0
        let takesBeside = options.takesFurtherLayers && besideCount > 0 && configuration.recurrence?.delta != nil
        if takesBeside {
            stored = FurtherLayers.appended(stored, behind: configuration.layerCount)
            further = configuration.layerCount..<configuration.layerCount + besideCount
        }
        if options.takesFurtherLayers, !further.isEmpty {
            var longer = object
            longer["num_hidden_layers"] = .int(further.upperBound)
            // They are of the kind that the last ones are.
            for key in ["mlp_layer_types", "layer_types"] {
                guard let list = longer[key]?.array, list.count == further.lowerBound, let last = list.last else {
                    continue
                }
                longer[key] = .array(
                    list
                        + Array(
                            repeating: takesBeside && key == "layer_types" ? "full_attention" : last,
                            count: further.count))
            }
            if takesBeside, longer["layer_types"] == nil {
                longer["layer_types"] = configuration.layerKinds(adding: further.count)
            }
            if configuration.latentAttention?.indexer != nil {
                let own = further.map { layer in
                    core.tensors.contains { $0.name.contains("layers.\(layer).self_attn.indexer.") }
                }
                longer["indexer_types"] = .array(
                    (configuration.layers.map { !$0.sharesIndexer } + own).map { $0 ? "full" : "shared" })
            }
            reader = HuggingFaceConfiguration(object: longer, file: path)
            configuration = try reader.configuration(of: family)
        }
        let saysTied = try reader.tiesEmbeddings(family)
        var tensors = family.table.spelled(stored)
        let fused = FusedExperts(tensors, family, configuration)
        if let fused { tensors = try fused.separated(tensors, file: checkpoint.path) }
        tensors = try family.unstacked(tensors, configuration, file: checkpoint.path)
        let outcome = try Lifting(
            table: family.table, configuration: configuration, biases: try reader.biases(of: family),
            optional: saysTied ? [.outputHead] : [],
            furtherLayers: further,
            isZero: { (tensor) throws(RecastError) in
                var reader = Reader(files: checkpoint.sources)
                return try tensor.isZeroEverywhere(&reader)
            },
            ignored: { name in
                (["rotary_emb.inv_freq", "rotary_pos_emb.inv_freq"] + family.buffers).contains(where: name.hasSuffix)
            }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: checkpoint.path)
        var original = object
        // Readers look for the tensors of as many layers.
        if original["num_nextn_predict_layers"]?.int ?? 0 > 0 { original["num_nextn_predict_layers"] = 0 }
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: original, sourceTypes: nil, outcome: outcome)
        model.wrapped = wrapped
        model.fusedExperts = fused
        if !outcome.furtherLayers.isEmpty {
            let names = outcome.furtherLayers.map(\.name)
            model.furtherLayers = FurtherLayers(
                count: max(further.count, besideCount), tensors: outcome.furtherLayers,
                areInGraph: options.takesFurtherLayers && !further.isEmpty,
                note: besideCount > 0
                    ? "layers that predict further tokens (\(FurtherLayers.prefix)*) are left out (--mtp keep): \(names.count) tensors, "
                        + names.abridged
                    : "layers behind the last of \(further.lowerBound) predict further tokens (num_nextn_predict_layers) and are "
                        + "left out (--mtp keep): \(names.count) tensors, \(names.abridged)")
            if let note = model.furtherLayers.note, !options.takesFurtherLayers { model.notes.append(note) }
        }
        if let scale = outcome.unknown.first(where: { $0.name.contains("scale") }) {
            throw RecastError(
                .malformedInput,
                "\(scale.name) looks like the scales of a quantized weight, which the configuration says nothing of; without "
                    + "them its numbers are meaningless", trail: [path])
        }
        model.notes += core.notes
        if !outcome.zeroBiases.isEmpty {
            model.notes.append(
                "biases that the model has no place for, and that are zero, are left out: \(outcome.zeroBiases.abridged)"
            )
        }
        model.warnings += Self.byteNumbers(in: outcome.graph, reader.dtype, file: path)
        model.warnings += Self.contradictions(
            in: object, family, isQuantized: tensors.contains(where: \.tensor.isQuantized))
        model.evidence += quantized?.evidence ?? []
        model.warnings += quantized?.warnings ?? []
        model.dropsActivationScales = quantized?.dropsActivationScales ?? false
        if saysTied, options.looksAtTensors { try model.resolveTiedEmbeddings(workers: options.workers) }
        return model
    }

    /// The layers that predict further tokens.
    private static func furtherLayers(
        _ reader: HuggingFaceConfiguration, behind count: Int
    ) throws(RecastError) -> Range<Int> {
        let further = try reader.optionalCount("num_nextn_predict_layers") ?? 0
        let (end, overflows) = count.addingReportingOverflow(further)
        return further > 0 && !overflows ? count..<end : 0..<0
    }

    /// Numbers of a byte that nothing is said of: their scales may be missing.
    private static func byteNumbers(in graph: Graph, _ said: String?, file: String) -> [String] {
        guard said?.contains("float8") != true else { return [] }
        let found = graph.entries.first {
            $0.slot.part == .weight && $0.tensor.dtype.kind == .float && $0.tensor.dtype.blockBytes == 1
        }
        guard let found else { return [] }
        return [
            "\(file): \(found.slot) is stored as \(found.tensor.dtype) without a scale, and neither torch_dtype nor "
                + "quantization_config says so: its numbers are taken as they are"
        ]
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

    /// transformers writes and reads names without the first module's, `model.` or `transformer.`, too; and with `model.`, as it has
    /// them in memory, where they have another in files (Nemotron-H).
    private static func withPrefix(_ tensors: [NamedTensor], of family: Family) -> [NamedTensor] {
        guard let embedding = family.table.row(of: Slot(.tokenEmbedding))?.name(layer: nil, .weight),
            let end = embedding.firstIndex(of: ".")
        else { return tensors }
        let prefix = embedding[...end]
        let bare = embedding[embedding.index(after: end)...]
        guard !tensors.contains(where: { $0.name.hasPrefix(prefix) }) else { return tensors }
        let inMemory = "model."
        if tensors.contains(where: { $0.name == inMemory + bare }) {
            return tensors.map {
                $0.name.hasPrefix(inMemory)
                    ? NamedTensor("\(prefix)\($0.name.dropFirst(inMemory.count))", $0.tensor) : $0
            }
        }
        guard tensors.contains(where: { $0.name == bare }) else { return tensors }
        let head = family.table.row(of: Slot(.outputHead))
        let heads = head.map { [$0.name(layer: nil, .weight), $0.name(layer: nil, .bias), $0.alias ?? ""] } ?? []
        return tensors.map { heads.contains($0.name) ? $0 : NamedTensor(prefix + $0.name, $0.tensor) }
    }
}
