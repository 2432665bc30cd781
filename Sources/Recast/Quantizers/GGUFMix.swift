/// Which type a tensor of a quantized GGUF file gets where nobody has said so: the choice of `llama-quantize`.
///
/// Tensors must be asked about in the order of the file: counters advance from one to the next. The type may not fit the
/// rows yet. Source: Specs/gguf.md §c.2 and §c.4, gguf_mix.py.
struct GGUFMix {
    let fileType: GGUFFileType
    let traits: GGUFModelTraits
    /// Whether there is an importance file, be it with or without an entry for the tensor.
    let hasImportance: Bool
    /// What was asked for the head; it holds for a tied embedding too.
    let outputType: DType?

    private var values = 0
    private var downs = 0
    private var gates = 0
    private var ups = 0

    init(_ fileType: GGUFFileType, _ traits: GGUFModelTraits, hasImportance: Bool, outputType: DType? = nil) {
        self.fileType = fileType
        self.traits = traits
        self.hasImportance = hasImportance
        self.outputType = outputType
    }

    mutating func dtype(of tensor: NamedTensor) -> DType {
        let tensorClass = GGUFTensorClass(tensor)
        if traits.architecture == "glm5-next",
            ["attn_q_a", "attn_q_b", "nextn.eh_proj"].contains(where: tensor.name.contains)
        {
            return .q8_0
        }
        if tensorClass == .output || tensorClass == .embedding && traits.isTied {
            return outputType ?? head(columns: tensor.tensor.columnCount)
        }
        if fileType == .mxfp4_moe { return isExpert(tensor, tensorClass) ? .mxfp4 : .q8_0 }
        if tensorClass == .embedding { return embedding }
        return switch fileType {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq2_m: lowest(tensorClass)
        default: usual(tensorClass, block: tensor.block)
        }
    }
}

// MARK: Head, embedding, experts

extension GGUFMix {
    private func head(columns: Int) -> DType {
        let fits = columns.isMultiple(of: fileType.dtype.blockElements)
        if fileType == .mxfp4_moe || traits.architecture == "falcon" || !fits { return .q8_0 }
        return switch fileType {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq2_m, .iq3_xxs: .q5_k
        case .q8_0: .q8_0
        default: .q6_k
        }
    }

    private var embedding: DType {
        switch fileType {
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs: .q2_k
        case .iq2_s, .iq2_m, .iq3_xxs: .iq3_s
        case .tq1_0, .tq2_0, .q2_0: .q4_k
        default: fileType.dtype
        }
    }

    /// Stacks of matrices are experts, except where latent attention has such stacks too.
    private func isExpert(_ tensor: NamedTensor, _ tensorClass: GGUFTensorClass) -> Bool {
        let shape = tensor.tensor.shape
        guard shape.count > 2, shape[shape.count - 3] > 1 else { return false }
        return traits.architecture != "bailingmoe3" || [.up, .gate, .down].contains(tensorClass)
    }
}

// MARK: Layers

extension GGUFMix {
    /// About every third layer, and all of the first and the last eighth.
    private static func hasMoreBits(_ index: Int, of count: Int) -> Bool {
        index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
    }

    /// With experts the blocks' numbers count, as their tensors are not one to a block.
    private func position(_ counter: Int, block: Int?) -> Int {
        traits.expertCount > 1 ? block ?? counter : counter
    }

    /// The file types of one and two bits.
    private mutating func lowest(_ tensorClass: GGUFTensorClass) -> DType {
        let isTwoAndHalf = fileType == .iq2_s || fileType == .iq2_m
        let better: DType = isTwoAndHalf ? .iq3_s : .q2_k
        switch tensorClass {
        case .value:
            values += 1
            return traits.headGroup >= 4 || traits.expertCount >= 4 ? .q4_k : better
        case .key where traits.expertCount == 8:
            return .q4_k
        case .down:
            defer { downs += 1 }
            return downs < traits.layerCount / 8 ? better : fileType.dtype
        case .attentionOutput:
            if traits.expertCount == 8 { return .q5_k }
            if fileType == .iq1_s || fileType == .iq1_m { return .iq2_xxs }
            return isTwoAndHalf ? .iq3_s : fileType.dtype
        default:
            return fileType.dtype
        }
    }

