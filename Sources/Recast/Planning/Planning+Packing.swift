extension Planning {
    /// The tensors of a Hugging Face target, and what its configuration says about their quantization.
    struct TypedOutcome {
        enum Quantization {
            case none
            /// Codes and configuration are those of the source.
            case kept([PackedEncoding])
            case new(QuantizationConfiguration.Draft)
        }

        var tensors: [TypedTensor] = []
        var quantization = Quantization.none
    }

    /// How each tensor of a lowered graph is stored.
    func typedTensors(
        _ lowered: HuggingFaceLowering.Outcome, _ model: Model, plan: inout Plan
    ) throws(RecastError) -> TypedOutcome {
        var outcome = TypedOutcome()
        var problems = Problems()
        var plain: [QuantizationConfiguration.Draft.Module] = []
        let modelType = options.dtype ?? modelType(lowered, in: model)
        var roundedNames: [String] = []
        var widenedNames: [String] = []
        var obstacles: [(reason: String, names: [String])] = []
        var decodedCount = 0
        var kept: [PackedEncoding] = []
        var linted: [ConsumerLint.Weight] = []
        try checkImportance()
        let packing = options.packing
        if packing != nil, let family = try? Family.named(lowered.configuration.family), family.transposesWeights {
            throw Self.refusalOfTransposed(family.architectures[0])
        }
        var policy: PackingPolicy?
        if let packing { policy = try PackingPolicy(packing, options.quantization) }
        var modules: [QuantizationConfiguration.Draft.Module] = []
        // A configuration speaks of all weights: they stay as they are together, or not at all.
        let keepsCodes =
            packing == nil && options.dtype == nil && options.encoding == nil
            && lowered.tensors.allSatisfy { !$0.tensor.isQuantized || $0.tensor.storedParts != nil }
        for tensor in lowered.tensors {
            let slot = tensor.slots[0]
            var asked: (dtype: DType, option: String)?
            var chosen: (packing: Packing, option: String?)?
            if let packing, slot.part == .weight, packing.takes(slot.role) {
                let choice = try policy!.choice(for: tensor.name)
                switch choice.type {
                case .packing(let packing): chosen = (packing, choice.asked?.text)
                case .dtype(let dtype): asked = (dtype, choice.asked?.text ?? "")
                }
            }
            if let (packing, option) = chosen {
                let encoding = packing.encoding(of: tensor.tensor, modelType: modelType)
                let obstacle = Self.obstacle(of: encoding, tensor.tensor)
                linted.append(
                    ConsumerLint.Weight(
                        slot: slot, name: tensor.name, shape: tensor.tensor.shape,
                        encoding: obstacle == nil ? encoding : nil))
                if obstacle == nil {
                    problems.check(tensor, as: .f32)
                    var encoding = encoding
                    var source = tensor
                    if packing.format == .bitsandbytes { (source, encoding) = Self.flattened(tensor, encoding) }
                    outcome.tensors.append(
                        TypedTensor(source, .packed(encoding), method: packing.method, remark: option))
                    modules.append(
                        QuantizationConfiguration.Draft.Module(
                            name: String(tensor.name.dropLast(".weight".count)), slot: slot, encoding: encoding))
                    continue
                }
                if let index = obstacles.firstIndex(where: { $0.reason == obstacle! }) {
                    obstacles[index].names.append(tensor.name)
                } else {
                    obstacles.append((obstacle!, [tensor.name]))
                }
            }
            // Linear layers in one program or another, which would look for codes.
            if slot.part == .weight, slot.role.isLinear || slot.role.isPlainLinear {
                plain.append(
                    QuantizationConfiguration.Draft.Module(
                        name: String(tensor.name.dropLast(".weight".count)), slot: slot, encoding: nil))
            }
            if keepsCodes, let (encoding, _) = tensor.tensor.storedParts {
                outcome.tensors += Self.storedParts(of: tensor)!
                kept.append(encoding)
                continue
            }
            var dtype = writtenType(of: tensor.tensor, slot: slot, in: model, original: lowered.types[slot])
            if let asked {
                dtype = asked.dtype
                linted.append(
                    ConsumerLint.Weight(slot: slot, name: tensor.name, shape: tensor.tensor.shape, encoding: nil))
            } else if tensor.tensor.isQuantized {
                decodedCount += 1
                // What stays plain beside quantized weights has the type of the model.
                if packing != nil, dtype != modelType {
                    dtype = modelType
                    roundedNames.append(tensor.name)
                }
            }
            // Beside quantized weights, numbers of a byte would be taken for codes without a scale.
            if packing != nil, dtype.kind == .float, dtype.blockBytes == 1 {
                dtype = modelType
                widenedNames.append(tensor.name)
            }
            problems.check(tensor, as: dtype)
            outcome.tensors.append(TypedTensor(tensor, dtype, remark: asked?.option))
        }
        for (tensor, isTower) in lowered.carried.tensors {
            if keepsCodes, let (encoding, _) = tensor.tensor.storedParts {
                outcome.tensors += Self.storedParts(of: tensor)!
                kept.append(encoding)
            } else if tensor.tensor.isQuantized {
                decodedCount += 1
                outcome.tensors.append(TypedTensor(tensor, options.dtype ?? (packing == nil ? .f32 : modelType)))
            } else {
                // Towers stay as they are; what belongs to the text model takes its type.
                let dtype = tensor.tensor.dtype
                let isNumber = [.f16, .bf16, .f32].contains(dtype)
                outcome.tensors.append(TypedTensor(tensor, isTower || !isNumber ? dtype : options.dtype ?? dtype))
            }
        }
        try problems.end()
        for (reason, names) in obstacles {
            let reason = names.count == 1 ? reason : reason.replacing("its ", with: "their ", maxReplacements: 1)
            plan.notes.append("\(names.abridged) \(names.count == 1 ? "is" : "are") not quantized: \(reason)")
        }
        if !widenedNames.isEmpty {
            plan.notes.append(
                "\(widenedNames.abridged) stay plain and are written as \(modelType): beside quantized weights, single bytes "
                    + "would be taken for codes")
        }
        if let importance = options.quantization.importance {
            let architecture = try? GGUFArchitecture.of(model.graph.configuration)
            try attachImportance(&outcome.tensors, by: importance, plan: &plan) { tensor in
                // Importance files name weights as GGUF does.
                guard let slot = tensor.slots.first, let row = architecture?.table.row(of: slot) else {
                    return tensor.name
                }
                return row.name(layer: slot.layer, expert: slot.expert, slot.part)
            }
        }
        if let packing {
            plan.warnings += policy!.warnings
            guard outcome.tensors.contains(where: { $0.encoding.dtype == nil }) else {
                throw .unsupported("no weight can be stored as \(packing.name): \(plan.notes.last ?? "there is none")")
            }
            let draft = QuantizationConfiguration.Draft(
                encoding: packing.template, modules: modules, plain: plain, modelType: modelType)
            try draft.checkModules()
            if packing.format == .mlx { outcome.tensors = MLXNames.stacked(outcome.tensors) }
            outcome.quantization = .new(draft)
            if packing.format == .packQuantized, packing.scheme.origin == .zeroPoint {
                plan.warnings.append(
                    "asymmetric compressed-tensors weights load in vLLM, and in transformers with "
                        + "CompressedTensorsConfig(dequantize=True); symmetric ones load everywhere")
            }
            plan.warnings += ConsumerLint(weights: linted).warnings
        } else if !kept.isEmpty {
            if kept[0].format == .mlx { outcome.tensors = MLXNames.stacked(outcome.tensors) }
            outcome.quantization = .kept(kept)
        }
        if !roundedNames.isEmpty {
            plan.notes.append(
                "\(roundedNames.abridged) of the quantized source stay plain and are rounded to \(modelType), the type of the "
                    + "model's other weights")
        }
        if packing == nil, options.dtype == nil, options.encoding == nil, decodedCount > 0 {
            plan.notes.append(Self.decodedNote)
        }
        return outcome
    }

    /// Importance only matters where something is searched for.
    private func checkImportance() throws(RecastError) {
        guard options.quantization.importance != nil else { return }
        guard let packing = options.packing, packing.method == .search, packing.format != .bitsandbytes else {
            throw .usage("--importance weighs the errors of a search: it needs --method search, and not nf4 or fp4")
        }
    }

    /// Codes with minima move to a format of whole zeros only where the minima are whole multiples of their scales; others are
    /// quantized again.
    func resolveZeroPoints(in plan: inout Plan) throws(RecastError) {
        let wanted = plan.transfers.indices.filter { plan.transfers[$0].repacking?.needsWholeZeros == true }
        guard !wanted.isEmpty else { return }
        var reader = Reader(files: checkpoint.sources)
        var byteCount = 0
        var wholeCount = 0
        for index in wanted {
            let transfer = plan.transfers[index]
            let answer = try transfer.source.hasWholeZeros(transfer.repacking!, using: &reader)
            byteCount += answer.byteCount
            if answer.isWhole {
                wholeCount += 1
            } else {
                plan.transfers[index].repacking = nil
                plan.transfers[index].exactness = .quantized
            }
        }
        plan.evidence.append(
            Evidence(
                question: "minima that are whole zero points:", answer: "of \(wholeCount) of \(wanted.count) weights",
                byteCount: byteCount))
    }

    static func obstacle(of encoding: PackedEncoding, _ tensor: LazyTensor) -> String? {
        guard tensor.shape.count == 2 else { return "it has \(tensor.shape.count) dimensions" }
        return encoding.obstacle(rows: tensor.rowCount, columns: tensor.columnCount)
    }

    /// A weight as the runs of numbers that bitsandbytes cuts it into.
    static func flattened(
        _ tensor: NamedTensor, _ encoding: PackedEncoding
    ) -> (NamedTensor, PackedEncoding) {
        var encoding = encoding
        encoding.flatShape = tensor.tensor.shape
        let block = PackedEncoding.bitsandbytesBlock
        // Runs of 64 numbers end within blocks of 256.
        let flat = tensor.tensor.converted(to: .f32).reshaped([tensor.tensor.elementCount / block, block])
        return (NamedTensor(tensor.name, flat, slots: tensor.slots), encoding)
    }

    /// The stored tensors of a quantized weight that is as it was read.
    private static func storedParts(of tensor: NamedTensor) -> [TypedTensor]? {
        guard let (encoding, parts) = tensor.tensor.storedParts else { return nil }
        let stem = String(tensor.name.dropLast(".weight".count))
        let shape = tensor.tensor.storedShape
        return zip(encoding.layouts(rows: shape[0], columns: shape[1]), parts).map { layout, part in
            TypedTensor(NamedTensor(stem + layout.suffix, part, slots: tensor.slots), part.dtype)
        }
    }

    /// The type of most of the weights that are not quantized; of none, bfloat16.
    func modelType(_ lowered: HuggingFaceLowering.Outcome, in model: Model) -> DType {
        var counts: [DType: Int] = [:]
        for tensor in lowered.tensors where !tensor.tensor.isQuantized {
            let slot = tensor.slots[0]
            let dtype = keptType(of: tensor.tensor, tensor.tensor.dtype, slot: slot, in: model)
            if [.f16, .bf16, .f32].contains(dtype) { counts[dtype, default: 0] += tensor.tensor.elementCount }
        }
        return counts.max { ($0.value, $0.key.name) < ($1.value, $1.key.name) }?.key ?? .bf16
    }
}

