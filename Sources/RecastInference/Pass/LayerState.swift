import Recast

/// What a layer remembers of a text for the tokens to come: keys and values, where attention mixes tokens.
///
/// A stage that mixes tokens writes to the state of its layer, and knows of what kind it is. A pass over whole texts has a
/// state that remembers nothing, and whose room is used again for every block.
protocol LayerState: AnyObject {
    /// Tokens that are remembered.
    var count: Int { get }

    /// Remembers so many tokens more: those that have just gone through the layer.
    func append(_ tokens: Int)
}

/// The keys and values of attention.
final class KeyValueCache: LayerState {
    private(set) var count = 0
    private let keyColumns: Int
    private let valueColumns: Int
    private let keyBuffer: FloatBuffer
    private let valueBuffer: FloatBuffer
    private let indexerColumns: Int
    private let indexerBuffer: FloatBuffer

    /// - Parameter capacity: tokens, remembered ones and those of a block together.
    init(_ configuration: ModelConfiguration, capacity: Int) {
        keyColumns = configuration.keyValueRows
        valueColumns = configuration.valueRows
        keyBuffer = FloatBuffer(count: capacity * keyColumns)
        valueBuffer = FloatBuffer(count: capacity * valueColumns)
        indexerColumns = configuration.latentAttention?.indexer?.headDimension ?? 0
        indexerBuffer = FloatBuffer(count: capacity * indexerColumns)
    }

    /// Keys of the tokens after those remembered: `[tokens, keyValueHeads · headDimension]`; those remembered stand before.
    var keys: UnsafeMutablePointer<Float> { keyBuffer.base + count * keyColumns }

    /// Values likewise: `[tokens, keyValueHeads · valueDimension]`.
    var values: UnsafeMutablePointer<Float> { valueBuffer.base + count * valueColumns }

    /// Keys of an indexer likewise: `[tokens, headDimension]`; none where there is none.
    var indexerKeys: UnsafeMutablePointer<Float> { indexerBuffer.base + count * indexerColumns }

    func append(_ tokens: Int) { count += tokens }

    /// Of a batch of texts: those that its rows belong to, each of one row. The keys and values of the rows are computed here and go
    /// on to the texts' own.
    var members: [KeyValueCache] = []

    /// Remembers what another does.
    func assign(_ other: KeyValueCache) {
        keyBuffer.base.update(from: other.keyBuffer.base, count: other.count * keyColumns)
        valueBuffer.base.update(from: other.valueBuffer.base, count: other.count * valueColumns)
        indexerBuffer.base.update(from: other.indexerBuffer.base, count: other.count * indexerColumns)
        count = other.count
    }

    /// Takes over keys and values of a token that comes next, which are not counted before `append`.
    func take(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, indexerKeys: UnsafePointer<Float>) {
        self.keys.update(from: keys, count: keyColumns)
        self.values.update(from: values, count: valueColumns)
        self.indexerKeys.update(from: indexerKeys, count: indexerColumns)
    }
}
