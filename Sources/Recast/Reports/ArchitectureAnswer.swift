/// What is known of an architecture, and where it is no family, what it would take: the nearest family by structure, and what differs.
public struct ArchitectureAnswer: Sendable {
    public enum Standing: Sendable {
        case family(Family)
        /// Known not to be a family, by this mechanism.
        case refused(String)
        case unknown
    }

    /// A family, and where a model differs from it.
    public struct Nearest: Sendable {
        public let family: Family
        /// Whether names of tensors tell it, or keys of the configuration alone.
        public let isToldByTensors: Bool
        /// Whether most of it is the same.
        public let isClose: Bool
        /// Tensors that the family has not, and those it has besides, each once with `N` for numbers.
        public let unknownTensors: [String]
        public let missingTensors: [String]
        /// Keys of the configuration that the family's models do not have.
        public let unknownKeys: [String]
        /// Why the configuration cannot be read as the family's; nil where it can.
        public let problem: String?

        /// Whether it may be one of the family under another name, as far as tensors tell.
        public var isPerhapsOne: Bool {
            isToldByTensors && unknownTensors.isEmpty && missingTensors.isEmpty && problem == nil
        }
    }

    /// What the configuration calls it, or what was asked for.
    public let architecture: String
    public let standing: Standing
    /// nil where it is a family, or where nothing but a name is known.
    public let nearest: Nearest?
    /// Names like the one that was asked for.
    public let similarNames: [String]

    /// Of the name of an architecture, a family or a `model_type`.
    public init(named name: String) {
        architecture = name
        nearest = nil
        let family = Family.all.first {
            $0.architectures.contains(name) || $0.name == name || $0.modelType == name
        }
        if let family {
            (standing, similarNames) = (.family(family), [])
        } else if let unsupported = UnsupportedArchitecture.named(name) {
            (standing, similarNames) = (.refused(unsupported.difference), [])
        } else {
            let known = Family.all.flatMap { $0.architectures + [$0.name] }
            (standing, similarNames) = (.unknown, Array(NearestName.ranked(name, among: known.unique).prefix(3)))
        }
    }

    /// Of a checkpoint, or of a folder with its `config.json` and the index of its tensors, whose weights need not be there.
    ///
    /// - Throws: what is wrong with the files.
    public init(path: String) throws(RecastError) {
        let (object, names, file) = try Self.read(path)
        guard let object else {
            // Formats that say themselves what the model is.
            let family = try Model(Checkpoint(path: path)).graph.configuration.family
            self.init(named: family)
            return
        }
        self.init(object, tensors: names, file: file)
    }

    /// - Parameter tensors: names; none where they are not known.
    init(_ object: JSON.Object, tensors: [String], file: String) {
        let inner = WrappedModel.innerConfiguration(object)
        let text = inner ?? object
        let given = [object, text].lazy.compactMap { $0["architectures"]?.array?.first?.string }.first
        architecture = given ?? text["model_type"]?.string ?? "none"
        similarNames = []
        let placeholders = tensors.map { NamedTensor($0, .zeros(.bf16, [1])) }
        let core = WrappedModel(object, placeholders)?.configuration ?? object
        if let family = try? Family.of(core, file: file) {
            (standing, nearest) = (.family(family), nil)
            return
        }
        standing = UnsupportedArchitecture.named(architecture).map { .refused($0.difference) } ?? .unknown
        nearest = Self.nearest(to: text, tensors)
    }

    private static func read(
        _ path: String
    ) throws(RecastError) -> (configuration: JSON.Object?, names: [String], file: String) {
        if Path.name(path).hasSuffix(".json") {
            return (try configuration(path), [], path)
        }
        do throws(RecastError) {
            let checkpoint = try Checkpoint(path: path)
            guard let files = checkpoint.content as? HuggingFaceFiles, let object = files.configuration else {
                return (nil, [], path)
            }
            return (object, files.tensors.map(\.name), files.configurationPath)
        } catch {
            let (file, index) = (Path.join(path, "config.json"), Path.join(path, WeightIndex.fileName))
            let map = (try? FileSource.contents(of: index)).flatMap { try? JSON(parsing: $0, file: index) }
            guard map != nil || error.code == .inputMissing, let object = try? configuration(file) else { throw error }
            return (object, map?["weight_map"]?.object?.members.map(\.key) ?? [], file)
        }
    }

    private static func configuration(_ file: String) throws(RecastError) -> JSON.Object {
        guard let object = try JSON(parsing: FileSource.contents(of: file), file: file).object else {
            throw .malformed(file, at: 0, "is not a JSON object")
        }
        return object
    }

