/// Which type each tensor of a GGUF file gets: the choice of `llama-quantize`.
///
/// Source: Specs/gguf.md §c.2–c.4.
struct GGUFMix {
    let fileType: GGUFFileType
    /// Whether the embedding is the head too.
    let isTied: Bool

    init(_ fileType: GGUFFileType, tensors: [NamedTensor]) {
        self.fileType = fileType
        isTied = !tensors.contains { $0.name == "output.weight" }
    }

    /// The type to store a tensor in; its own where it is not to be quantised.
    func dtype(of tensor: NamedTensor) -> DType {
        guard Self.isQuantizable(tensor) else { return tensor.tensor.dtype }
        let wanted = fileType.dtype
        guard wanted.isQuantized else { return wanted }
        let columns = tensor.tensor.columnCount
        let isHead = tensor.name == "output.weight" || isTied && tensor.name == "token_embd.weight"
        if isHead {
            let isDivisible = columns.isMultiple(of: wanted.blockElements)
            return Self.fallback(!isDivisible || wanted == .q8_0 ? .q8_0 : .q6_k, columns: columns)
        }
        return Self.fallback(wanted, columns: columns)
    }

    /// Weights of two and more dimensions, except those whose numbers matter most.
    static func isQuantizable(_ tensor: NamedTensor) -> Bool {
        let dimensions = tensor.tensor.shape.drop { $0 == 1 }.count
        return dimensions >= 2 && tensor.name.hasSuffix("weight")
            && !["_norm.weight", "ffn_gate_inp.weight"].contains { tensor.name.contains($0) }
    }

    /// The nearest type whose blocks fill a row.
    static func fallback(_ dtype: DType, columns: Int) -> DType {
        if columns.isMultiple(of: dtype.blockElements) { return dtype }
        let smaller: DType =
            switch dtype {
            case .q2_k, .q3_k, .tq1_0, .tq2_0, .q2_0: .q4_0
            case .q4_k: .q5_0
            case .q5_k: .q5_1
            case .q6_k: .q8_0
            default: .f16
            }
        return columns.isMultiple(of: smaller.blockElements) ? smaller : .f16
    }

    /// The order of tensors in `llama-quantize`'s files: those of no block first, then by block, each by name.
    static func sorted(_ tensors: [NamedTensor]) -> [NamedTensor] {
        func block(_ name: String) -> Int {
            guard name.hasPrefix("blk.") else { return -1 }
            return Int(name.dropFirst(4).prefix { $0.isNumber }) ?? -1
        }
        return tensors.map { (block($0.name), $0) }
            .sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1.name.utf8.lexicographicallyPrecedes($1.1.name.utf8) }
            .map(\.1)
    }
}
