/// Hugging Face checkpoints of architectures that are no family here: every tensor under its own name, without a graph.
///
/// What can be done so needs no knowledge of what is computed: other types, other shards, codes for the weights of linear
/// layers, which are known by their names and shapes. All else stays as it is.
extension Planning {
    /// - Parameter architecture: what the configuration calls the model.
    func byName(_ files: HuggingFaceFiles, _ architecture: String) throws(RecastError) -> Plan {
        try refuseWhatNeedsAGraph(architecture)
        var plan = Plan(sources: [], form: .directory)
        plan.format = "Hugging Face safetensors"
        plan.layout = "\(architecture)'s own layout, by name"
        plan.warnings = checkpoint.warnings
        plan.notes.append(
            "\(architecture) is no family that is known: its tensors are converted by name, and nothing else of it is looked at"
        )
        let typed = try tensorsByName(files, architecture, plan: &plan)
        var configuration = files.configuration ?? JSON.Object()
        var extraFiles: [(name: String, json: JSON)] = []
        switch typed.quantization {
        case .kept: break
        case .none: for key in ["quantization_config", "quantization"] { configuration[key] = nil }
        case .new(let draft): QuantizationConfiguration.add(draft, to: &configuration, files: &extraFiles)
        }
        if options.dtype != nil {
            let dtype = JSON.string(Self.commonest(typed.tensors).torchName)
            configuration = Self.stating(dtype, in: configuration)
        }
        plan.outputs.append(
            OutputFile(
                name: "config.json", bytes: JSON.object(configuration).serialized(.indented) + [UInt8(ascii: "\n")]))
        var keepsQuantization = false
        if case .kept = typed.quantization { keepsQuantization = true }
        try addCompanions(nil, keepsQuantization: keepsQuantization, without: [], to: &plan)
        for (name, json) in extraFiles {
            plan.outputs.append(OutputFile(name: name, bytes: json.serialized(.indented) + [UInt8(ascii: "\n")]))
        }
        let metadata = options.packing.map { [("format", $0.format == .mlx ? "mlx" : "pt")] } ?? headerMetadata
        try SafetensorsLayout(metadata: metadata, tensors: typed.tensors)
            .lay(maximumShardSize: options.maximumShardSize, into: &plan)
        try resolveZeroPoints(in: &plan)
        return plan
    }

    private func refuseWhatNeedsAGraph(_ architecture: String) throws(RecastError) {
        func refusal(_ option: String) -> RecastError {
            .unsupported(
                "\(option) needs to know what \(architecture) computes, which is no family that is known (recast families): by name "
                    + "there are --dtype, --max-shard-size and encodings without calibration")
        }
        if options.isCalibrated { throw refusal("calibration") }
        if options.quantization.importance != nil { throw refusal("--importance") }
        if options.furtherLayers == .drop { throw refusal("--mtp drop") }
        if let encoding = options.encoding {
            throw .unsupported("Hugging Face targets cannot hold the encoding \(encoding.name)")
        }
        guard options.preTokenizer == nil else {
            throw .usage("--pre-tokenizer says how a tokenizer of GGUF keys cuts text: here it would change nothing")
        }
        guard options.packing != nil, Self.transposing.contains(where: architecture.hasPrefix) else { return }
        throw Self.refusalOfTransposed(architecture)
    }

    static func refusalOfTransposed(_ architecture: String) -> RecastError {
        .unsupported(
            "\(architecture) stores the weights of its layers transposed (Conv1D), which programs do not load quantized"
        )
    }

    /// Models whose layers are `Conv1D` modules, with weights of inputs × outputs.
    private static let transposing = [
        "GPT2", "gpt2", "OpenAIGPT", "openai-gpt", "ImageGPT", "imagegpt", "DecisionTransformer",
    ]

    /// A configuration with another type wherever it says one: of itself, and of the models within it, whose tensors have
    /// it too.
    private static func stating(_ dtype: JSON, in configuration: JSON.Object) -> JSON.Object {
        var configuration = configuration
        for member in configuration.members {
            if ["torch_dtype", "dtype"].contains(member.key) {
                configuration[member.key] = dtype
            } else if member.key.hasSuffix("_config"), !member.key.hasPrefix("quantization"),
                let inner = member.value.object
            {
                configuration[member.key] = .object(stating(dtype, in: inner))
            }
        }
        return configuration
    }

