extension Planning {
    /// The graph in a family's layout.
    func lowered(
        _ model: Model, _ family: Family, plan: inout Plan
    ) throws(RecastError) -> HuggingFaceLowering.Outcome {
        var reader = Reader(files: model.sources)
        let carried = try Carried(model, options, plan: &plan)
        var outcome = try HuggingFaceLowering(
            family: family, original: model.original, allowsInexact: options.allowsInexact,
            calibrated: options.calibrated
        ).lower(model.graph) {
            (tensor) throws(RecastError) in
            try tensor.isZeroEverywhere(&reader)
        } hasUnitRows: { (head) throws(RecastError) in
            try head.hasUnitRows(&reader)
        }
        outcome.carried = carried
        if let fused = carried.fused { outcome.tensors = fused.fused(outcome.tensors) }
        for index in outcome.tensors.indices {
            outcome.tensors[index].name = carried.storedName(outcome.tensors[index].name)
        }
        plan.notes += outcome.notes
        plan.warnings += outcome.warnings
        plan.inexactness = outcome.inexactness
        plan.evidence += outcome.evidence
        return outcome
    }

    func huggingFace(from model: Model, family: Family) throws(RecastError) -> Plan {
        if let encoding = options.encoding, encoding.dtype.isQuantized {
            throw .unsupported(
                "Hugging Face targets cannot hold the encoding \(encoding.name); a destination that ends in .gguf can")
        }
        let own = options.packing == nil ? [] : ["--importance", "--override", "--recipe"]
        if let option = options.quantization.given.first(where: { !own.contains($0) }) {
            throw .usage("\(option) is for GGUF targets")
        }
        if case .other(let type) = model.graph.configuration.rope.scaling, model.original == nil {
            throw .unsupported(
                "the rotary scaling \(type) of this GGUF file cannot be written without its original configuration")
        }
        var plan = basis(model, form: .directory)
        plan.format = "Hugging Face safetensors"
        plan.layout = "\(family.name) layout"
        if options.dtype != nil, model.graph.entries.contains(where: { $0.slot.role == .routerBias }) {
            plan.notes.append(Self.routerBiasNote)
        }
        if checkpoint.content.megatron != nil, model.graph.configuration.hasUnusualLatentNorm {
            plan.warnings.append(Self.latentNormWarning(model.graph.configuration))
        }
        let outcome = try lowered(model, family, plan: &plan)
        let carried = outcome.carried
        let typed = try typedTensors(outcome, model, plan: &plan)
        let tensors = typed.tensors.filter { !$0.named.slots.isEmpty }

        // Beside codes that stay as they are, the parts they are stored in say nothing of the model's type.
        var dtype = Self.commonest(tensors)
        if case .kept = typed.quantization { dtype = self.modelType(outcome, in: model) }
        let draft = HuggingFaceConfiguration.Draft(
            family: family, configuration: outcome.configuration, isTied: outcome.isTied,
            biases: outcome.biases, dtype: dtype,
            original: model.original,
            ropeScaling: model.original?["rope_scaling"]?.object
                ?? model.original?["rope_parameters"]?.object)
        var configuration = HuggingFaceConfiguration.write(draft)
        let tokenizer = try embeddedTokenizer()
        guard options.preTokenizer == nil || tokenizer?.keys != nil else {
            throw .usage("--pre-tokenizer says how a tokenizer of GGUF keys cuts text: here it would change nothing")
        }
        plan.warnings += tokenizer?.vocabulary?.remarks ?? []
        var expectedModel = ExpectedModel(configuration: outcome.configuration, isTied: outcome.isTied)
        if let tokenizer, tokenizer.contradictsOriginal, let special = tokenizer.keys?.special {
            for (key, id) in [("bos", special.bos), ("eos", special.eos), ("pad", special.padding)] {
                if let id { configuration[key + "_token_id"] = .int(id) }
            }
            if let id = special.bos { expectedModel.configuration.bosTokens = [id] }
            if let id = special.eos { expectedModel.configuration.eosTokens = [id] }
            if let id = special.padding { expectedModel.configuration.paddingToken = id }
        }
        plan.expectedModel = expectedModel
        var extraFiles: [(name: String, json: JSON)] = []
        var correctedFiles: Set<String> = []
        var keepsQuantization = false
        switch typed.quantization {
        case .new(var draft):
            draft.untouched = carried.roots
            QuantizationConfiguration.add(draft, to: &configuration, files: &extraFiles)
        case .kept(let encodings):
            for key in ["quantization_config", "quantization"] { configuration[key] = model.original?[key] }
            if let said = checkpoint.content.quantizationConfiguration {
                let corrected = QuantizationConfiguration.corrected(
                    said.object, by: encodings, dropsActivationScales: model.dropsActivationScales)
                if said.key == nil || corrected != said.object {
                    configuration[said.key ?? "quantization_config"] = .object(corrected)
                }
                if corrected != said.object {
                    correctedFiles = Set(["quantize_config.json", "quant_config.json"])
                    plan.notes.append("quantization_config is corrected to what the quantized weights are")
                }
            }
        case .none:
            for key in ["quantization_config", "quantization"] { configuration[key] = nil }
        }
        if carried.further.count > 0 { configuration["num_nextn_predict_layers"] = .int(carried.further.count) }
        if let wrapped = carried.wrapped { configuration = wrapped.configuration(around: configuration) }
        plan.outputs.append(
            OutputFile(
                name: "config.json",
                bytes: JSON.object(configuration).serialized(.indented) + [UInt8(ascii: "\n")]))
        if case .kept = typed.quantization { keepsQuantization = true }
        try addCompanions(tokenizer, keepsQuantization: keepsQuantization, without: correctedFiles, to: &plan)
        try addTokenizerJSON(configuration: configuration, to: &plan)
        for (name, json) in extraFiles {
            plan.outputs.append(OutputFile(name: name, bytes: json.serialized(.indented) + [UInt8(ascii: "\n")]))
        }
        var metadata = options.packing.map { [("format", $0.format == .mlx ? "mlx" : "pt")] } ?? headerMetadata
        if let record = options.calibrated?.record { metadata.append(("calibration", record.json.text())) }
        try SafetensorsLayout(metadata: metadata, tensors: typed.tensors)
            .lay(maximumShardSize: options.maximumShardSize, into: &plan)
        try resolveZeroPoints(in: &plan)
        restoreTypes(of: model, in: &plan)
        return plan
    }

