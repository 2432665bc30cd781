/// Which encoding each weight of a Hugging Face target gets.
struct PackingPolicy {
    struct Choice {
        var type: WeightType
        /// The override that asks for it.
        var asked: TypeOverride?
    }

    private let packing: Packing
    private let overrides: [(asked: TypeOverride, pattern: Expression, type: WeightType)]
    private var uses: [Int]

    /// - Throws: `usage` for overrides that a checkpoint of this format cannot hold.
    init(_ packing: Packing, _ options: QuantizationOptions) throws(RecastError) {
        self.packing = packing
        var overrides: [(TypeOverride, Expression, WeightType)] = []
        for asked in options.allOverrides {
            var type = asked.type
            do throws(RecastError) {
                switch asked.type {
                case .packing(let other): type = .packing(try packing.beside(other.name))
                case .dtype(.f32), .dtype(.f16), .dtype(.bf16): break
                case .dtype(let dtype): throw .usage("\(dtype) is a type of GGUF tensors")
                }
            } catch { throw .usage("\(asked.text)=\(asked.type.name.lowercased()): \(error.message)") }
            overrides.append((asked, try asked.pattern.compiled(), type))
        }
        self.overrides = overrides
        uses = Array(repeating: 0, count: overrides.count)
    }

    /// - Parameter name: of a weight that the format's consumers expect quantized.
    /// - Throws: `unsupported` where the pattern of an override takes too much for the name.
    mutating func choice(for name: String) throws(RecastError) -> Choice {
        for (index, override) in overrides.enumerated() where try override.pattern.isFound(in: name) {
            uses[index] += 1
            return Choice(type: override.type, asked: override.asked)
        }
        return Choice(type: .packing(packing))
    }

    var warnings: [String] {
        zip(overrides, uses).filter { $0.1 == 0 }.map {
            "\($0.0.asked.text)=\($0.0.type.name.lowercased()) gives no weight its encoding"
        }
    }
}
