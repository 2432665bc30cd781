/// Makes plans: from a checkpoint and options to everything that will be written, without reading tensors.
public struct Planning: Sendable {
    public let checkpoint: Checkpoint
    public let options: ConversionOptions
    /// The checkpoint already lifted, where it is.
    private let lifted: Model?

    public init(_ checkpoint: Checkpoint, _ options: ConversionOptions) {
        self.checkpoint = checkpoint
        self.options = options
        lifted = nil
    }

    public init(_ model: Model, _ options: ConversionOptions) {
        checkpoint = model.checkpoint
        self.options = options
        lifted = model
    }

    /// - Parameter destination: its file name names the files of a set.
    public func plan(destination: String) throws(RecastError) -> Plan {
        switch options.target {
        case .gguf:
            switch checkpoint.content {
            case .gguf(let set): return try ggufFromGGUF(set, destination: destination)
            case .huggingFace(let files): return try gguf(from: try model(), files, destination: destination)
            }
        case .huggingFace(let family):
            let model = try model()
            return try huggingFace(from: model, family: Family.named(family ?? model.graph.configuration.family))
        }
    }

    private func model() throws(RecastError) -> Model {
        if let lifted { return lifted }
        var modelOptions = Model.Options()
        modelOptions.allowsUnknown = options.allowsUnknown
        return try Model(checkpoint, options: modelOptions)
    }

    /// The files of the checkpoint, and one more for each companion that is copied whole.
    func basis(_ model: Model, form: Plan.Form) -> Plan {
        var plan = Plan(sources: model.files, form: form)
        plan.notes = model.notes
        plan.warnings = model.warnings
        plan.evidence = model.evidence
        return plan
    }

    /// Tensors that cannot take the type they are to have, said all at once.
    struct Problems {
        private var reasons: [String] = []

        mutating func check(_ tensor: NamedTensor, as dtype: DType) {
            let stored = tensor.tensor.dtype
            guard stored != dtype else { return }
            if !stored.isDecodable {
                reasons.append("\(tensor.name): numbers stored as \(stored) cannot be converted yet")
            } else if stored == .f64, dtype != .f32 {
                reasons.append("\(tensor.name): F64 is only converted to F32; more would round twice")
            } else if !dtype.isEncodable {
                reasons.append("\(tensor.name): \(dtype) cannot be written yet")
            }
        }

        /// - Throws: `unsupported` with the first reasons, and how many more there are.
        func end() throws(RecastError) {
            guard let first = reasons.first else { return }
            guard reasons.count > 1 else { throw .unsupported(first) }
            let more = reasons.count > 10 ? ["and \(reasons.count - 10) more"] : []
            throw .unsupported(
                "\(reasons.count) tensors cannot be written:\n  "
                    + (reasons.prefix(10) + more).joined(separator: "\n  "))
        }
    }
}
