extension Planning {
    /// A graph under GGUF's names.
    ///
    /// - Parameters:
    ///   - name: what the model is called.
    ///   - files: what lies beside it; nil where that is of no use to others.
    func ggufDraft(of model: Model, named name: String, _ files: HuggingFaceFiles?) throws(RecastError) -> GGUFDraft {
        var architecture = try GGUFArchitecture.of(model.graph.configuration)
        let sections = model.rotarySections(in: architecture)
        if !sections.isEmpty { architecture = architecture.ofSections ?? architecture }
        var model = model
        var plan = basis(model, form: .file)
        let adaptation = try GGUFAdaptation(model.graph, to: architecture, allowsInexact: options.allowsInexact)
        plan.notes += adaptation.notes
        plan.warnings += adaptation.warnings
        plan.inexactness = adaptation.inexactness
        let source = model.graph.configuration
        model.graph = options.calibrated?.replacing(adaptation.graph) ?? adaptation.graph
        let originalTypes = adaptation.types
        let configuration = model.graph.configuration
        var tensors = try architecture.rotaryTensors(of: configuration.rope)
        tensors += try Lowering(table: architecture.table, target: "the GGUF architecture \(architecture.name)")
            .lower(model.graph, order: .ofGraph)
        tensors = GGUFStacks.packed(tensors, latent: configuration.latentAttention)
        let numbers = architecture.takeNumbers(out: &tensors)
        tensors += try furtherLayers(of: model, plan: &plan)
        if options.encoding == nil, options.dtype == nil { tensors = Self.withFactors(tensors, plan: &plan) }

        guard !options.quantization.keepsSplit else {
            throw .usage("--keep-split is for split GGUF files; --max-shard-size splits what is not")
        }
        var metadata = try metadata(
            of: model, named: name, files, architecture: architecture, tensors: tensors, plan: &plan)
        if !sections.isEmpty {
            metadata["\(architecture.name).rope.dimension_sections"] = .array(
                .i32(sections.map { Int32(clamping: $0) }))
            if let count = model.wrapped?.deepStackLayerCount {
                metadata["\(architecture.name).n_deepstack_layers"] = .u32(UInt32(clamping: count))
            }
        }
        if model.furtherLayers.areInGraph {
            metadata["\(architecture.name).nextn_predict_layers"] = .u32(UInt32(clamping: model.furtherLayers.count))
            // Said of the model's own layers alone.
            let key = "\(architecture.name).\(GGUFArchitecture.sharingKey)"
            if case .array(.bool(let types)) = metadata[key] {
                metadata[key] = .array(.bool(types.dropLast(model.furtherLayers.count)))
            }
        }
        try write(numbers, of: architecture, into: &metadata, plan: &plan)
        if adaptation.holdsAttentionScale { metadata[GGUFAdaptation.attentionScaleKey] = .bool(true) }
        let typed = try types(of: tensors, metadata: metadata, isConverted: true, plan: &plan)
        // In the order of the source, whichever order the quantizer gives the file.
        let single = Set(typed.filter { $0.dtype == .f32 }.map(\.name))
        let changed = (tensors + numbers).map { (name: $0.name, dtype: originalTypes[$0.name] ?? $0.tensor.dtype) }
            .filter { entry in
                entry.dtype != .f32 && (single.contains(entry.name) || numbers.contains { $0.name == entry.name })
            }
        if !changed.isEmpty { metadata[SourceTypes.key] = SourceTypes.value(changed) }
        record(typed, in: &metadata)
        var expected = try architecture.expected(model, source: source, metadata)
        if model.furtherLayers.areInGraph { expected.layers.removeLast(model.furtherLayers.count) }
        plan.expectedModel = ExpectedModel(
            configuration: expected, isTied: model.graph.isTied,
            tokenCount: metadata["tokenizer.ggml.tokens"]?.elementCount)
        return GGUFDraft(plan: plan, metadata: metadata, tensors: typed, graph: model.graph)
    }

    /// Weights of NVFP4 as GGUF has them: codes and scales in blocks, and beside them the factor that llama.cpp multiplies
    /// products with.
    private static func withFactors(_ tensors: [NamedTensor], plan: inout Plan) -> [NamedTensor] {
        var isRounded = false
        let result = tensors.flatMap { tensor -> [NamedTensor] in
            guard tensor.name.hasSuffix(".weight"), let (codes, factors) = tensor.tensor.withoutFactor,
                codes.sameCodes == .nvfp4
            else { return [tensor] }
            var own = tensor
            own.tensor = codes
            isRounded = isRounded || tensor.tensor.isDivided
            return [own, NamedTensor(tensor.name.dropLast(".weight".count) + ".scale", .vector(factors))]
        }
        if isRounded {
            plan.notes.append(
                "GGUF multiplies with a factor where compressed-tensors divides: the reciprocals are rounded to float32"
            )
        }
        return result
    }

