extension Model {
    /// Lifts the ranks of a Megatron checkpoint. Source: Specs/megatron.md §3 and §6.
    static func lift(
        _ checkpoint: Checkpoint, _ files: MegatronFiles, _ options: Options
    ) throws(RecastError) -> Model {
        let merging = try MegatronMerging(files)
        var said = try Description(files, merging, options)
        let replicas = try Self.check(options.looksAtTensors ? merging.replicas : [], checkpoint, options)
        var ranks = try files.checkRanks(allowsMismatch: options.allowsRankMismatch)
        if options.looksAtTensors { ranks += try checkCopies(files, checkpoint, options) }
        let tensors = try said.cut(merging.tensors, files)
        let outcome = try Lifting(
            table: MegatronTable.table(of: said.configuration), configuration: said.configuration, biases: said.biases,
            optional: said.isTied ? [.outputHead] : [], ignored: { _ in false }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: files.path)
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: said.original, sourceTypes: nil, outcome: outcome)
        model.unverified = merging.unverified
        model.notes += files.notes + said.notes
        model.warnings += said.warnings + replicas.warnings + ranks
        model.evidence += replicas.evidence
        if files.arguments?.hasZeroCenteredNorms == true, said.configuration.norms.offset == 0 {
            model.addOneToNormWeights()
        }
        if said.isTied, options.looksAtTensors {
            try model.resolveTiedEmbeddings(workers: options.workers)
        } else if said.isTied {
            // The last stage has a copy.
            model.graph[Slot(.outputHead)] = nil
        }
        return model
    }

    /// Norm weights of `apply_layernorm_1p` are stored less one.
    private mutating func addOneToNormWeights() {
        for entry in graph.entries where entry.slot.role.isNorm && entry.slot.part == .weight {
            graph[entry.slot] = entry.tensor.converted(to: entry.tensor.dtype, [.adding(1)])
        }
        notes.append("1 is added to norm weights, which apply_layernorm_1p stores less one")
    }
}

// MARK: What the model is

extension Model {
    /// What arguments, tensors and the user say of a model, settled.
    private struct Description {
        var configuration: ModelConfiguration
        var biases: Set<Role>
        var isTied: Bool
        /// The `config.json` that the user gave.
        var original: JSON.Object?
        var notes: [String] = []
        var warnings: [String] = []

        init(_ files: MegatronFiles, _ merging: MegatronMerging, _ options: Options) throws(RecastError) {
            biases = merging.biases
            isTied = files.arguments?.tiesEmbeddings ?? !merging.hasHead
            guard let padded = merging.vocabularyRows else {
                throw .malformed(files.path, "has no embedding.word_embeddings.weight")
            }
            let told = files.arguments?.int("vocab_size").flatMap { (1...padded).contains($0) ? $0 : nil }
            var said = try files.arguments?.configuration(
                family: files.arguments?.classicFamily ?? merging.family, vocabularySize: told ?? padded,
                layersWithExperts: merging.layersWithExperts,
                gatesSharedExpert: merging.gatesSharedExpert)
            if said?.norms.kind == .layer, !merging.biases.contains(.attentionNorm) {
                throw .malformed(
                    files.path,
                    "args name LayerNorm, which has biases: decoder.layers.0.input_layernorm.bias is missing")
            }
            if merging.normalizesHeads { said?.eachLayer { $0.norms.qk = .perHead } }
            if let foreign = try ConfigurationOverride(options.huggingFaceConfiguration, or: files.companions) {
                if options.huggingFaceConfiguration == nil {
                    notes.append("\(foreign.file) says what the model is like; --hf-config FILE names another")
                }
                configuration = foreign.configuration
                if let said {
                    let unsaid = Set(files.arguments?.defaults.map(\.name) ?? [])
                    warnings += try foreign.disagreements(with: said, unsaid: unsaid, isTied: isTied)
                }
                // What says it is tied and is not is settled by the tensors.
                isTied = isTied || foreign.isTied
                biases = foreign.biases
                original = foreign.object
            } else if let said {
                configuration = said
                warnings += (files.arguments?.defaults ?? []).map {
                    "the args do not name the \($0.name): Megatron's default, \($0.value), is taken; --hf-config FILE says "
                        + "it"
                }
            } else {
                throw RecastError(
                    .unsupported,
                    "does not say what the model is like, as no args are there; --hf-config FILE, with the config.json of "
                        + "the model, does", trail: [files.path])
            }
            guard merging.gatesFeedForward == configuration.gatesFeedForward else {
                throw .malformed(
                    files.path,
                    "feed-forward is said to have \(configuration.gatesFeedForward ? "a" : "no") gate, though linear_fc1 has "
                        + (merging.gatesFeedForward ? "more rows than" : "as many rows as") + " linear_fc2 has columns")
            }
            guard merging.layerCount == configuration.layerCount else {
                throw .malformed(
                    files.path,
                    "has \(merging.layerCount) layers, though \(configuration.layerCount) are said to be there")
            }
            if let size = options.vocabularySize {
                if original != nil, size != configuration.vocabularySize {
                    warnings.append(
                        "--vocab-size \(size) is taken, not the \(configuration.vocabularySize) of --hf-config")
                    original?["vocab_size"] = .int(size)
                }
                configuration.vocabularySize = size
            } else if original == nil, told == nil {
                warnings.append(
                    "the checkpoint does not say how many of its \(padded) rows of vocabulary are padding: all are kept; "
                        + "--vocab-size N or --hf-config FILE leave the others out")
            }
            guard configuration.vocabularySize <= padded else {
                throw .malformed(
                    files.path,
                    "a vocabulary of \(configuration.vocabularySize) does not fit the \(padded) rows of the embedding")
            }
        }