    private func tensorsByName(
        _ files: HuggingFaceFiles, _ architecture: String, plan: inout Plan
    ) throws(RecastError) -> TypedOutcome {
        var outcome = TypedOutcome()
        guard options.dtype != nil || options.packing != nil else {
            let (tensors, removed) = try WrappedNames.unwrapped(files.tensors, file: files.folder.path)
            if !removed.isEmpty {
                plan.notes.append("names of tensors are read without \(removed.joined(separator: " and "))")
            }
            outcome.tensors = tensors.map { TypedTensor($0, $0.tensor.dtype) }
            outcome.quantization = .kept([])
            return outcome
        }
        let read = try files.quantizedModules(of: checkpoint)
        plan.warnings += read?.warnings ?? []
        plan.evidence += read?.evidence ?? []
        let tensors = read?.tensors ?? files.tensors
        let modelType = options.dtype ?? Self.commonest(tensors.map { TypedTensor($0, $0.tensor.dtype) })
        var (kept, quantized) = ([String](), [QuantizationConfiguration.Draft.Module]())
        var plain: [QuantizationConfiguration.Draft.Module] = []
        var policy: PackingPolicy?
        if let packing = options.packing { policy = try PackingPolicy(packing, options.quantization) }
        var problems = Problems()
        for tensor in tensors {
            let module = tensor.name.hasSuffix(".weight") ? String(tensor.name.dropLast(".weight".count)) : nil
            var dtype: DType?
            if options.packing != nil, let module, tensor.isLinear {
                switch try policy!.choice(for: tensor.name).type {
                case .packing(let packing):
                    var (source, encoding) = (tensor, packing.encoding(of: tensor.tensor, modelType: modelType))
                    if let obstacle = Self.obstacle(of: encoding, tensor.tensor) {
                        plan.notes.append("\(tensor.name) is not quantized: \(obstacle)")
                    } else {
                        problems.check(tensor, as: .f32)
                        if packing.format == .bitsandbytes { (source, encoding) = Self.flattened(tensor, encoding) }
                        outcome.tensors.append(TypedTensor(source, .packed(encoding), method: packing.method))
                        quantized.append(.init(name: module, slot: nil, encoding: encoding))
                        continue
                    }
                case .dtype(let asked): dtype = asked
                }
            }
            if options.packing != nil, let module, tensor.tensor.shape.count == 2 {
                plain.append(.init(name: module, slot: nil, encoding: nil))
            }
            let own = tensor.tensor.dtype
            let isNumber = [.f16, .bf16, .f32].contains(own) || tensor.tensor.isQuantized
            // Programs add the biases of routers in float32.
            if !isNumber || tensor.name.contains("e_score_correction_bias") {
                if own.kind == .float, options.dtype != nil { kept.append(tensor.name) }
                outcome.tensors.append(TypedTensor(tensor, own))
                continue
            }
            let target = dtype ?? options.dtype ?? (tensor.tensor.isQuantized ? modelType : own)
            problems.check(tensor, as: target)
            outcome.tensors.append(TypedTensor(tensor, target))
        }
        try problems.end()
        if !kept.isEmpty { plan.notes.append("\(kept.abridged) keep their types") }
        guard let packing = options.packing else { return outcome }
        plan.warnings += policy!.warnings
        guard !quantized.isEmpty else {
            throw .unsupported(
                "no weight of \(architecture) can be stored as \(packing.name): none has the shape and name of one")
        }
        plan.notes.append(
            "quantized are \(quantized.count) matrices of numbered layers; embeddings, heads, routers and towers stay plain, "
                + "\(plain.count) matrices, such as \(plain.first?.name ?? "none"); --override REGEX=bf16 leaves out more"
        )
        let draft = QuantizationConfiguration.Draft(
            encoding: packing.template, modules: quantized, plain: plain, modelType: modelType)
        try draft.checkModules()
        if packing.format == .mlx { outcome.tensors = MLXNames.stacked(outcome.tensors) }
        outcome.quantization = .new(draft)
        return outcome
    }
}

extension NamedTensor {
    /// Whether this is, by name and shape, the weight of a linear layer that programs expect quantized: a matrix of a numbered
    /// layer, but no embedding, norm or router, and not of a tower.
    fileprivate var isLinear: Bool {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.last == "weight", parts.count > 2, tensor.shape.count == 2, tensor.dtype.kind == .float,
            parts.contains(where: { Int($0) != nil })
        else { return false }
        let module = parts[parts.count - 2].lowercased()
        let others = [
            "embed", "norm", "router", "position", "relative_attention_bias", "wte", "wpe", "lm_head", "lora",
        ]
        let isRouter = ["gate", "shared_expert_gate", "wg"].contains(module)
        return !isRouter && !others.contains(where: module.contains)
            && !parts.contains(where: WrappedModel.towerNames.contains)
    }
}