    /// What layers for predicting further tokens have besides those of the model. Source: llama.cpp's `nextn` tensors.
    private func furtherLayers(of model: Model, plan: inout Plan) throws(RecastError) -> [NamedTensor] {
        guard model.furtherLayers.areInGraph else {
            if options.furtherLayers == .keep {
                guard model.furtherLayers.count == 0 else {
                    throw .usage(
                        "--mtp keep: llama.cpp's place for the layers of \(model.graph.configuration.family) that predict further tokens is "
                            + "not known")
                }
                plan.warnings.append(Carried.nothingToKeep)
            }
            return []
        }
        // Norms are what those of the model are.
        let offset = offset(ofNorms: model)
        return try model.furtherLayers.tensors.map { (tensor) throws(RecastError) in
            let parts = tensor.name.split(separator: ".").map(String.init)
            guard let place = parts.firstIndex(of: "layers"), parts.count > place + 2,
                let name = Self.nextTokenName(
                    of: parts[(place + 2)...].joined(separator: "."), family: model.graph.configuration.family)
            else {
                throw .unsupported("GGUF has no place for \(tensor.name), of a layer that predicts further tokens")
            }
            let isNorm = name.hasSuffix("norm.weight")
            return NamedTensor(
                "blk.\(parts[place + 1]).\(name)",
                isNorm && offset != 0 ? tensor.tensor.converted(to: .f32, [.adding(Float(offset))]) : tensor.tensor)
        }
    }

    /// What the source adds to the weights of norms, and GGUF has in them.
    private func offset(ofNorms model: Model) -> Double {
        guard let original = model.original, let family = try? Family.of(original, file: "config.json") else {
            return 0
        }
        let source = try? HuggingFaceConfiguration(object: original, file: "config.json").configuration(of: family)
        return (source?.norms.offset ?? 0) - model.graph.configuration.norms.offset
    }

    /// The norm behind such a layer has a place of its own in each architecture.
    private static func nextTokenName(of name: String, family: String) -> String? {
        switch (name, family) {
        case ("final_layernorm.weight", "hy_v3"): "nextn.shared_head_norm.weight"
        case ("final_layernorm.weight", "bailing_moe_v2"): "layer_output_norm.weight"
        default: nextTokenNames[name].map { "nextn." + $0 }
        }
    }

    // swift-format-ignore
    private static let nextTokenNames = [
        "eh_proj.weight":          "eh_proj.weight",          "enorm.weight":            "enorm.weight",
        "hnorm.weight":            "hnorm.weight",            "embed_tokens.weight":     "embed_tokens.weight",
        "shared_head.norm.weight": "shared_head_norm.weight", "shared_head.head.weight": "shared_head_head.weight",
    ]

    /// A GGUF file again: under the same names, for architectures nobody knows too.
    func ggufDraft(of set: GGUFSet) throws(RecastError) -> GGUFDraft {
        var plan = Plan(sources: [], form: .file)
        plan.notes = checkpoint.notes
        plan.warnings = checkpoint.warnings
        try set.checkIsModel()
        guard options.tokenizer == nil, options.preTokenizer == nil else {
            throw .usage(
                "the tokenizer of a GGUF file is copied as it is; --tokenizer and --pre-tokenizer do not apply")
        }
        if options.furtherLayers == .drop,
            set.metadata.pairs.contains(where: { $0.key.hasSuffix(".nextn_predict_layers") })
        {
            throw .usage("--mtp drop: a GGUF file is written again with all its layers")
        }
        var metadata = set.metadata
        for key in ["split.no", "split.count", "split.tensors.count"] { metadata[key] = nil }
        var tensors = checkpoint.tensors
        var shardCounts: [Int]?
        if options.quantization.keepsSplit {
            guard options.maximumShardSize == nil else {
                throw .usage("--keep-split and --max-shard-size contradict each other; use one")
            }
            (tensors, shardCounts) = Self.inFileOrder(tensors, checkpoint.fileIDs)
        }
        if options.isCalibrated { tensors = try calibrated(tensors) }
        let typed = try types(of: tensors, metadata: metadata, isConverted: false, plan: &plan)
        if options.dtype != nil || options.encoding != nil { record(typed, in: &metadata) }
        return GGUFDraft(
            plan: plan, metadata: metadata, tensors: typed, alignment: set.alignment, shardCounts: shardCounts)
    }