        /// Leaves the rows out that only pad the vocabulary.
        mutating func cut(_ tensors: [NamedTensor], _ files: MegatronFiles) throws(RecastError) -> [NamedTensor] {
            let size = configuration.vocabularySize
            var padded = 0
            let cut = tensors.map { tensor in
                guard let role = MegatronTable.gated.match(tensor.name)?.row.roles.first,
                    role == .tokenEmbedding || role == .outputHead, tensor.tensor.rowCount > size
                else { return tensor }
                padded = tensor.tensor.rowCount
                return NamedTensor(tensor.name, tensor.tensor.rows(0..<size))
            }
            if padded > 0 {
                notes.append("\(padded - size) rows that pad the vocabulary of \(size) to \(padded) are left out")
            }
            return cut
        }
    }
}

/// What a `config.json` of Hugging Face says, which counts more than what the checkpoint says.
private struct ConfigurationOverride {
    let file: String
    let object: JSON.Object
    let configuration: ModelConfiguration
    let biases: Set<Role>
    let isTied: Bool

    /// - Parameters:
    ///   - path: a `config.json` or a directory with one, which the user has named.
    ///   - companions: where one is taken from otherwise.
    /// - Returns: nil where there is none.
    init?(_ path: String?, or companions: Folder?) throws(RecastError) {
        let name = "config.json"
        let source: any ByteSource
        if let path {
            let folder = Folder(containing: path)
            let isFolder = folder.status(of: Path.name(path))?.isDirectory == true
            source = try isFolder ? Folder(path: path).source(of: name) : FileSource(path: path)
        } else if let companions, companions.contains(name) {
            source = try companions.source(of: name)
        } else {
            return nil
        }
        let (file, bytes) = (source.name, try source.contents())
        guard let object = try JSON(parsing: bytes, file: file).object else {
            throw .malformed(file, at: 0, "is not a JSON object")
        }
        let family = try Family.of(object, file: file)
        let reader = HuggingFaceConfiguration(object: object, file: file)
        self.file = file
        self.object = object
        configuration = try reader.configuration(of: family)
        biases = try reader.biases(of: family)
        isTied = try reader.tiesEmbeddings(family)
    }

    /// Warnings for what the checkpoint says otherwise.
    ///
    /// - Parameter unsaid: names of what the checkpoint does not say at all.
    /// - Throws: `malformedInput` where it must be another model.
    func disagreements(
        with said: ModelConfiguration, unsaid: Set<String>, isTied: Bool
    ) throws(RecastError) -> [String] {
        let differences = configuration.disagreements(with: said)
        guard differences.sizes.isEmpty else {
            let lines = differences.sizes.map { "\($0.field.name): \($0.own) here, \($0.other) in the checkpoint" }
            throw .malformed(file, "describes another model:", details: lines)
        }
        let name = Path.name(file)
        var warnings = differences.others.filter { !unsaid.contains($0.field.name) }.map {
            "\($0.field.name): \(name) says \($0.own), the checkpoint \($0.other); \(name) is believed"
        }
        if isTied != self.isTied {
            warnings.append(
                "\(name) \(self.isTied ? "ties" : "does not tie") head and embedding, the checkpoint "
                    + "\(isTied ? "does" : "does not"); the tensors decide")
        }
        return warnings
    }
}

// MARK: What ranks have alike

extension Model {
    /// Compares what several ranks have each for themselves.
    ///
    /// - Throws: `malformedInput` naming tensors, ranks and the largest difference, unless that is allowed.
    private static func check(
        _ replicas: [MegatronMerging.Replicas], _ checkpoint: Checkpoint, _ options: Options
    ) throws(RecastError) -> (warnings: [String], evidence: [Evidence]) {
        guard !replicas.isEmpty else { return ([], []) }
        let pool = checkpoint.sources
        let workers = Parallel(workers: options.workers, files: pool)
        var reader = Reader(files: pool)
        var other = Reader(files: pool)
        var differences: [String] = []
        var byteCount = 0
        for replica in replicas {
            let first = replica.tensors[0]
            for (rank, tensor) in replica.tensors.dropFirst() {
                byteCount += 2 * tensor.byteCount
                guard try !first.tensor.hasSameBits(as: tensor, workers) else { continue }
                let difference = try first.tensor.difference(from: tensor, &reader, &other)
                differences.append(
                    "\(replica.name) differs by up to \(difference.maximumAbsolute) between \(first.rank) and \(rank)")
            }
        }
        if !differences.isEmpty, !options.allowsRankMismatch {
            let more = differences.count > 5 ? ["\(differences.count - 5) more"] : []
            throw .malformed(
                checkpoint.path, "ranks that must have the same differ:",
                details: differences.prefix(5) + more + ["--allow-rank-mismatch takes those of the first rank"])
        }
        let evidence = Evidence(
            question: "replicated tensors are identical in all tensor-parallel ranks:",
            answer: differences.isEmpty ? "yes, all \(replicas.count)" : "no: \(differences.count) differ",
            byteCount: byteCount)
        return (differences.map { $0 + "; the first is taken" }, [evidence])
    }
}
