extension Planning {
    /// A graph as a checkpoint of Megatron.
    func megatron(from model: Model, _ target: MegatronTarget) throws(RecastError) -> Plan {
        try refuseOptionsOfOthers()
        guard options.furtherLayers != .keep else {
            throw .usage("--mtp keep: Megatron targets have no place for layers that predict further tokens yet")
        }
        var model = model
        let sourceConfiguration = model.graph.configuration
        var plan = basis(model, form: .directory)
        let adaptation = try TargetAdaptation(
            model.graph, to: "Megatron", stating: model.graph.configuration.asMegatronStates,
            allowsInexact: options.allowsInexact)
        plan.notes += adaptation.notes
        plan.warnings += adaptation.warnings
        plan.inexactness = adaptation.inexactness
        model.graph = adaptation.graph
        if !adaptation.types.isEmpty { try takeForLlama(&model, types: adaptation.types, plan: &plan) }
        let source = megatronFiles
        let layout = try MegatronLayout(
            target.sizes, layerCount: model.graph.configuration.layerCount, counts: target.stageLayers)
        try checkHeads(of: model.graph.configuration, layout.sizes)
        try checkExperts(of: model.graph.configuration, layout.sizes)
        let spelling = target.spelling ?? source?.spelling ?? .transformerEngine
        if let source, target.spelling == nil, source.spelling == nil {
            plan.notes.append(
                "the source's modules have names of before Megatron's core; they get Transformer Engine's")
        }
        let lowering = try MegatronLowering(
            model.graph, tensorParallelSize: target.sizes.tensor,
            vocabularyDivisor: vocabularyDivisor(of: source, &plan), spelling: spelling
        ) { writtenType(of: $0.tensor, slot: $0.slot, in: model, original: adaptation.types[$0.slot]) }
        var problems = Problems()
        for entry in model.graph.entries {
            problems.check(
                NamedTensor(entry.slot.description, entry.tensor),
                as: writtenType(of: entry.tensor, slot: entry.slot, in: model, original: adaptation.types[entry.slot]))
        }
        try problems.end()
        if options.dtype != nil, model.graph.configuration.has(.routerBias) { plan.notes.append(Self.routerBiasNote) }
        if options.dtype == nil, model.graph.entries.contains(where: \.tensor.isQuantized) {
            plan.notes.append(Self.decodedNote)
        }

        let types = lowering.tensors.map { TypedTensor(NamedTensor($0.name, $0.tensor), $0.dtype) }
        let description = try MegatronDescription(
            model.graph, layout: layout, lowering, dtype: Self.commonest(types), target)
        plan.warnings += description.warnings
        if model.graph.configuration.hasUnusualLatentNorm, !isMegatron {
            plan.warnings.append(Self.latentNormWarning(model.graph.configuration))
        }
        let added = lowering.vocabularyRows - model.graph.configuration.vocabularySize
        if added > 0 {
            plan.notes.append(
                "\(added) rows of zeros fill the vocabulary of \(model.graph.configuration.vocabularySize) up to "
                    + "\(lowering.vocabularyRows), as Megatron wants for --tp \(target.sizes.tensor)")
        }
        let iteration = source.flatMap { $0.isRelease ? nil : $0.iteration }
        let folder = iteration.map(MegatronFolder.name(ofIteration:)) ?? MegatronFolder.release
        let draft = MegatronDraft(
            configuration: model.graph.configuration, lowering: lowering, layout: layout, target: target,
            folder: folder, iteration: iteration ?? 0,
            arguments: description.arguments(keeping: source?.arguments?.plainValues ?? []))
        switch target.format {
        case .ranks: try draft.lay(into: &plan)
        case .distributed: try draft.layDistributed(maximumFileSize: options.maximumShardSize, into: &plan)
        }
        let dropped = (source?.arguments?.namesOfOthers ?? []).filter { !description.names.contains($0) }
        if !dropped.isEmpty {
            plan.notes.append(
                "the source's args are kept, but not those that are no plain values: \(dropped.abridged)")
        }
        try addHuggingFaceFolder(of: model, to: &plan)
        // Where the source's configuration goes along, it is believed.
        var expected = adaptation.types.isEmpty ? sourceConfiguration : model.graph.configuration
        if model.original == nil {
            expected = model.graph.configuration
            (expected.bosTokens, expected.eosTokens, expected.paddingToken) = ([], [], nil)
        }
        plan.expectedModel = ExpectedModel(
            configuration: expected, statesFamily: model.original != nil, isTied: model.graph.isTied)
        plan.format = "Megatron \(target.format.rawValue)"
        plan.layout =
            target.layoutText(hasExperts: model.graph.configuration.experts != nil) + "names \(spelling.rawValue)"
        plan.outputs.append(
            OutputFile(
                name: MegatronFolder.tracker, bytes: Array((iteration.map(String.init) ?? MegatronFolder.release).utf8))
        )
        restoreTypes(of: model, in: &plan)
        return plan
    }

    private func vocabularyDivisor(of source: MegatronFiles?, _ plan: inout Plan) -> Int {
        guard let said = source?.arguments?.int("make_vocab_size_divisible_by") else {
            return MegatronLowering.usualDivisor
        }
        guard MegatronLowering.divisors.contains(said) else {
            plan.warnings.append(
                "make_vocab_size_divisible_by of the source's args is \(said), which is no model's: "
                    + "\(MegatronLowering.usualDivisor) is taken")
            return MegatronLowering.usualDivisor
        }
        return said
    }

