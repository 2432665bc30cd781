extension Planning {
    /// The type of each tensor of a GGUF file, in the order of the file.
    ///
    /// - Parameters:
    ///   - tensors: in the order of the source.
    ///   - isConverted: whether the tensors come from another format: then, as llama.cpp's converter does it, the numbers
    ///     that matter most become F32.
    func types(
        of tensors: [NamedTensor], metadata: GGUFMetadata, isConverted: Bool, plan: inout Plan
    ) throws(RecastError) -> [TypedTensor] {
        let traits = GGUFModelTraits(metadata, tensors: tensors)
        /// The type where nothing is asked for.
        func stored(_ tensor: NamedTensor) -> DType {
            let dtype = tensor.tensor.dtype
            guard dtype.kind == .float else { return dtype }
            if let blocks = tensor.tensor.sameCodes { return blocks }
            return isConverted && tensor.isAlwaysSingle || dtype.ggufNumber == nil ? .f32 : dtype
        }
        if let fileType = options.encoding {
            return try quantizedTypes(of: tensors, fileType, traits, stored: stored, plan: &plan)
        }
        reportPacked(tensors, plan: &plan)
        return tensors.map { tensor in
            let isKept = isConverted ? tensor.isAlwaysSingle : !tensor.isQuantizable(in: traits.architecture)
            return TypedTensor(tensor, isKept ? stored(tensor) : options.dtype ?? stored(tensor))
        }
    }

    /// What becomes of packed weights where no type is asked for.
    private func reportPacked(_ tensors: [NamedTensor], plan: inout Plan) {
        guard options.dtype == nil else { return }
        let packed = tensors.map(\.tensor).filter { $0.dtype.kind == .float && $0.isQuantized }
        let moved = Dictionary(grouping: packed.compactMap(\.sameCodes), by: \.name).sorted { $0.key < $1.key }
            .map { "\($0.key) × \($0.value.count)" }
        if !moved.isEmpty {
            plan.notes.append("codes move as they are, into blocks of GGUF: \(moved.joined(separator: ", "))")
        }
        let count = packed.count { $0.sameCodes == nil }
        if count > 0 {
            plan.notes.append(
                "\(count) quantized weights are written as F32, which holds them exactly; --dtype bf16 or quantize "
                    + "--encoding TYPE make them smaller")
        }
    }

    private func quantizedTypes(
        of tensors: [NamedTensor], _ fileType: GGUFFileType, _ traits: GGUFModelTraits, stored: (NamedTensor) -> DType,
        plan: inout Plan
    ) throws(RecastError) -> [TypedTensor] {
        var policy = try GGUFTypePolicy(
            fileType, traits, options.quantization, isCalibrated: options.isCalibrated)
        var report = TypeReport(fileType)
        var typed: [TypedTensor] = []
        for tensor in options.quantization.keepsSplit ? tensors : tensors.inQuantizerOrder {
            // The quantizer's files have no leading dimensions of one.
            let shape = Array(tensor.tensor.shape.drop { $0 == 1 })
            var trimmed = tensor
            trimmed.tensor = tensor.tensor.reshaped(shape.isEmpty ? [1] : shape)
            let choice = try policy.choice(for: trimmed)
            report.add(trimmed, choice)
            let dtype = choice.origin == .kept ? stored(trimmed) : choice.dtype ?? choice.wanted
            typed.append(TypedTensor(trimmed, dtype, remark: report.remark(choice, trimmed)))
        }
        try report.end(options.quantization.allOverrides, uses: policy.overrideUses, plan: &plan)
        if let importance = options.quantization.importance {
            try attachImportance(&typed, by: importance, plan: &plan)
        }
        return typed
    }

    /// `general.file_type`: the encoding's number, or that of the commonest type.
    func fileType(of tensors: [TypedTensor]) -> UInt32 {
        if let encoding = options.encoding { return encoding.number }
        let dtype = Self.commonest(tensors.filter { !$0.named.isAlwaysSingle })
        return GGUFFileType.allCases.first { $0.dtype == dtype }?.number ?? 0
    }
}