extension LazyTensor {
    /// Whether the minima of a packed weight are whole multiples of their scales. Those of blocks are not looked for: they
    /// lie between all the codes.
    fileprivate func hasWholeZeros(
        _ repacking: Repacking, using reader: inout Reader
    ) throws(RecastError) -> (isWhole: Bool, byteCount: Int) {
        guard let (encoding, parts) = storedParts else { return (false, 0) }
        var scales: LazyTensor?
        var minima: LazyTensor?
        for (layout, part) in zip(encoding.layouts(rows: storedShape[0], columns: storedShape[1]), parts) {
            if case .scales(isTransposed: false) = layout.content { scales = part.converted(to: .f32) }
            if layout.content == .minima { minima = part.converted(to: .f32) }
        }
        guard let scales, let minima else { return (false, 0) }
        let byteCount = scales.byteCount + minima.byteCount
        for row in 0..<scales.rowCount {
            let rows = row..<row + 1
            let isWhole = repacking.hasWholeZeros(
                scales: try scales.numbers(rows: rows, as: Float.self, using: &reader),
                minima: try minima.numbers(rows: rows, as: Float.self, using: &reader))
            if !isWhole { return (false, byteCount) }
        }
        return (true, byteCount)
    }
}

extension Packing {
    /// Whether this encoding's consumers expect a role's weight quantized.
    func takes(_ role: Role) -> Bool {
        role.isLinear || includesEmbeddings && (role == .tokenEmbedding || role == .outputHead)
    }
}
