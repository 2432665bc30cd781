/// Makes plans: from a checkpoint and options to everything that will be written, without reading tensors.
public struct Planning: Sendable {
    public let checkpoint: Checkpoint
    public let options: ConversionOptions
    /// The checkpoint already lifted, where it is.
    private let lifted: Model?
    /// The tokenizer's files that the checkpoint itself names.
    private let ownTokenizer: Folder?

    public init(_ checkpoint: Checkpoint, _ options: ConversionOptions) { self.init(checkpoint, nil, options) }

    public init(_ model: Model, _ options: ConversionOptions) { self.init(model.checkpoint, model, options) }

    private init(_ checkpoint: Checkpoint, _ model: Model?, _ options: ConversionOptions) {
        self.checkpoint = checkpoint
        lifted = model
        // Where no tokenizer is named, one that a conversion has taken along is.
        ownTokenizer = options.tokenizer == nil ? try? checkpoint.content.tokenizerFolder() : nil
        var options = options
        if let ownTokenizer { options.tokenizer = ownTokenizer.path }
        self.options = options
    }

    /// Where the tokenizer's files are, if they are not the checkpoint's.
    func tokenizerFolder() throws(RecastError) -> Folder? {
        if let ownTokenizer { return ownTokenizer }
        return try options.tokenizer.map { (path) throws(RecastError) in
            try Folder(path: path, places: checkpoint.sources.places)
        }
    }

    /// - Parameter destination: its file name names the files of a set.
    public func plan(destination: String) throws(RecastError) -> Plan {
        do throws(RecastError) { return try knowingPlan(destination: destination) } catch {
            guard error.code == .unsupported, options.target != .huggingFace(family: nil),
                checkpoint.content.unknownArchitecture != nil
            else { throw error }
            var error = error
            error.details.append(
                "without knowing what it computes it can be converted in its own layout, by name: --dtype, --max-shard-size, and "
                    + "quantize without a calibration")
            throw error
        }
    }

    private func knowingPlan(destination: String) throws(RecastError) -> Plan {
        var plan: Plan
        switch options.target {
        case .gguf: plan = try self.plan(try ggufDraft(), destination: destination)
        case .huggingFace(nil)
        where checkpoint.content.huggingFace != nil && checkpoint.content.unknownArchitecture != nil:
            plan = try byName(checkpoint.content.huggingFace!, checkpoint.content.unknownArchitecture!)
        case .huggingFace(let family):
            let model = try model()
            plan = try namingDefaults { () throws(RecastError) in
                try huggingFace(from: model, family: Family.named(family ?? model.graph.configuration.family))
            }
        case .megatron(let target):
            let model = try model()
            plan = try namingDefaults { () throws(RecastError) in try megatron(from: model, target) }
        }
        if let calibrated = options.calibrated {
            for index in plan.transfers.indices
            where plan.transfers[index].encoding.isQuantized && calibrated.hold(plan.transfers[index].slots) {
                plan.transfers[index].calibration = calibrated.record.method
                plan.transfers[index].exactness = .quantized
            }
        }
        plan.numberSources(checkpoint)
        warnOfQuantizingAgain(&plan)
        return plan
    }

    /// A refusal of what was not asked for says which option would have asked.
    private func namingDefaults(_ body: () throws(RecastError) -> Plan) throws(RecastError) -> Plan {
        do { return try body() } catch {
            var error = error
            if error.code == .unsupported { error.details += options.defaults }
            throw error
        }
    }

    private func warnOfQuantizingAgain(_ plan: inout Plan) {
        let again = plan.transfers.filter {
            $0.exactness == .quantized && $0.calibration == nil && $0.source.isQuantized
        }
        guard !again.isEmpty else { return }
        let types = Dictionary(grouping: again, by: \.source.encodingName).sorted { $0.key < $1.key }
            .map { "\($0.key) × \($0.value.count)" }
        plan.warnings.append(
            "\(again.count) tensors are already quantized (\(types.joined(separator: ", "))) and are quantized again: "
                + "losses add up, and the original would give a better result")
    }

    static let decodedNote = "quantized weights are written as F32, which holds them exactly; --dtype bf16 rounds them"

    /// The checkpoint lifted, as the options say.
    public func model() throws(RecastError) -> Model {
        if let lifted { return lifted }
        let describes =
            options.huggingFaceConfiguration != nil || options.vocabularySize != nil || options.allowsRankMismatch
        if describes, !type(of: checkpoint.content).takesDescription {
            throw .usage("--hf-config, --vocab-size and --allow-rank-mismatch are for Megatron sources")
        }
        var modelOptions = Model.Options()
        modelOptions.allowsUnknown = options.allowsUnknown
        modelOptions.huggingFaceConfiguration = options.huggingFaceConfiguration
        modelOptions.vocabularySize = options.vocabularySize
        modelOptions.allowsRankMismatch = options.allowsRankMismatch
        modelOptions.workers = options.workers
        modelOptions.takesFurtherLayers = options.furtherLayers == .keep && options.target == .gguf
        if modelOptions.takesFurtherLayers, options.isCalibrated {
            throw .unsupported(
                "--mtp keep: layers for predicting further tokens are not run, so that no calibration knows them")
        }
        return try Model(checkpoint, options: modelOptions)
    }

    /// Sources are numbered in the end.
    func basis(_ model: Model, form: Plan.Form) -> Plan {
        var plan = Plan(sources: [], form: form)
        plan.notes = model.notes
        plan.warnings = model.warnings
        plan.evidence = model.evidence
        return plan
    }

    /// Tensors that cannot take the type they are to have, said all at once.
    struct Problems {
        /// What the types were chosen for, where that has a name.
        var encoding: String?
        private var reasons: [(text: String, names: [String])] = []

        init(encoding: String? = nil) { self.encoding = encoding }

        mutating func check(_ tensor: NamedTensor, as dtype: DType) {
            let stored = tensor.tensor.dtype
            guard stored != dtype else { return }
            if !stored.isDecodable {
                add("numbers stored as \(stored) cannot be converted yet", tensor.name)
            } else if stored == .f64, dtype != .f32 {
                add("F64 is only converted to F32; more would round twice", tensor.name)
            } else if !dtype.isEncodable {
                let need = encoding.map { ", which the encoding \($0) needs," } ?? ""
                add("\(dtype)\(need) cannot be written yet", tensor.name)
            }
        }

        private mutating func add(_ text: String, _ name: String) {
            if let index = reasons.firstIndex(where: { $0.text == text }) {
                reasons[index].names.append(name)
            } else {
                reasons.append((text, [name]))
            }
        }

        /// - Throws: `unsupported` with every reason, and tensors it holds for.
        func end() throws(RecastError) {
            let lines = reasons.map { "\($0.text): \($0.names.abridged)" }
            guard lines.count != 1 else { throw .unsupported(lines[0]) }
            if !lines.isEmpty { throw .unsupported("some tensors cannot be written:", details: lines) }
        }
    }
}
