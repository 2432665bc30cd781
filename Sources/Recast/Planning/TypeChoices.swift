/// The tensors of a GGUF file whose types are free to be chosen.
package struct TypeChoices: Sendable {
    package struct Tensor: Sendable {
        package var name: String
        /// The weights it holds, in the graph: of several roles where these are fused, of several experts where these are
        /// stacked.
        package var slots: [Slot]
        package var shape: [Int]

        /// Whether its rows are whole blocks.
        package func fits(_ dtype: DType) -> Bool { shape[shape.count - 1].isMultiple(of: dtype.blockElements) }

        /// What it takes in a file, with what is left free behind it.
        package func byteCount(as dtype: DType, alignment: Int = 32) -> Int {
            dtype.byteCount(ofBlocks: shape.reduce(1, *)).aligned(to: alignment)
        }
    }

    /// The model as the file states it.
    package var graph: Graph
    /// In the order of the file.
    package var tensors: [Tensor]
    /// Tensors that could be quantized and whose types are not free: asked for, or such that no calibration can choose their
    /// codes.
    package var fixed: [(name: String, dtype: DType, isAsked: Bool)]
    package var asked: [String] { fixed.filter(\.isAsked).map(\.name) }

    /// What the file types of llama-quantize would give the tensors, by their names.
    package var mixes: [(name: String, types: [String: DType])] = []
}

extension Planning {
    /// The plan's choices, beside what its options ask for.
    ///
    /// - Throws: what planning throws; `usage` for targets that have no types by tensor.
    package func typeChoices() throws(RecastError) -> TypeChoices {
        guard options.target == .gguf else {
            throw .usage("a budget chooses types of GGUF: DESTINATION must end in .gguf, or --to gguf be given")
        }
        if let packing = options.packing {
            throw .usage("\(packing.name) is one encoding for all weights; a budget chooses among the types of GGUF")
        }
        guard options.dtype == nil else {
            throw .usage("--dtype says how all weights are stored; a budget chooses the type of each")
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
        var choices = TypeChoices(graph: targets.graph, tensors: [], fixed: [])
        for tensor in draft.tensors {
            let slots = tensor.named.slots.filter { $0.part == .weight }.flatMap { slot in
                targets.graph[slot] != nil ? [slot] : targets.graph.experts(at: slot)
            }
            let isFree = tensor.dtype == .q8_0 && plain[tensor.name] == .f16
            if isFree, !slots.isEmpty, slots.allSatisfy({ targets.encodings[$0] != nil }) {
                choices.tensors.append(
                    TypeChoices.Tensor(name: tensor.name, slots: slots, shape: tensor.tensor.shape))
            } else if tensor.named.isQuantizable(in: architecture) {
                choices.fixed.append((tensor.name, tensor.dtype, !isFree))
            }
        }
        for type in GGUFFileType.allCases where type.dtype.isQuantized && type.dtype.isEncodable {
            var options = pureOptions(type)
            options.quantization.isPure = false
            // A mix that nothing stands in for is none.
            guard let tensors = try? Planning(try model(), options).ggufDraft().tensors else { continue }
            choices.mixes.append((type.name, Dictionary(tensors.map { ($0.name, $0.dtype) }) { first, _ in first }))
        }
        return choices
    }

    /// This plan with a type for each tensor.
    package func giving(_ types: [(name: String, dtype: DType)]) throws(RecastError) -> Planning {
        var options = options
        options.quantization.recipe = try Recipe(types)
        if options.encoding == nil { options.encoding = options.quantization.recipe!.fileType }
        options.quantization.isPure = true
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
    package func recipe(with fixed: [(name: String, dtype: DType, isAsked: Bool)]) throws(RecastError) -> Recipe {
        var recipe = try Recipe(fixed.filter(\.isAsked).map { ($0.name, $0.dtype) })
        recipe.overrides += options.quantization.recipe?.overrides ?? []
        return recipe
    }
}
