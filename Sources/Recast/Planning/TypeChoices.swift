/// The tensors of a target whose types are free to be chosen.
package struct TypeChoices: Sendable {
    package struct Tensor: Sendable {
        package var name: String
        /// The weights it holds, in the graph: of several roles where these are fused, of several experts where these are
        /// stacked.
        package var slots: [Slot]
        package var shape: [Int]
    }

    /// Which tensors the programs that load the target multiply with together.
    package enum Fusion: Sendable, Hashable {
        /// llama.cpp's, and mlx-lm's: gate with up, and all experts of a role; query and key are one thing to a softmax.
        case pairs
        /// vLLM's and SGLang's: query, key and value, and all experts of a layer.
        case layers
    }

    /// The model as the target states it.
    package var graph: Graph
    /// Those that there are to choose from, those with fewer bits first.
    package var types: [WeightType]
    package var fusion: Fusion
    /// Where tensors begin in a file: at multiples of so many bytes.
    package var alignment: Int
    /// Of the weights that are not quantized, where scales have it.
    var modelType: DType
    /// In the order of the file.
    package var tensors: [Tensor] = []
    /// Tensors that could be quantized and whose types are not free: asked for, or such that no calibration can choose their
    /// codes.
    package var fixed: [(name: String, type: WeightType, isAsked: Bool)] = []
    package var asked: [String] { fixed.filter(\.isAsked).map(\.name) }

    /// What others would give the tensors, by their names: the file types of llama-quantize, or one encoding for all.
    package var mixes: [(name: String, types: [String: WeightType])] = []

    init(graph: Graph, types: [WeightType], fusion: Fusion, alignment: Int, modelType: DType = .bf16) {
        (self.graph, self.types, self.fusion, self.alignment, self.modelType) = (
            graph, types, fusion, alignment, modelType
        )
    }

    package func encoding(_ type: WeightType) -> Encoding { type.encoding(modelType: modelType) }

    /// Whether a tensor's rows are whole blocks.
    package func fits(_ tensor: Tensor, _ type: WeightType) -> Bool { encoding(type).parts(of: tensor.shape) != nil }

    /// What a tensor takes in a file, with what is left free behind it.
    ///
    /// - Parameter alignment: 1 counts nothing free.
    package func byteCount(_ tensor: Tensor, as type: WeightType, alignment: Int) -> Int {
        encoding(type).parts(of: tensor.shape)!.reduce(0) {
            $0 + $1.dtype.byteCount(ofBlocks: $1.shape.reduce(1, *)).aligned(to: alignment)
        }
    }
}

extension WeightType {
    /// The types of GGUF that a budget chooses among, those with fewer bits first.
    static let budgetTypes: [WeightType] = [
        .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .q2_k, .iq3_xxs, .iq3_s, .q3_k, .iq4_xs, .mxfp4, .iq4_nl, .q4_0,
        .q4_k, .q4_1, .q5_0, .q5_k, .q5_1, .q6_k, .q8_0,
    ].map(WeightType.dtype)
}

extension Planning {
    /// The plan's choices, beside what its options ask for.
    ///
    /// - Throws: what planning throws; `usage` for targets that have no types by tensor.
    package func typeChoices() throws(RecastError) -> TypeChoices {
        guard options.dtype == nil || options.packing != nil else {
            throw .usage("--dtype says how all weights are stored; a budget chooses the type of each")
        }
        switch options.target {
        case .gguf: return try choicesOfGGUF()
        case .huggingFace(let family):
            guard let packing = options.packing else {
                throw .usage(
                    "a budget chooses among the widths of a format, which --encoding names, such as mlx-int4 or gptq-int4; in a "
                        + "DESTINATION that ends in .gguf, among its types")
            }
            return try choices(of: packing, family)
        case .megatron: throw .usage("Megatron targets hold no quantized weights")
        }
    }