    /// Megatron gives each rank whole heads, and whole groups of them or an equal part of one. Source: Specs/megatron.md §3.2.
    private func checkHeads(
        of configuration: ModelConfiguration, _ sizes: MegatronFiles.ParallelSizes
    ) throws(RecastError) {
        let (heads, groups) = (configuration.headCount, configuration.keyValueHeadCount)
        if configuration.latentAttention != nil {
            guard heads.isMultiple(of: sizes.tensor) else {
                throw .usage("--tp \(sizes.tensor) cannot share \(heads) heads evenly")
            }
            return
        }
        guard heads.isMultiple(of: sizes.tensor),
            groups.isMultiple(of: sizes.tensor) || sizes.tensor.isMultiple(of: groups)
        else {
            throw .usage("--tp \(sizes.tensor) cannot share \(heads) heads in \(groups) groups evenly")
        }
    }

    private func checkExperts(
        of configuration: ModelConfiguration, _ sizes: MegatronFiles.ParallelSizes
    ) throws(RecastError) {
        guard let experts = configuration.experts else {
            guard sizes.expert == 1, sizes.expertTensor == sizes.tensor else {
                throw .usage("--ep and --etp are for models with experts, which this one is not")
            }
            return
        }
        guard experts.count.isMultiple(of: sizes.expert) else {
            throw .usage("--ep \(sizes.expert) does not divide the \(experts.count) experts of the model")
        }
        guard sizes.tensor.isMultiple(of: sizes.expertTensor) else {
            throw .usage(
                "--etp \(sizes.expertTensor) does not divide --tp \(sizes.tensor): two ranks would have the same folder"
            )
        }
    }

    /// What was folded into weights is no longer what the original configuration says: another one travels along, of a
    /// family that computes just what Megatron does.
    ///
    /// - Throws: `unsupported` for biases in a model with experts, of which there is no such family.
    private func takeForLlama(
        _ model: inout Model, types: [Slot: DType], plan: inout Plan
    ) throws(RecastError) {
        let hasExperts = model.graph.configuration.experts != nil
        let dense: Family = model.graph.hasBias([.query]) && !model.graph.hasBias([.attentionOutput]) ? .qwen2 : .llama
        let family: Family = hasExperts ? .mixtral : dense
        let biases = Set(model.graph.entries.filter { $0.slot.part == .bias }.map(\.slot.role))
        guard !hasExperts || biases.isEmpty else {
            throw .unsupported(
                "what Megatron cannot be told is folded into the weights of this \(model.graph.configuration.family), and no family "
                    + "that has experts and biases is otherwise what Megatron computes")
        }
        plan.notes.append(
            "the weights are no longer those of a \(model.graph.configuration.family): they come back as a \(family.name)"
        )
        model.graph.configuration.family = family.name
        model.original = HuggingFaceConfiguration.write(
            HuggingFaceConfiguration.Draft(
                family: family, configuration: model.graph.configuration, isTied: model.graph.isTied, biases: biases,
                dtype: options.dtype ?? types.values.first ?? .f32, original: nil, ropeScaling: nil))
    }

    private var isMegatron: Bool { megatronFiles != nil }

    static let routerBiasNote = "biases of routers keep their type, whatever --dtype says: the order of scores decides"

    static func latentNormWarning(_ configuration: ModelConfiguration) -> String {
        "Megatron's q_layernorm and kv_layernorm add the epsilon \(configuration.normEpsilon) of all norms, "
            + "those of transformers always 1e-06; nothing in a checkpoint says which"
    }

    private var megatronFiles: MegatronFiles? { checkpoint.content.megatron }

    private func refuseOptionsOfOthers() throws(RecastError) {
        if let encoding = options.encoding, encoding.dtype.isQuantized {
            throw .unsupported("Megatron targets cannot hold the encoding \(encoding.name)")
        }
        guard options.packing == nil else {
            throw .unsupported("Megatron targets hold numbers, not packed codes; --dtype says which")
        }
        if let option = options.quantization.given.first { throw .usage("\(option) is not for Megatron targets") }
        guard options.preTokenizer == nil else { throw .usage("--pre-tokenizer is for GGUF targets") }
    }

    /// Megatron does not look at what lies beside its folders: the configuration and the tokenizer, which its own files
    /// do not hold, travel there.
    private func addHuggingFaceFolder(of model: Model, to plan: inout Plan) throws(RecastError) {
        let first = plan.outputs.count
        try addCompanions(try embeddedTokenizer(), keepsQuantization: false, without: [], to: &plan)
        if let original = model.original {
            var configuration = original
            for key in ["quantization_config", "quantization"] { configuration[key] = nil }
            plan.outputs.append(
                OutputFile(
                    name: "config.json",
                    bytes: JSON.object(configuration).serialized(.indented) + [UInt8(ascii: "\n")]))
        }
        for index in plan.outputs[first...].indices {
            plan.outputs[index].name = Path.join(MegatronFolder.companions, plan.outputs[index].name)
        }
        if plan.outputs.count > first {
            plan.notes.append(
                "copied to \(MegatronFolder.companions)/: \(plan.outputs[first...].map { Path.name($0.name) }.abridged)"
            )
        }
    }
}
