extension Model {
    static func lift(_ checkpoint: Checkpoint, _ set: GGUFSet, _ options: Options) throws(RecastError) -> Model {
        let path = set.paths[0]
        try set.checkIsModel()
        guard let name = set.metadata["general.architecture"]?.string else {
            throw .malformed(path, "general.architecture is missing")
        }
        let architecture = try GGUFArchitecture.named(name, tensors: set.tensors.map(\.name), file: path)
        let byName = { (name: String) in set.tensors.first { $0.name == name }?.tensor }
        var evidence: [Evidence] = []
        func factors(_ name: String) throws(RecastError) -> [Float]? {
            guard let tensor = byName(name) else { return nil }
            evidence.append(
                Evidence(
                    question: "rotary scaling that the factors \(name) stand for:", answer: "read",
                    byteCount: tensor.byteCount))
            return try readVector(tensor, files: checkpoint.sources, file: path)
        }
        let rotary = GGUFConfiguration.RotaryFactors(
            all: try factors(GGUFArchitecture.rotaryFactorsName), short: try factors(GGUFArchitecture.shortFactorsName),
            long: try factors(GGUFArchitecture.longFactorsName))
        let reader = GGUFConfiguration(
            architecture: architecture, metadata: set.metadata, file: path, seen: .init(set.tensors))
        var configuration = try reader.configuration(
            embedding: byName("token_embd.weight")?.shape, factors: rotary)

        // What the file says about itself comes first; the travelling original must agree, and then knows more.
        var original: JSON.Object?
        var warnings: [String] = []
        if let text = set.metadata[GGUFCompanions.configurationKey]?.string {
            let file = "\(path): \(GGUFCompanions.configurationKey)"
            let object = try JSON(parsing: Array(text.utf8), file: file).object ?? JSON.Object()
            let family = try? Family.of(object, file: file)
            let travelling = family.flatMap {
                try? HuggingFaceConfiguration(object: object, file: file).configuration(of: $0)
            }
            if let travelling, architecture.families.contains(travelling.family),
                architecture.states(configuration, whenWritten: travelling)
            {
                original = object
                configuration = travelling.asStored(by: configuration, set.metadata)
            } else {
                warnings.append(
                    "\(path): the original configuration in \(GGUFCompanions.configurationKey) contradicts the file's "
                        + "own keys and is not used")
            }
        }

        let rotaryNames = [
            GGUFArchitecture.rotaryFactorsName, GGUFArchitecture.shortFactorsName, GGUFArchitecture.longFactorsName,
        ]
        var tensors = try GGUFStacks.unpacked(
            try scaled(
                set.tensors.filter { !rotaryNames.contains($0.name) }, of: architecture, &warnings, checkpoint.sources,
                path),
            expertCount: configuration.experts?.count ?? 0,
            headCount: configuration.headCount, file: path
        ).map { architecture.withOneRow($0, configuration) }
        tensors += try architecture.numbers(in: set.metadata, configuration, file: path)
        let outcome = try Lifting(
            table: architecture.table, configuration: configuration,
            biases: biases(in: tensors, architecture), optional: [.outputHead],
            furtherLayers: configuration.layerCount..<max(configuration.layerCount, reader.number("block_count") ?? 0),
            ignored: { _ in false }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: path)
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: original,
            sourceTypes: SourceTypes(set.metadata), outcome: outcome)
        model.warnings += warnings
        model.evidence += evidence
        if !outcome.furtherLayers.isEmpty {
            model.notes.append(
                "layers behind the last of \(configuration.layerCount) predict further tokens (nextn_predict_layers) and are left "
                    + "out: \(outcome.furtherLayers.count) tensors, \(outcome.furtherLayers.map(\.name).abridged)")
        }
        if architecture.name == GGUFArchitecture.baichuan.name, options.looksAtTensors {
            try model.normalizeHeadIfNeeded()
        }
        return model
    }

    /// Weights with the factor that a tensor beside them has, as llama.cpp multiplies their products with it: that of NVFP4.
    private static func scaled(
        _ tensors: [NamedTensor], of architecture: GGUFArchitecture, _ warnings: inout [String], _ sources: FilePool,
        _ path: String
    ) throws(RecastError) -> [NamedTensor] {
        let names = Set(tensors.map(\.name))
        func isBeside(_ name: String, _ suffix: String) -> Bool {
            name.hasSuffix(suffix) && names.contains(name.dropLast(suffix.count) + ".weight")
                && architecture.table.match(name) == nil
        }
        let factors = tensors.filter { isBeside($0.name, ".scale") }
        let inputs = tensors.filter { isBeside($0.name, ".input_scale") }
        guard !factors.isEmpty || !inputs.isEmpty else { return tensors }
        if !inputs.isEmpty {
            warnings.append(
                "\(path): the scales of activations are left out (\(inputs.count) × input_scale): only weights are converted"
            )
        }
        var numbers: [String: [Float]] = [:]
        for factor in factors {
            numbers[String(factor.name.dropLast(".scale".count))] = try readVector(
                factor.tensor.reshaped([factor.tensor.elementCount]), files: sources, file: path)
        }
        let left = Set((factors + inputs).map(\.name))
        return try tensors.filter { !left.contains($0.name) }.map { (tensor) throws(RecastError) in
            guard tensor.name.hasSuffix(".weight"), let own = numbers[String(tensor.name.dropLast(".weight".count))]
            else {
                return tensor
            }
            guard own.allSatisfy(\.isFinite) else { throw .malformed(path, "\(tensor.name) has a scale of \(own)") }
            let weight = tensor.tensor
            if own.count == 1 { return NamedTensor(tensor.name, weight.converted(to: .f32, [.scaling(own[0])])) }
            guard weight.shape.count == 3, weight.shape[0] == own.count else {
                throw .malformed(path, "\(tensor.name) of shape \(weight.shape) has \(own.count) scales")
            }
            let matrices = own.indices.map { weight.matrix($0).converted(to: .f32, [.scaling(own[$0])]) }
            return NamedTensor(tensor.name, LazyTensor.stackedMatrices(matrices).reshaped(weight.shape))
        }
    }

    /// llama.cpp multiplies with Baichuan 2's head as it is stored, and its converter does not divide the rows by their
    /// length, as the model does: files of both kinds are about. Source: Specs/families.md §3.6.
    private mutating func normalizeHeadIfNeeded() throws(RecastError) {
        guard let head = graph.head else { return }
        var reader = Reader(files: sources)
        let isNormalized = try head.hasUnitRows(&reader)
        evidence.append(
            Evidence(
                question: "rows of the output head have unit length:", answer: isNormalized ? "yes" : "no",
                byteCount: head.byteCount))
        guard !isNormalized else { return }
        if graph.configuration.family == "baichuan2" || graph.configuration.vocabularySize == 125_696 {
            graph.configuration.family = "baichuan2"
            graph.configuration.normalizesOutputHead = true
            warnings.append(
                "the rows of this Baichuan 2 head are not divided by their length, as the model does: it is taken to, which "
                    + "llama.cpp does not")
        } else {
            warnings.append(
                "the rows of the head have not length one: right for Baichuan 1; in a file of Baichuan 2 it would be a mistake "
                    + "of the converter")
        }
    }

    /// GGUF states no rule for biases: those that are there in the first layer must be there in all.
    private static func biases(in tensors: [NamedTensor], _ architecture: GGUFArchitecture) -> Set<Role> {
        Set(
            tensors.flatMap { tensor -> [Role] in
                guard let match = architecture.table.match(tensor.name), match.part == .bias else { return [] }
                return match.row.roles
            })
    }

    private static func readVector(
        _ tensor: LazyTensor, files: FilePool, file: String
    ) throws(RecastError) -> [Float] {
        guard tensor.shape.count == 1, tensor.elementCount <= 1 << 16, tensor.dtype.blockElements == 1 else {
            throw .malformed(
                file, "\(GGUFArchitecture.rotaryFactorsName) is \(tensor.dtype) \(tensor.shape), not a vector")
        }
        var reader = Reader(files: files)
        let bytes = try tensor.converted(to: .f32).bytes(using: &reader)
        return (0..<tensor.elementCount).map { index in
            Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
        }
    }
}