    private mutating func usual(_ tensorClass: GGUFTensorClass, block: Int?) -> DType {
        switch tensorClass {
        case .value:
            defer { values += 1 }
            return value(values)
        case .key:
            if traits.expertCount == 8 { return .q8_0 }
            return query
        case .query:
            return query
        case .down:
            defer { downs += 1 }
            return down(position(downs, block: block))
        case .attentionOutput:
            return attentionOutput
        case .gate:
            defer { gates += 1 }
            return gateOrUp(position(gates, block: block))
        case .up:
            defer { ups += 1 }
            return gateOrUp(position(ups, block: block))
        case .output, .embedding, .other:
            return fileType.dtype
        }
    }

    private func value(_ index: Int) -> DType {
        if traits.expertCount == 8 { return .q8_0 }
        let isShared = traits.headGroup >= 4
        var dtype = fileType.dtype
        switch fileType {
        case .q2_k: dtype = isShared ? .q4_k : .q3_k
        case .iq3_xxs: dtype = isShared ? .q4_k : hasImportance ? .iq3_xxs : .iq3_s
        case .q2_k_s, .iq3_xs, .iq3_s: if isShared { dtype = .q4_k }
        case .iq3_m: dtype = .q4_k
        case .q3_k_m: dtype = index < 2 ? .q5_k : .q4_k
        case .q3_k_l: dtype = .q5_k
        case .iq4_nl, .iq4_xs: if isShared { dtype = .q5_k }
        case .q4_k_m, .q5_k_m: if Self.hasMoreBits(index, of: traits.valueCount) { dtype = .q6_k }
        case .q4_k_s: if index < 4 { dtype = .q5_k }
        default: break
        }
        return traits.hasFewValues && (dtype == .q3_k || dtype == .q4_k) ? .q5_k : dtype
    }

    private var query: DType {
        switch fileType {
        case .iq3_xs: .iq3_xxs
        case .iq3_xxs: .iq2_s
        default: fileType.dtype
        }
    }

    private func down(_ index: Int) -> DType {
        let isFalcon = traits.architecture == "falcon"
        let isEarly = index < traits.layerCount / 8
        let isVeryEarly = index < traits.layerCount / 16
        let hasMoreBits = Self.hasMoreBits(index, of: traits.layerCount)
        return switch fileType {
        case .q2_k: .q3_k
        case .q2_k_s where isEarly: .q4_k
        case .iq3_xxs where !hasImportance: isEarly ? .q4_k : .q3_k
        case .q3_k_m: isVeryEarly ? .q5_k : !isFalcon || hasMoreBits ? .q4_k : .q3_k
        case .iq3_m where isEarly || traits.expertCount == 8 && hasMoreBits: .q4_k
        case .q3_k_l: isFalcon ? .q4_k : .q5_k
        case .q4_k_m where isFalcon: isVeryEarly ? .q6_k : hasMoreBits ? .q5_k : .q4_k
        case .q4_k_m where hasMoreBits, .q5_k_m where hasMoreBits: .q6_k
        case .iq4_nl where isEarly && !hasImportance, .iq4_xs where isEarly && !hasImportance: .q5_k
        case .q4_k_s where isEarly && !isFalcon: .q5_k
        case .q4_0 where isEarly && hasImportance: .q4_1
        case .q5_0 where isEarly && hasImportance: .q5_1
        default: fileType.dtype
        }
    }

    private var attentionOutput: DType {
        if traits.architecture == "falcon" { return fileType == .q3_k_l ? .q4_k : fileType.dtype }
        if traits.expertCount == 8 {
            return switch fileType {
            case .q2_k, .q3_k_s, .q3_k_m, .q4_k_s, .q4_k_m, .iq3_xxs, .iq3_xs, .iq3_s, .iq3_m, .iq4_nl, .iq4_xs: .q5_k
            default: fileType.dtype
            }
        }
        return switch fileType {
        case .q2_k: .q3_k
        case .iq3_xxs: .iq3_s
        case .q3_k_m, .iq3_m: .q4_k
        case .q3_k_l: .q5_k
        default: fileType.dtype
        }
    }

    private func gateOrUp(_ index: Int) -> DType {
        let isMiddle = index >= traits.layerCount / 8 && index < 7 * traits.layerCount / 8
        return fileType == .iq3_xs && isMiddle ? .iq3_xxs : fileType.dtype
    }
}
