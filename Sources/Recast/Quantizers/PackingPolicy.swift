/// Which encoding each weight of a Hugging Face target gets.
struct PackingPolicy {
    struct Choice {
        var type: WeightType
        /// The override that asks for it.
        var asked: TypeOverride?
    }

    private let packing: Packing
    private let overrides: [(asked: TypeOverride, type: WeightType)]
    /// The overrides of one name each: a recipe may name every expert of every layer.
    private var wholeNames: [String: Int] = [:]
    private var patterns: [(index: Int, expression: Expression)] = []
    private var uses: [Int]

    /// - Throws: `usage` for overrides that a checkpoint of this format cannot hold.
    init(_ packing: Packing, _ options: QuantizationOptions) throws(RecastError) {
        self.packing = packing
        var overrides: [(TypeOverride, WeightType)] = []
        for asked in options.allOverrides {
            var type = asked.type
            do throws(RecastError) {
                switch asked.type {
                case .packing(let other): type = .packing(try packing.beside(other.name))
                case .dtype(.f32), .dtype(.f16), .dtype(.bf16): break
                case .dtype(let dtype): throw .usage("\(dtype) is a type of GGUF tensors")
                }
            } catch { throw .usage("\(asked.text)=\(asked.type.name.lowercased()): \(error.message)") }
            if let name = asked.pattern.wholeName?.lowercased() {
                if wholeNames[name] == nil { wholeNames[name] = overrides.count }
            } else {
                patterns.append((overrides.count, try asked.pattern.compiled()))
            }
            overrides.append((asked, type))
        }
        self.overrides = overrides
        uses = Array(repeating: 0, count: overrides.count)
    }

    /// - Parameter name: of a weight that the format's consumers expect quantized.
    /// - Throws: `unsupported` where the pattern of an override takes too much for the name.
    mutating func choice(for name: String) throws(RecastError) -> Choice {
        // Patterns are in lower case.
        let name = name.lowercased()
        var found = wholeNames[name]
        for (index, expression) in patterns where index < found ?? .max {
            if try expression.isFound(in: name) {
                found = index
                break
            }
        }
        guard let found else { return Choice(type: .packing(packing)) }
        uses[found] += 1
        return Choice(type: overrides[found].type, asked: overrides[found].asked)
    }

    var warnings: [String] {
        zip(overrides, uses).filter { $0.1 == 0 }.map {
            "\($0.0.asked.text)=\($0.0.type.name.lowercased()) gives no weight its encoding"
        }
    }
}