    /// The tensors of a file with their places in the graph, and what a calibration has made of them.
    private func calibrated(_ tensors: [NamedTensor]) throws(RecastError) -> [NamedTensor] {
        let graph = try model().graph
        let architecture = try GGUFArchitecture.of(graph.configuration)
        let lowered = GGUFStacks.packed(
            try Lowering(table: architecture.table, target: "the GGUF architecture \(architecture.name)")
                .lower(options.calibrated?.replacing(graph) ?? graph, order: .ofGraph),
            latent: graph.configuration.latentAttention)
        let byName = Dictionary(lowered.map { ($0.name, $0) }) { first, _ in first }
        return tensors.map { tensor in
            guard let found = byName[tensor.name], found.tensor.shape == tensor.tensor.shape else { return tensor }
            var placed = tensor
            placed.slots = found.slots
            if options.calibrated?.replaces(found.slots) == true { placed.tensor = found.tensor }
            return placed
        }
    }

    /// By file and place in it, and how many tensors are in each file.
    private static func inFileOrder(_ tensors: [NamedTensor], _ files: [FileID]) -> ([NamedTensor], [Int]) {
        let positions = Dictionary(uniqueKeysWithValues: files.enumerated().map { ($1, $0) })
        let placed = tensors.map { tensor in
            if case .stored(let file, let offset) = tensor.tensor.recipe {
                (positions[file] ?? 0, offset, tensor)
            } else {
                (0, 0, tensor)
            }
        }
        var counts = Array(repeating: 0, count: files.count)
        for (file, _, _) in placed { counts[file] += 1 }
        return (placed.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2), counts)
    }

    // MARK: Metadata

    /// Says in what types the tensors are, and on what their choice rests: at the end where a quantizer chose them, as
    /// llama.cpp's does. Source: Specs/gguf.md §c.6 and §i.
    private func record(_ tensors: [TypedTensor], in metadata: inout GGUFMetadata) {
        let entries: [(key: String, value: GGUFValue)] = [
            ("general.quantization_version", .u32(2)), ("general.file_type", .u32(fileType(of: tensors))),
        ]
        for (key, value) in entries + (options.quantization.importance?.record ?? [])
            + (options.calibrated?.record.metadata ?? [])
        {
            if options.encoding != nil { metadata[key] = nil }
            metadata[key] = value
        }
    }

    /// Everything but the types, which depend on it.
    private func metadata(
        of model: Model, named name: String, _ files: HuggingFaceFiles?, architecture: GGUFArchitecture,
        tensors: [NamedTensor], plan: inout Plan
    ) throws(RecastError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string(architecture.name)
        metadata["general.type"] = .string("model")
        let generation = try checkpoint.generationConfiguration()
        addSampling(generation, to: &metadata)
        metadata["general.name"] = .string(Self.title(name))
        metadata["general.size_label"] = .string(
            Self.sizeLabel(tensors.reduce(0) { $0 + $1.tensor.elementCount }))
        // The file type has its place here, and its value once types are chosen.
        try architecture.write(
            model.graph.configuration, hasHeadDimension: model.original?["head_dim"]?.int != nil,
            fileType: 0, into: &metadata)
        metadata["general.quantization_version"] = .u32(2)

        if let name = options.preTokenizer, PreTokenizer.known(name) == nil {
            plan.warnings.append("the pre-tokenizer \(name) is written as it was given; llama.cpp must know it")
        }
        let vocabulary = try checkpoint.vocabulary(
            in: try tokenizerFolder(), preTokenizer: options.preTokenizer,
            size: model.graph.configuration.vocabularySize)
        if var vocabulary {
            if vocabulary.special.bos == nil, let id = generation?["bos_token_id"]?.int,
                vocabulary.tokens.indices.contains(id)
            {
                vocabulary.special.bos = id
            }
            plan.warnings += try vocabulary.write(
                into: &metadata, preTokenizer: options.preTokenizer, architecture: architecture)
            compareTokens(of: model.graph.configuration, vocabulary.special, plan: &plan)
        } else {
            metadata["tokenizer.ggml.model"] = .string("no_vocab")
            plan.warnings.append("the source has no tokenizer: the file has none either; --tokenizer DIR adds one")
        }
        try addCompanions(files, model, to: &metadata, plan: &plan)
        return metadata
    }

    /// The keys of a file hold one token of each kind: the tokenizer's, as llama.cpp's converter takes it.
    private func compareTokens(
        of configuration: ModelConfiguration, _ special: Vocabulary.SpecialTokens, plan: inout Plan
    ) {
        let kinds: [(name: String, stated: [Int], token: Int?)] = [
            ("BOS", configuration.bosTokens, special.bos), ("EOS", configuration.eosTokens, special.eos),
            ("padding", configuration.paddingToken.map { [$0] } ?? [], special.padding),
        ]
        for (name, stated, token) in kinds {
            guard let token, !stated.isEmpty else { continue }
            let ids = stated.map(String.init).joined(separator: ", ")
            if !stated.contains(token) {
                plan.warnings.append(
                    "\(name) token: config.json says \(ids), the tokenizer \(token), which GGUF's key holds")
            } else if stated.count > 1 {
                plan.notes.append("\(name) tokens \(ids): GGUF's key holds \(token) alone")
            }
        }
    }

    // swift-format-ignore
    private static let samplingKeys: [(key: String, name: String, isInteger: Bool)] = [
        ("top_k",              "top_k",          true),
        ("top_p",              "top_p",          false),
        ("min_p",              "min_p",          false),
        ("temperature",        "temp",           false),
        ("repetition_penalty", "penalty_repeat", false),
    ]

    private func addSampling(_ generation: JSON?, to metadata: inout GGUFMetadata) {
        for (key, name, isInteger) in Self.samplingKeys {
            guard let number = generation?[key]?.number else { continue }
            metadata["general.sampling.\(name)"] =
                isInteger ? number.int.flatMap(Int32.init(exactly:)).map(GGUFValue.i32) : .f32(Float(number.double))
        }
    }

    private func addCompanions(
        _ files: HuggingFaceFiles?, _ model: Model, to metadata: inout GGUFMetadata, plan: inout Plan
    ) throws(RecastError) {
        var left: [String] = []
        if let files {
            // As it is, where it is that of what the file holds: a wrapper's is not.
            let isOwn = model.original == nil || model.original == files.configuration
            metadata[GGUFCompanions.configurationKey] = GGUFCompanions.value(
                of: isOwn
                    ? try files.folder.contents(of: "config.json")
                    : JSON.object(model.original!).serialized(.indented))
            left = files.ignored
            for name in files.companions {
                guard GGUFCompanions.isEmbedded(name) else {
                    left.append(name)
                    continue
                }
                if options.tokenizer != nil, name != "generation_config.json" { continue }
                let bytes = try files.folder.contents(of: name)
                metadata[GGUFCompanions.key(of: name)] = GGUFCompanions.value(of: bytes)
            }
        } else if let original = model.original {
            metadata[GGUFCompanions.configurationKey] = GGUFCompanions.value(
                of: JSON.object(original).serialized(.indented))
        }
        if let folder = try tokenizerFolder() {
            for name in try folder.names()
            where GGUFCompanions.isEmbedded(name) && name != "generation_config.json" {
                let bytes = try folder.contents(of: name)
                metadata[GGUFCompanions.key(of: name)] = GGUFCompanions.value(of: bytes)
            }
        }
        if !left.isEmpty { plan.notes.append("not copied: \(left.joined(separator: ", "))") }
    }

    /// `qwen2-tiny` as a title: `Qwen2 Tiny`.
    static func title(_ name: String) -> String {
        name.split { $0 == "-" || $0 == "_" }.map { word in
            word.contains(where: \.isUppercase) ? String(word) : word.prefix(1).uppercased() + word.dropFirst()
        }.joined(separator: " ")
    }

    /// The number of parameters in two digits or more: `3.3M`, `135M`, `1.5B`.
    static func sizeLabel(_ count: Int) -> String {
        let units: [(Double, String)] = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (0, "K")]
        let (unit, letter) = units.first { Double(count) > $0.0 } ?? (0, "K")
        let scaled = Double(count) / max(unit, 1e3)
        let isShort = scaled.rounded() < 10
        let tenths = Int((scaled * 10).rounded(.toNearestOrEven))
        return isShort ? "\(tenths / 10).\(tenths % 10)\(letter)" : "\(Int(scaled.rounded(.toNearestOrEven)))\(letter)"
    }
}

extension CalibrationRecord {
    /// As keys of a GGUF file.
    fileprivate var metadata: [(key: String, value: GGUFValue)] {
        [
            ("quantize.calibration.method", .string(method)),
            ("quantize.calibration.effort", .u32(UInt32(clamping: effort))),
            ("quantize.calibration.damping", .f32(Float(damping))),
            ("quantize.calibration.reorder", .bool(reorders)),
            ("quantize.calibration.context", .u32(UInt32(clamping: context))),
            ("quantize.calibration.tokens", .u64(UInt64(clamping: tokenCount))),
            ("quantize.calibration.texts", .array(.string(texts.map(\.line)))),
        ]
    }
}