extension GGUFArchitecture {
    /// With the leading dimensions of one that the architecture has: llama.cpp's quantizer drops them, of matrices of one row and of
    /// norms by one group, and its converter writes ERNIE's correction bias with one.
    fileprivate func withOneRow(_ tensor: NamedTensor, _ configuration: ModelConfiguration) -> NamedTensor {
        guard let match = table.match(tensor.name), match.part == .weight, match.row.roles.count == 1,
            match.expert == nil
        else { return tensor }
        let whole = configuration.shape(of: Slot(match.row.roles[0], layer: match.layer))
        let shape = match.row.layout.storedShape([whole], configuration)
        guard tensor.tensor.shape != shape,
            tensor.tensor.shape.drop(while: { $0 == 1 }) == shape.drop(while: { $0 == 1 })
        else { return tensor }
        return NamedTensor(tensor.name, tensor.tensor.reshaped(shape))
    }

    /// Whether the keys of a file are those that a configuration would be written as: it then knows more than they do.
    fileprivate func states(_ found: ModelConfiguration, whenWritten original: ModelConfiguration) -> Bool {
        (try? GGUFAdaptation.stated(of: original, by: self))?.isEquivalent(to: found) ?? false
    }
}

extension GGUFArchitecture {
    /// What is read of a file that has a model's keys, and perhaps the configuration of its source.
    func expected(
        _ model: Model, source: ModelConfiguration, _ metadata: GGUFMetadata
    ) throws(RecastError) -> ModelConfiguration {
        if metadata[GGUFCompanions.configurationKey] != nil {
            return source.asStored(by: model.graph.configuration, metadata)
        }
        var stated = model.graph.configuration
        stated.family = families[0]
        stated.bosTokens = metadata["tokenizer.ggml.bos_token_id"]?.int.map { [$0] } ?? []
        stated.eosTokens = metadata["tokenizer.ggml.eos_token_id"]?.int.map { [$0] } ?? []
        stated.paddingToken = metadata["tokenizer.ggml.padding_token_id"]?.int
        return stated
    }
}

extension ModelConfiguration {
    /// This, but for what the weights of a GGUF file have in them already.
    fileprivate func asStored(by found: ModelConfiguration, _ metadata: GGUFMetadata) -> ModelConfiguration {
        var configuration = self
        configuration.norms.offset = found.norms.offset
        configuration.stateDecayForm = found.stateDecayForm
        // Folded into weights, with what stands at both ends.
        if configuration.multipliers.branches != nil { configuration.multipliers = found.multipliers }
        configuration.normalizesOutputHead = found.normalizesOutputHead
        if metadata[GGUFAdaptation.attentionScaleKey]?.bool == true {
            configuration.multipliers.attention = found.multipliers.attention
        }
        return configuration
    }
}