    private func choicesOfGGUF() throws(RecastError) -> TypeChoices {
        if let packing = options.packing {
            throw .usage("\(packing.name) is an encoding of Hugging Face targets; DESTINATION is a GGUF file")
        }
        if let encoding = options.encoding, !encoding.dtype.isQuantized {
            throw .usage("\(encoding.name) quantizes nothing, and a budget chooses among types that do")
        }
        // What follows the file type, whichever it is, is free.
        let draft = try draft(pure: .q8_0)
        let architecture = draft.metadata["general.architecture"]?.string ?? ""
        let plainTensors = try self.draft(pure: .f16).tensors
        let targets = try Planning(try model(), pureOptions(.q8_0)).calibrationTargets()
        let plain = Dictionary(plainTensors.map { ($0.name, $0.dtype) }) { first, _ in first }
        var choices = TypeChoices(
            graph: targets.graph, types: WeightType.budgetTypes, fusion: .pairs, alignment: 32)
        for tensor in draft.tensors {
            let slots = targets.weights(of: tensor)
            let isFree = tensor.dtype == .q8_0 && plain[tensor.name] == .f16
            if isFree, !slots.isEmpty, slots.allSatisfy({ targets.encodings[$0] != nil }) {
                choices.tensors.append(
                    TypeChoices.Tensor(name: tensor.name, slots: slots, shape: tensor.tensor.shape))
            } else if tensor.named.isQuantizable(in: architecture) {
                choices.fixed.append((tensor.name, .dtype(tensor.dtype), !isFree))
            }
        }
        for type in GGUFFileType.allCases where type.dtype.isQuantized && type.dtype.isEncodable {
            var options = pureOptions(type)
            options.quantization.isPure = false
            // A mix that nothing stands in for is none.
            guard let tensors = try? Planning(try model(), options).ggufDraft().tensors else { continue }
            choices.mixes.append(
                (type.name, Dictionary(tensors.map { ($0.name, .dtype($0.dtype)) }) { first, _ in first }))
        }
        return choices
    }

    /// Among the widths of a format.
    private func choices(of packing: Packing, _ family: String?) throws(RecastError) -> TypeChoices {
        let widths = try packing.widths()
        guard widths.count > 1 else {
            throw .usage(
                "a budget has nothing to choose: a checkpoint has \(packing.name) for all of its quantized weights; gptq-int4, "
                    + "ct-int4 and mlx-int4 are of several widths, and types of GGUF are many")
        }
        let targets = try calibrationTargets()
        let model = try model()
        var plan = basis(model, form: .directory)
        let layout = try Family.named(family ?? model.graph.configuration.family)
        let outcome = try typedTensors(try lowered(model, layout, plan: &plan), model, plan: &plan)
        guard case .new(let draft) = outcome.quantization else {
            preconditionFailure("a packing makes a configuration")
        }
        var choices = TypeChoices(
            graph: targets.graph, types: widths.map(WeightType.packing),
            fusion: packing.format == .mlx ? .pairs : .layers,
            alignment: 1, modelType: draft.modelType)
        var policy = try PackingPolicy(packing, options.quantization)
        for tensor in outcome.tensors where tensor.named.slots.first?.part == .weight {
            guard packing.takes(tensor.named.slots[0].role) else { continue }
            let slots = targets.weights(of: tensor)
            let choice = try policy.choice(for: tensor.name)
            if choice.asked == nil, !slots.isEmpty, slots.allSatisfy({ targets.encodings[$0] != nil }) {
                choices.tensors.append(
                    TypeChoices.Tensor(name: tensor.name, slots: slots, shape: tensor.named.tensor.shape))
            } else if choice.asked != nil || tensor.encoding.isQuantized {
                choices.fixed.append((tensor.name, choice.type, choice.asked != nil))
            }
        }
        for width in widths {
            choices.mixes.append(
                (width.name, Dictionary(choices.tensors.map { ($0.name, .packing(width)) }) { first, _ in first }))
        }
        return choices
    }

    /// This plan with a type for each tensor.
    package func giving(_ types: [(name: String, type: WeightType)]) throws(RecastError) -> Planning {
        var options = options
        options.quantization.recipe = try Recipe(types)
        if options.packing == nil {
            if options.encoding == nil { options.encoding = options.quantization.recipe!.fileType }
            options.quantization.isPure = true
        }
        options.isCalibrated = true
        return Planning(try model(), options)
    }

    /// The plan as it will be once a calibration has chosen codes, but for the codes.
    package func plan(destination: String, recordedAs record: CalibrationRecord) throws(RecastError) -> Plan {
        var options = options
        options.calibrated = CalibratedWeights(tensors: [:], record: record)
        return try Planning(try model(), options).plan(destination: destination)
    }

    private func pureOptions(_ type: GGUFFileType) -> ConversionOptions {
        var options = options
        options.encoding = type
        options.quantization.isPure = true
        options.isCalibrated = true
        return options
    }

    private func draft(pure type: GGUFFileType) throws(RecastError) -> GGUFDraft {
        try Planning(try model(), pureOptions(type)).ggufDraft()
    }

    /// The recipe of this plan, with what was asked for otherwise.
    package func recipe(with fixed: [(name: String, type: WeightType, isAsked: Bool)]) throws(RecastError) -> Recipe {
        var recipe = try Recipe(fixed.filter(\.isAsked).map { ($0.name, $0.type) })
        recipe.overrides += options.quantization.recipe?.overrides ?? []
        return recipe
    }
}

extension CalibrationTargets {
    /// The weights of the graph that a tensor holds.
    fileprivate func weights(of tensor: TypedTensor) -> [Slot] {
        tensor.named.slots.filter { $0.part == .weight }.flatMap { slot in
            graph[slot] != nil ? [slot] : graph.experts(at: slot)
        }
    }
}