    /// What GGUF has widened goes back to its own type without loss; should a value have changed since, the run is refused.
    /// What is computed with on the way is rounded.
    func restoreTypes(of model: Model, in plan: inout Plan) {
        guard options.dtype == nil, model.sourceTypes != nil else { return }
        for index in plan.transfers.indices {
            let source = plan.transfers[index].source
            guard source.dtype == .f32, !source.changesNumbers, case .plain = plan.transfers[index].encoding else {
                continue
            }
            plan.transfers[index].exactness = .bit
        }
    }

    /// The tokenizer of a GGUF source, unless the user names another.
    func embeddedTokenizer() throws(RecastError) -> EmbeddedTokenizer? {
        options.tokenizer == nil
            ? try checkpoint.content.embeddedTokenizer(preTokenizer: options.preTokenizer) : nil
    }

    var headerMetadata: [(key: String, value: String)] {
        let metadata = checkpoint.content.headerMetadata
        return metadata.isEmpty ? [("format", "pt")] : metadata
    }

    /// The type to write a weight in: the one that is asked for, but for biases of routers, which every program adds in
    /// float32 to scores whose order decides.
    ///
    /// - Parameter original: the type it had before it was computed with; nil where it was not.
    func writtenType(of tensor: LazyTensor, slot: Slot, in model: Model, original: DType? = nil) -> DType {
        let kept = keptType(of: tensor, original ?? tensor.dtype, slot: slot, in: model)
        return slot.role == .routerBias ? kept : options.dtype ?? options.encoding?.dtype ?? kept
    }

