/// A tensor to be written, and the type to write it in.
struct TypedTensor: Sendable, Hashable {
    var name: String { named.name }
    var tensor: LazyTensor { named.tensor }
    let named: NamedTensor
    let dtype: DType
    /// What an error in each column weighs, for types that are chosen by a search.
    var importance: LazyTensor?
    /// Why it has that type, for people; nil where that goes without saying.
    let remark: String?

    init(_ named: NamedTensor, _ dtype: DType, importance: LazyTensor? = nil, remark: String? = nil) {
        self.named = named
        self.dtype = dtype
        self.importance = importance
        self.remark = remark
    }

    /// The bytes it takes; its rows fill whole blocks of the type.
    var byteCount: Int { tensor.elementCount / dtype.blockElements * dtype.blockBytes }
}

extension [TypedTensor] {
    /// The tensors in their order, cut into shards of at most `maximumSize` bytes; a tensor larger than that has one of
    /// its own.
    func shards(of maximumSize: Int?, byteCount: (TypedTensor) -> Int) -> [[TypedTensor]] {
        guard let maximumSize else { return [self] }
        var shards: [[TypedTensor]] = []
        var size = 0
        for tensor in self {
            let count = byteCount(tensor)
            if shards.isEmpty || size + count > maximumSize {
                shards.append([])
                size = 0
            }
            shards[shards.count - 1].append(tensor)
            size += count
        }
        return shards.isEmpty ? [[]] : shards
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
