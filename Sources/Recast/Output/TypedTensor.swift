/// A tensor to be written, and the type to write it in.
struct TypedTensor: Sendable, Hashable {
    var name: String { named.name }
    var tensor: LazyTensor { named.tensor }
    let named: NamedTensor
    let encoding: Encoding
    /// What an error in each column weighs, for types that are chosen by a search.
    var importance: LazyTensor?
    let method: QuantizationMethod
    /// Why it has that type, for people; nil where that goes without saying.
    let remark: String?
    /// Where it is stored inside a larger one.
    var stack: StackPlace?

    init(_ named: NamedTensor, _ dtype: DType, importance: LazyTensor? = nil, remark: String? = nil) {
        self.init(named, .plain(dtype), importance: importance, remark: remark)
    }

    init(
        _ named: NamedTensor, _ encoding: Encoding, method: QuantizationMethod = .round,
        importance: LazyTensor? = nil, remark: String? = nil
    ) {
        self.named = named
        self.encoding = encoding
        self.method = method
        self.importance = importance
        self.remark = remark
    }

    /// The type of a tensor that is stored as one.
    var dtype: DType {
        guard let dtype = encoding.dtype else { preconditionFailure("\(name) is stored as several tensors") }
        return dtype
    }

    /// The tensors it is stored as, by itself.
    var parts: [StoredPart] { parts(named: name) }

    /// The tensors that are in the container for it: those of the stack that it is a part of.
    var storedParts: [StoredPart] {
        guard let stack else { return parts }
        return parts(named: stack.name).map { part in
            StoredPart(name: part.name, dtype: part.dtype, shape: [stack.count] + part.shape)
        }
    }

    private func parts(named name: String) -> [StoredPart] {
        switch encoding {
        case .plain(let dtype): return [StoredPart(name: name, dtype: dtype, shape: tensor.shape)]
        case .packed:
            let stem = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
            return (encoding.parts(of: tensor.shape) ?? []).map {
                StoredPart(name: stem + $0.suffix, dtype: $0.dtype, shape: $0.shape)
            }
        }
    }

    /// The bytes it takes; its rows fill whole blocks of the type.
    var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }
}

/// A matrix's place in a tensor that holds those of all experts of a layer, one after the other.
struct StackPlace: Sendable, Hashable, Codable {
    /// Of the whole; with `.weight`, where it is one.
    var name: String
    var index: Int
    /// How many matrices there are.
    var count: Int
}

/// One tensor as it stands in a container.
struct StoredPart: Sendable, Hashable {
    var name: String
    var dtype: DType
    var shape: [Int]

    var byteCount: Int { dtype.byteCount(ofBlocks: shape.reduce(1, *)) }
}

extension [TypedTensor] {
    /// The tensors in their order, cut into shards of at most `maximumSize` bytes; a tensor larger than that has one of
    /// its own, and stacks stay whole.
    func shards(of maximumSize: Int?, byteCount: (TypedTensor) -> Int) -> [[TypedTensor]] {
        guard let maximumSize else { return [self] }
        var shards: [[TypedTensor]] = []
        var size = 0
        for unit in units {
            let count = unit.reduce(0) { $0 + byteCount($1) }
            if shards.isEmpty || size + count > maximumSize {
                shards.append([])
                size = 0
            }
            shards[shards.count - 1] += unit
            size += count
        }
        return shards.isEmpty ? [[]] : shards
    }

    /// What must lie in one file: the tensors of a stack, which stand behind each other.
    private var units: [[TypedTensor]] {
        reduce(into: []) { units, tensor in
            if let stack = tensor.stack, units.last?.last?.stack?.name == stack.name {
                units[units.count - 1].append(tensor)
            } else {
                units.append([tensor])
            }
        }
    }

    /// The tensors in their order, so many to a shard.
    func shards(counts: [Int]) -> [[TypedTensor]] {
        precondition(counts.reduce(0, +) == count)
        var start = 0
        return counts.map { count in
            defer { start += count }
            return Array(self[start..<start + count])
        }
    }
}