    // MARK: Nearest

    private static func nearest(to configuration: JSON.Object, _ names: [String]) -> Nearest? {
        let keys = Set(configuration.members.filter { Self.tells($0.key, $0.value) }.map(\.key))
        let known = Dictionary(uniqueKeysWithValues: Family.all.map { ($0.name, Self.keys(of: $0)) })
        func share(_ family: Family) -> Double {
            let own = known[family.name] ?? []
            return Double(own.intersection(keys).count) / Double(max(1, own.union(keys).count))
        }
        let (family, isClose): (Family, Bool)
        if names.isEmpty {
            // Of families that say as much alike the first counts.
            family = Family.all.reduce(Family.all[0]) { share($1) > share($0) ? $1 : $0 }
            isClose = share(family) > 0.5
        } else {
            let likenesses = Family.likenesses(to: names, configuration, of: Family.all)
            let least = likenesses.map(\.likeness).min()!
            let likest = likenesses.filter { !(least < $0.likeness) }.map(\.family)
            // Of families with the same names those count by whose reading the model has the tensors that are there, and of these
            // the one that says the most alike.
            let counts = likest.map { misses(configuration, $0, names) }
            let fitting = zip(likest, counts).filter { $0.1 == counts.min() }.map(\.0)
            family = fitting.reduce(fitting[0]) { share($1) > share($0) ? $1 : $0 }
            isClose = least.isClose
        }
        let read = try? Self.read(configuration, as: family)
        let tensors =
            names.isEmpty
            ? ([], [])
            : family.table.differences(of: Family.comparable(names)) { role in read?.has(role) ?? true }
        return Nearest(
            family: family, isToldByTensors: !names.isEmpty, isClose: isClose, unknownTensors: tensors.0,
            missingTensors: tensors.1, unknownKeys: keys.subtracting(known[family.name] ?? []).sorted(),
            problem: problem(configuration, family))
    }

    /// What a family's configuration has, written and understood.
    private static func keys(of family: Family) -> Set<String> {
        guard let sample = try? FamilySupport.sample(of: family) else { return [] }
        let written = HuggingFaceConfiguration.write(
            .init(
                family: family, configuration: sample.configuration, isTied: false, biases: [], dtype: .bf16,
                original: nil, ropeScaling: nil))
        return Set(written.members.map(\.key) + family.spellings.map(\.theirs)).subtracting(generalKeys)
    }

    /// Roles of which tensors are there and should not be, or should be and are not.
    private static func misses(_ configuration: JSON.Object, _ family: Family, _ names: [String]) -> Int {
        guard let model = try? read(configuration, as: family) else { return .max }
        let found = Set(Family.comparable(names).compactMap { family.table.match($0)?.row.roles }.joined())
        let roles = Set(family.table.rows.flatMap(\.roles)).subtracting([.outputHead])
        return roles.count { model.has($0) != found.contains($0) }
    }

    private static func problem(_ configuration: JSON.Object, _ family: Family) -> String? {
        do throws(RecastError) {
            _ = try read(configuration, as: family)
            return nil
        } catch { return error.description }
    }

    private static func read(
        _ configuration: JSON.Object, as family: Family
    ) throws(RecastError) -> ModelConfiguration {
        var own = configuration
        own["architectures"] = [.string(family.architectures[0])]
        return try HuggingFaceConfiguration(object: own, file: "config.json").configuration(of: family)
    }

    /// Whether a key may tell a family from another.
    private static func tells(_ key: String, _ value: JSON) -> Bool {
        if generalKeys.contains(key) || value.isNull || value.bool == false { return false }
        return key != "layer_types" || value.array?.allSatisfy { $0.string == "full_attention" } != true
    }

    /// What tells no family from another.
    private static let generalKeys: Set<String> = [
        "architectures", "model_type", "torch_dtype", "dtype", "transformers_version", "_name_or_path", "auto_map",
        "use_cache", "initializer_range", "attention_dropout", "hidden_dropout", "quantization_config", "pad_token_id",
        "bos_token_id", "eos_token_id", "tie_word_embeddings", "rope_scaling", "rope_parameters", "rope_theta",
        "head_dim", "router_aux_loss_coef", "aux_loss_alpha", "output_router_logits", "pretraining_tp",
        "ep_size", "attention_bias", "mlp_bias", "max_window_layers", "moe_layer_freq",
        "num_nextn_predict_layers", "seq_aux", "vision_config", "audio_config", "unsloth_version", "return_dict",
        "chunk_size_feed_forward", "id2label", "label2id", "is_encoder_decoder", "output_attentions",
        "output_hidden_states", "problem_type",
    ]
}