    /// The stored type; what GGUF has widened goes back to what it was.
    func keptType(of tensor: LazyTensor, _ dtype: DType, slot: Slot, in model: Model) -> DType {
        if tensor.isQuantized { return .f32 }
        guard dtype == .f32, let types = model.sourceTypes,
            let architecture = try? GGUFArchitecture.of(model.graph.configuration),
            let row = architecture.table.row(of: slot)
        else { return dtype }
        let name = row.name(layer: slot.layer, expert: slot.expert, slot.part)
        return types.types[GGUFStacks.storedName(of: name)] ?? dtype
    }

    /// The type of most numbers.
    static func commonest(_ tensors: [TypedTensor]) -> DType {
        var counts: [DType: Int] = [:]
        for tensor in tensors {
            if let dtype = tensor.encoding.dtype, dtype.kind == .float {
                counts[dtype, default: 0] += tensor.tensor.elementCount
            }
        }
        return counts.max { ($0.value, $0.key.name) < ($1.value, $1.key.name) }?.key ?? .f32
    }

    // MARK: Companions

    func addCompanions(
        _ tokenizer: EmbeddedTokenizer?, keepsQuantization: Bool, without corrected: Set<String>, to plan: inout Plan
    ) throws(RecastError) {
        let content = checkpoint.content
        let isReplaced = options.tokenizer != nil || tokenizer?.contradictsOriginal == true
        let companions = try content.companionFiles()
        for companion in companions where !(isReplaced && GGUFCompanions.isTokenizerFile(companion.name)) {
            if !keepsQuantization, QuantizationConfiguration.describesQuantization(companion.name) { continue }
            if corrected.contains(companion.name) { continue }
            try copy(companion, into: &plan)
        }
        if let tokenizer, isReplaced || !companions.contains(where: { GGUFCompanions.isTokenizerFile($0.name) }) {
            try addTokenizer(tokenizer, to: &plan)
        }
        if !content.ignored.isEmpty {
            plan.notes.append("not copied: \(content.ignored.joined(separator: ", "))")
        }
        if options.tokenizer == nil, !type(of: content).holdsTokenizer {
            plan.warnings.append("neither source nor destination has a tokenizer; --tokenizer DIR adds one")
        }
        guard let folder = try tokenizerFolder() else { return }
        let names = try folder.names().filter(GGUFCompanions.isTokenizerFile)
        guard !names.isEmpty else {
            throw RecastError(.inputMissing, "holds no tokenizer", trail: [folder.path])
        }
        for name in names {
            try copy(Companion(name: name, content: .file(folder)), into: &plan)
        }
    }

    /// A file as it is, through the same machinery as tensors, or a literal.
    private func copy(_ companion: Companion, into plan: inout Plan) throws(RecastError) {
        switch companion.content {
        case .bytes(let bytes): plan.outputs.append(OutputFile(name: companion.name, bytes: bytes))
        case .file(let folder):
            let source = try folder.source(of: companion.name)
            let file = checkpoint.sources.add(source.file)
            plan.transfers.append(
                Transfer(
                    bytesOf: companion.name, .stored(.u8, [source.byteCount], in: file, at: 0),
                    output: plan.outputs.count, offset: 0))
            plan.outputs.append(OutputFile(name: companion.name, byteCount: source.byteCount))
        }
    }

    /// Tokenizer files made from the keys of a GGUF file.
    private func addTokenizer(_ tokenizer: EmbeddedTokenizer, to plan: inout Plan) throws(RecastError) {
        guard let vocabulary = tokenizer.keys else {
            plan.warnings.append("neither source nor destination has a tokenizer; --tokenizer DIR adds one")
            return
        }
        for (name, json) in try vocabulary.huggingFaceFiles() {
            plan.outputs.append(OutputFile(name: name, bytes: json.serialized(.indented) + [UInt8(ascii: "\n")]))
        }
        if tokenizer.contradictsOriginal {
            plan.warnings.append(
                "the GGUF file's keys contradict the tokenizer files embedded in it: the tokenizer, and "
                    + "the special tokens of config.json, are made from the keys")
        } else {
            plan.notes.append("the tokenizer files are made from the keys of the GGUF file")
        }
    }
}

extension Graph {
    /// The configuration as a member of another family.
    func configuration(for family: Family) -> ModelConfiguration {
        var configuration = configuration
        configuration.family = family.name
        return configuration
    }
}