extension LazyTensor {
    /// The block type of GGUF that a packed weight's codes and scales move into without a change; nil where there is none.
    var sameCodes: DType? {
        guard let form = codeForm, !dtype.isQuantized else { return nil }
        return [DType.q4_0, .q5_0, .q8_0, .mxfp4, .nvfp4].first { type in
            columnCount.isMultiple(of: type.blockElements)
                && CodeForm(blocksOf: type).flatMap { Repacking(from: form, to: $0) }?.isExact == true
        }
    }
}

extension LazyTensor {
    /// Whether numbers are divided after they are decoded.
    var isDivided: Bool {
        switch recipe {
        case .computed(.converted(let arithmetic), _):
            arithmetic.contains { if case .dividing = $0 { true } else { false } }
        case .arranged(_, let children): children.contains(where: \.isDivided)
        default: false
        }
    }
}

/// What the user should know about the choice of types.
private struct TypeReport {
    private let fileType: GGUFFileType
    private var fallbacks: [(wanted: DType, dtype: DType, wasAsked: Bool, name: String)] = []
    private var impossible: [(dtype: DType, name: String, columns: Int)] = []
    private var integers: [String] = []

    init(_ fileType: GGUFFileType) { self.fileType = fileType }

    mutating func add(_ tensor: NamedTensor, _ choice: GGUFTypeChoice) {
        let source = tensor.tensor.dtype
        if choice.origin == .kept, source.kind == .integer { integers.append(tensor.name) }
        guard let dtype = choice.dtype else {
            impossible.append((choice.wanted, tensor.name, tensor.tensor.columnCount))
            return
        }
        if choice.isFallback {
            let wasAsked = if case .asked = choice.origin { true } else { false }
            fallbacks.append((choice.wanted, dtype, wasAsked, tensor.name))
        }
    }

    /// Why a tensor has its type.
    func remark(_ choice: GGUFTypeChoice, _ tensor: NamedTensor) -> String? {
        if choice.isFallback {
            let wanted = choice.wanted
            return "rows of \(tensor.tensor.columnCount) do not fill \(wanted) blocks of \(wanted.blockElements)"
        }
        return switch choice.origin {
        case .kept: "not quantized"
        case .fileType: nil
        case .mix: "mix of \(fileType.name)"
        case .asked(let option): option
        }
    }

    /// - Throws: `unsupported` where blocks do not fill rows, and no other type stands in.
    func end(_ overrides: [TypeOverride], uses: [Int], plan: inout Plan) throws(RecastError) {
        if let first = impossible.first {
            throw .unsupported(
                "\(impossible.map(\.name).abridged): rows of \(first.columns) do not fill \(first.dtype) blocks of "
                    + "\(first.dtype.blockElements), and no other type stands in for \(first.dtype); --override gives "
                    + "them one")
        }
        for wasAsked in [true, false] {
            let texts = Self.texts(fallbacks.filter { $0.wasAsked == wasAsked })
            let remarks = texts.map { "rows do not fill \($0)" }
            if wasAsked { plan.warnings += remarks } else { plan.notes += remarks }
        }
        for (override, count) in zip(overrides, uses) where count == 0 {
            plan.warnings.append("\(override.text)=\(override.type) gives no tensor its type")
        }
        if !integers.isEmpty { plan.notes.append("integers are kept as they are: \(integers.abridged)") }
    }

    /// `Q4_K blocks of 256: Q5_0 stands in for 12 tensors (…)`
    private static func texts(
        _ fallbacks: [(wanted: DType, dtype: DType, wasAsked: Bool, name: String)]
    ) -> [String] {
        var groups: [(wanted: DType, dtype: DType, names: [String])] = []
        for fallback in fallbacks {
            if let index = groups.firstIndex(where: { $0.wanted == fallback.wanted && $0.dtype == fallback.dtype }) {
                groups[index].names.append(fallback.name)
            } else {
                groups.append((fallback.wanted, fallback.dtype, [fallback.name]))
            }
        }
        return groups.map {
            "\($0.wanted) blocks of \($0.wanted.blockElements): \($0.dtype) stands in, in \($0.names.count) "
                + "\($0.names.count == 1 ? "tensor" : "tensors") (\($0.names.abridged))"
        }
    }
}
