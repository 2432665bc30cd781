extension Model {
    static func lift(_ checkpoint: Checkpoint, _ set: GGUFSet, _ options: Options) throws(RecastError) -> Model {
        let path = set.paths[0]
        guard let name = set.metadata["general.architecture"]?.string else {
            throw .malformed(path, "general.architecture is missing")
        }
        let architecture = try GGUFArchitecture.named(name, file: path)
        let byName = { (name: String) in set.tensors.first { $0.name == name }?.tensor }
        var factors: [Float]?
        var evidence: [Evidence] = []
        if let tensor = byName(GGUFArchitecture.rotaryFactorsName) {
            factors = try readVector(tensor, files: checkpoint.files, file: path)
            evidence.append(
                Evidence(
                    question: "which scaling do the rotary factors stand for?", answer: "read",
                    byteCount: tensor.byteCount))
        }
        let reader = GGUFConfiguration(architecture: architecture, metadata: set.metadata, file: path)
        var configuration = try reader.configuration(
            embedding: byName("token_embd.weight")?.shape, rotaryFactors: factors)

        // What the file says about itself comes first; the travelling original must agree, and then knows more.
        var original: JSON.Object?
        var warnings: [String] = []
        if let text = set.metadata[GGUFCompanions.configurationKey]?.string {
            let file = "\(path): \(GGUFCompanions.configurationKey)"
            let object = try JSON(parsing: Array(text.utf8), file: file).object ?? JSON.Object()
            let travelling = try? HuggingFaceConfiguration(object: object, file: file).configuration(
                of: Family.named(architecture.family))
            if let travelling, configuration.agrees(with: travelling) {
                original = object
                configuration = travelling
            } else {
                warnings.append(
                    "\(path): the original configuration in \(GGUFCompanions.configurationKey) contradicts the file's "
                        + "own keys and is not used")
            }
        }

        let tensors = set.tensors.filter { $0.name != GGUFArchitecture.rotaryFactorsName }
        let outcome = try Lifting(
            table: architecture.table, configuration: configuration,
            biases: biases(in: tensors, architecture), optional: [.outputHead], ignored: { _ in false }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: path)
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: original,
            sourceTypes: SourceTypes(set.metadata), outcome: outcome)
        model.warnings += warnings
        model.evidence += evidence
        return model
    }

    /// GGUF states no rule for biases: those that are there in the first layer must be there in all.
    private static func biases(in tensors: [NamedTensor], _ architecture: GGUFArchitecture) -> Set<Role> {
        Set(
            tensors.compactMap { tensor in
                guard let match = architecture.table.match(tensor.name), match.part == .bias else { return nil }
                return match.row.roles[0]
            })
    }

    private static func readVector(
        _ tensor: LazyTensor, files: [SourceFile], file: String
    ) throws(RecastError) -> [Float] {
        guard tensor.shape.count == 1, tensor.elementCount <= 1 << 16, tensor.dtype.blockElements == 1 else {
            throw .malformed(
                file, "\(GGUFArchitecture.rotaryFactorsName) is \(tensor.dtype) \(tensor.shape), not a vector")
        }
        var reader = Reader(files: FilePool(files))
        let bytes = try tensor.converted(to: .f32).bytes(using: &reader)
        return (0..<tensor.elementCount).map { index in
            Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
        }
    }
}

extension ModelConfiguration {
    /// Whether a configuration says the same about everything that GGUF states.
    fileprivate func agrees(with other: ModelConfiguration) -> Bool {
        var mine = self
        var theirs = other
        for path in [\ModelConfiguration.activation] { theirs[keyPath: path] = mine[keyPath: path] }
        theirs.slidingWindow = nil
        // Rotary factors are compared as numbers: they can be explained in more than one way.
        let (a, b) = (mine.rope.frequencyFactors ?? [], theirs.rope.frequencyFactors ?? [])
        let sameFactors = a.count == b.count && zip(a, b).allSatisfy { abs($0 / $1 - 1) < 1e-5 }
        guard sameFactors else { return false }
        mine.rope.scaling = .none
        theirs.rope.scaling = .none
        return mine.isEquivalent(to: theirs)
    }
}
