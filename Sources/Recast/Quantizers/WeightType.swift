/// What an override, a recipe or a budget gives a weight: a type of GGUF tensors, or an encoding of Hugging Face targets.
public enum WeightType: Sendable, Hashable {
    case dtype(DType)
    case packing(Packing)

    /// - Parameter name: in either case; encodings have the choices that are their default.
    /// - Throws: `usage` with the nearest names.
    public init(named name: String) throws(RecastError) {
        var known = DType.weightNames.map { (name: $0.name, meaning: WeightType.dtype($0.meaning)) }
        for name in Packing.names { known.append((name, .packing(try Packing.named(name)!))) }
        self = try EncodingName.meaning(of: name, among: known, what: "tensor type")
    }

    /// `Q4_K`, `gptq-int4`
    public var name: String {
        switch self {
        case .dtype(let dtype): dtype.name
        case .packing(let packing): packing.name
        }
    }

    /// The type of GGUF.
    package var dtype: DType? { if case .dtype(let dtype) = self { dtype } else { nil } }

    /// Scales and zeros included, of a wide weight.
    package var bitsPerElement: Double {
        switch self {
        case .dtype(let dtype): dtype.bitsPerElement
        case .packing(let packing): packing.bitsPerElement
        }
    }

    /// - Parameter modelType: of the weights that are not quantized, which scales share where the format leaves it open.
    package func encoding(modelType: DType) -> Encoding {
        switch self {
        case .dtype(let dtype): .plain(dtype)
        case .packing(let packing): .packed(packing.encoding(modelType: modelType))
        }
    }
}

extension WeightType: CustomStringConvertible {
    public var description: String { name }
}
