/// Makes plans: from a checkpoint and options to everything that will be written, without reading tensors.
public struct Planning: Sendable {
    public let checkpoint: Checkpoint
    public let options: ConversionOptions

    public init(_ checkpoint: Checkpoint, _ options: ConversionOptions) {
        self.checkpoint = checkpoint
        self.options = options
    }

    /// - Parameter destination: its file name names the files of a set.
    public func plan(destination: String) throws(RecastError) -> Plan {
        switch options.target {
        case .gguf:
            if case .gguf(let set) = checkpoint.content { return try ggufFromGGUF(set, destination: destination) }
            return try gguf(from: try model(), destination: destination)
        case .huggingFace(let family):
            let model = try model()
            return try huggingFace(from: model, family: Family.named(family ?? model.graph.configuration.family))
        }
    }

    private func model() throws(RecastError) -> Model {
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

    /// Whether a tensor may take the type; says which cannot be read at all.
    func check(_ tensor: NamedTensor, as dtype: DType) throws(RecastError) {
        guard tensor.tensor.dtype != dtype else { return }
        guard tensor.tensor.dtype.isDecodable else {
            throw .unsupported("\(tensor.name): numbers stored as \(tensor.tensor.dtype) cannot be converted yet")
        }
        if tensor.tensor.dtype == .f64, dtype != .f32 {
            throw .unsupported("\(tensor.name): F64 is only converted to F32; more would round twice")
        }
        guard dtype.isEncodable else { throw .unsupported("\(tensor.name): \(dtype) cannot be written yet") }
    }
}
