/// What becomes of the type of one tensor, and why.
struct GGUFTypeChoice: Sendable, Hashable {
    enum Origin: Sendable, Hashable {
        /// The tensor is not one that is quantized.
        case kept
        /// The file type's own type.
        case fileType
        /// A deviation of the file type's mix.
        case mix
        /// What was asked for, in the words of the option.
        case asked(String)
    }

    var origin: Origin
    /// The type that was chosen.
    var wanted: DType
    /// The type that is stored: the chosen one, or one that stands in for it because its blocks fill the rows; nil where
    /// there is none.
    var dtype: DType?

    var isFallback: Bool { dtype != wanted }
}

/// Chooses the type of each tensor of a quantized GGUF file: what was asked for it, else the mix; and where blocks do not
/// fill the rows, what stands in. Source: Specs/gguf.md §c.3–c.5.
///
/// Like the mix it must be asked in the order of the file. Unlike the reference, types for the embedding and the head are
/// subject to the fallback too, and patterns hold for unquantized file types.
struct GGUFTypePolicy {
    private let fileType: GGUFFileType
    private let options: QuantizationOptions
    private let patterns: [Expression]
    private var mix: GGUFMix
    /// How many tensors each of the options' overrides has given a type.
    private(set) var overrideUses: [Int]

    init(
        _ fileType: GGUFFileType, _ traits: GGUFModelTraits, _ options: QuantizationOptions, isCalibrated: Bool = false
    ) throws(RecastError) {
        // A calibration knows what an importance file does.
        let hasImportance = options.importance != nil || isCalibrated
        self.fileType = fileType
        self.options = options
        var patterns: [Expression] = []
        for override in options.allOverrides {
            guard override.type.dtype != nil else {
                throw .usage(
                    "\(override.text): \(override.type) is an encoding of Hugging Face targets; tensors of GGUF have types such as "
                        + "q4_k")
            }
            patterns.append(try override.pattern.compiled())
        }
        self.patterns = patterns
        overrideUses = Array(repeating: 0, count: patterns.count)
        mix = GGUFMix(
            fileType, traits, hasImportance: hasImportance, outputType: options.outputType)
    }

    /// - Throws: `unsupported` where the pattern of an override takes too much for the name.
    mutating func choice(for tensor: NamedTensor) throws(RecastError) -> GGUFTypeChoice {
        guard tensor.isQuantizable(in: mix.traits.architecture) else {
            return GGUFTypeChoice(origin: .kept, wanted: tensor.tensor.dtype, dtype: tensor.tensor.dtype)
        }
        let (origin, wanted) = try wish(for: tensor)
        return GGUFTypeChoice(
            origin: origin, wanted: wanted, dtype: Self.fitting(wanted, columns: tensor.tensor.columnCount))
    }

    private mutating func wish(for tensor: NamedTensor) throws(RecastError) -> (GGUFTypeChoice.Origin, DType) {
        let tensorClass = GGUFTensorClass(tensor)
        if tensorClass == .embedding, let dtype = options.embeddingType {
            return (.asked("--embedding-encoding"), dtype)
        }
        if tensorClass == .output, let dtype = options.outputType { return (.asked("--output-encoding"), dtype) }
        for (index, pattern) in patterns.enumerated() where try pattern.isFound(in: tensor.name) {
            overrideUses[index] += 1
            let override = options.allOverrides[index]
            return (.asked(override.text), override.type.dtype!)
        }
        guard fileType.dtype.isQuantized, !options.isPure else { return (.fileType, fileType.dtype) }
        let dtype = mix.dtype(of: tensor)
        return (dtype == fileType.dtype ? .fileType : .mix, dtype)
    }

    /// The type itself, or the nearest one whose blocks fill rows of so many columns; nil where none is defined.
    static func fitting(_ dtype: DType, columns: Int) -> DType? {
        if columns.isMultiple(of: dtype.blockElements) { return dtype }
        let substitute: DType
        switch dtype {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs: substitute = .iq4_nl
        case .q2_0, .q2_k, .q3_k, .tq1_0, .tq2_0: substitute = .q4_0
        case .q4_k: substitute = .q5_0
        case .q5_k: substitute = .q5_1
        case .q6_k: substitute = .q8_0
        case .q1_0, .nvfp4: return nil
        default: substitute = .f16
        }
        return columns.isMultiple(of: substitute.blockElements) ? substitute : .f16
    }

    /// Whether a type is so coarse that it needs an importance for the tensor. Source: Specs/gguf.md §c.4.
    static func needsImportance(_ dtype: DType, for tensor: NamedTensor, in fileType: GGUFFileType) -> Bool {
        guard ![.output, .embedding].contains(GGUFTensorClass(tensor)) else { return false }
        switch dtype {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs: return true
        default: return dtype == .q2_k && fileType == .q2_k_s
        }
    }
}
