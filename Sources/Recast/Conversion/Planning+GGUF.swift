extension Planning {
    /// A graph under GGUF's names.
    func gguf(from model: Model, _ files: HuggingFaceFiles, destination: String) throws(RecastError) -> Plan {
        let configuration = model.graph.configuration
        let architecture = try GGUFArchitecture.of(family: configuration.family)
        var plan = basis(model, form: .file)
        guard configuration.activation == "silu" else {
            throw .unsupported(
                "llama.cpp computes \(architecture.name) with silu, not with \(configuration.activation)")
        }
        if let window = configuration.slidingWindow {
            plan.warnings.append(
                "llama.cpp ignores the sliding window of \(window.size) tokens that layers from \(window.firstLayer) on have"
            )
        }

        var tensors: [NamedTensor] = []
        if let factors = configuration.rope.ggufFactors {
            guard architecture.name == "llama" else {
                throw .unsupported("llama.cpp knows llama3 rotary scaling for the llama architecture only")
            }
            tensors.append(NamedTensor(GGUFArchitecture.rotaryFactorsName, .vector(factors)))
        }
        for entry in model.graph.entries {
            guard let row = architecture.table.row(of: entry.slot.role), row.parts.contains(entry.slot.part) else {
                throw .unsupported("the GGUF architecture \(architecture.name) has no \(entry.slot)")
            }
            // A row of several roles is written where its first one stands.
            guard entry.slot.role == row.roles[0] else { continue }
            let parts = row.roles.compactMap { model.graph[$0, layer: entry.slot.layer, part: entry.slot.part] }
            guard parts.count == row.roles.count else {
                throw .unsupported("the GGUF architecture \(architecture.name) needs all of \(row.roles)")
            }
            tensors.append(
                NamedTensor(
                    row.name(layer: entry.slot.layer, entry.slot.part), row.layout.fuse(parts, configuration)))
        }

        let typed = try types(of: tensors, plan: &plan)
        var metadata = try metadata(of: model, files, architecture: architecture, tensors: typed, plan: &plan)
        let changed = typed.filter { $0.dtype != $0.tensor.dtype && $0.dtype == .f32 }
            .map { (name: $0.name, dtype: $0.tensor.dtype) }
        if !changed.isEmpty { metadata[SourceTypes.key] = SourceTypes.value(changed) }
        try GGUFLayout(metadata: metadata, tensors: typed)
            .lay(out: Path.name(destination), maximumShardSize: options.maximumShardSize, into: &plan)
        return plan
    }

    /// A GGUF file again: under the same names, for architectures nobody knows too.
    func ggufFromGGUF(_ set: GGUFSet, destination: String) throws(RecastError) -> Plan {
        var plan = Plan(sources: checkpoint.files, form: .file)
        plan.warnings = checkpoint.warnings
        guard options.tokenizer == nil, options.preTokenizer == nil else {
            throw .usage(
                "the tokenizer of a GGUF file is copied as it is; --tokenizer and --pre-tokenizer do not apply")
        }
        if let encoding = options.encoding, encoding.dtype.isQuantized {
            let name = set.metadata["general.architecture"]?.string ?? ""
            let hasExperts = set.metadata["\(name).expert_count"]?.int ?? 0 > 0
            guard GGUFArchitecture.all.contains(where: { $0.name == name }), !hasExperts else {
                throw .unsupported(
                    "which types \(encoding.name) gives to the tensors of \(hasExperts ? "experts" : "\"\(name)\"") is not "
                        + "known yet")
            }
        }
        let typed = try types(of: checkpoint.tensors, plan: &plan)
        var metadata = set.metadata
        for key in ["split.no", "split.count", "split.tensors.count"] { metadata[key] = nil }
        if options.dtype != nil || options.encoding != nil {
            metadata["general.quantization_version"] = .u32(2)
            metadata["general.file_type"] = .u32(fileType(of: typed))
        }
        try GGUFLayout(metadata: metadata, tensors: typed, alignment: set.alignment)
            .lay(out: Path.name(destination), maximumShardSize: options.maximumShardSize, into: &plan)
        return plan
    }

    // MARK: Types

    /// The type of each tensor and their order: the quantizer's for an encoding, else the converter's.
    private func types(
        of tensors: [NamedTensor], plan: inout Plan
    ) throws(RecastError) -> [TypedTensor] {
        if options.encoding != nil, options.dtype != nil {
            throw .usage("--dtype and --encoding are two ways to say the same; use one")
        }
        let mix = options.encoding.map { GGUFMix($0, tensors: tensors) }
        var typed: [TypedTensor] = []
        var again: [String] = []
        var problems = Problems()
        for tensor in mix == nil ? tensors : GGUFMix.sorted(tensors) {
            var dtype = tensor.tensor.dtype
            if GGUFMix.isQuantizable(tensor) {
                dtype = mix?.dtype(of: tensor) ?? options.dtype ?? dtype
            } else if dtype.kind == .float {
                dtype = .f32
            }
            if dtype.ggufNumber == nil, dtype.kind == .float { dtype = .f32 }
            problems.check(tensor, as: dtype)
            if tensor.tensor.dtype.isQuantized, dtype.isQuantized, dtype != tensor.tensor.dtype {
                again.append(tensor.name)
            }
            typed.append(TypedTensor(tensor, dtype))
        }
        try problems.end()
        if !again.isEmpty {
            plan.warnings.append(
                "\(again.count) tensors, such as \(again[0]), are already quantized and are quantized again: "
                    + "the original would give a better result")
        }
        return typed
    }

    /// `general.file_type`: the encoding's number, or that of the commonest type.
    private func fileType(of tensors: [TypedTensor]) -> UInt32 {
        if let encoding = options.encoding { return encoding.number }
        let weights = tensors.filter { GGUFMix.isQuantizable($0.named) }
        let dtype = Self.commonest(weights)
        return GGUFFileType.all.first { $0.dtype == dtype }?.number ?? 0
    }

    // MARK: Metadata

    private func metadata(
        of model: Model, _ files: HuggingFaceFiles, architecture: GGUFArchitecture, tensors: [TypedTensor],
        plan: inout Plan
    ) throws(RecastError) -> GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string(architecture.name)
        metadata["general.type"] = .string("model")
        let generation = try checkpoint.generationConfiguration()
        addSampling(generation, to: &metadata)
        metadata["general.name"] = .string(Self.title(files.folder.name))
        metadata["general.size_label"] = .string(
            Self.sizeLabel(tensors.reduce(0) { $0 + $1.tensor.elementCount }))
        try architecture.write(
            model.graph.configuration, hasHeadDimension: model.original?["head_dim"]?.int != nil,
            fileType: fileType(of: tensors), into: &metadata)
        metadata["general.quantization_version"] = .u32(2)

        if let name = options.preTokenizer, PreTokenizer.known(name) == nil {
            plan.warnings.append("the pre-tokenizer \(name) is written as it was given; llama.cpp must know it")
        }
        let vocabulary = try checkpoint.vocabulary(
            directory: options.tokenizer, preTokenizer: options.preTokenizer,
            size: model.graph.configuration.vocabularySize)
        if var vocabulary {
            if vocabulary.special.bos == nil, let id = generation?["bos_token_id"]?.int,
                vocabulary.tokens.indices.contains(id)
            {
                vocabulary.special.bos = id
            }
            try vocabulary.write(into: &metadata, preTokenizer: options.preTokenizer)
        } else {
            metadata["tokenizer.ggml.model"] = .string("no_vocab")
            plan.warnings.append("the source has no tokenizer: the file has none either; --tokenizer DIR adds one")
        }
        try addCompanions(files, model, to: &metadata, plan: &plan)
        return metadata
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
        _ files: HuggingFaceFiles, _ model: Model, to metadata: inout GGUFMetadata, plan: inout Plan
    ) throws(RecastError) {
        metadata[GGUFCompanions.configurationKey] = GGUFCompanions.value(
            of: try files.folder.contents(of: "config.json"))
        var left: [String] = files.ignored
        for name in files.companions {
            guard GGUFCompanions.travels(name) else {
                left.append(name)
                continue
            }
            if options.tokenizer != nil, name != "generation_config.json" { continue }
            let bytes = try files.folder.contents(of: name)
            metadata[GGUFCompanions.key(of: name)] = GGUFCompanions.value(of: bytes)
        }
        if let directory = options.tokenizer {
            let folder = try Folder(path: directory)
            for name in try folder.names()
            where GGUFCompanions.travels(name) && name != "generation_config.json" {
                let bytes = try folder.contents(of: name)
                metadata[GGUFCompanions.key(of: name)] = GGUFCompanions.value(of: bytes)
            }
        }
        if !left.isEmpty { plan.notes.append("GGUF does not take along: \(left.joined(separator: ", "))") }
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
