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

    /// - Parameters:
    ///   - layer: whose keys and values; nil for those of any, while nothing is remembered.
    ///   - capacity: tokens, remembered ones and those of a block together.
    init(_ configuration: ModelConfiguration, layer: Int?, capacity: Int) {
        let layers = layer.map { $0..<$0 + 1 } ?? configuration.layers.indices
        keyColumns = layers.map { configuration.keyValueRows(inLayer: $0) }.max() ?? 0
        valueColumns = layers.map { configuration.valueRows(inLayer: $0) }.max() ?? 0
        keyBuffer = FloatBuffer(count: capacity * keyColumns)
        valueBuffer = FloatBuffer(count: capacity * valueColumns)
    }

    /// Keys of the tokens after those remembered: `[tokens, keyValueHeads · headDimension]`; those remembered stand before.
    var keys: UnsafeMutablePointer<Float> { keyBuffer.base + count * keyColumns }

    /// Values likewise: `[tokens, keyValueHeads · valueDimension]`.
    var values: UnsafeMutablePointer<Float> { valueBuffer.base + count * valueColumns }

    func append(_ tokens: Int) { count += tokens }

    /// Of a batch of texts: those that its rows belong to, each of one row. The keys and values of the rows are computed here and go
    /// on to the texts' own.
    var members: [KeyValueCache] = []

    /// Remembers what another does.
    func assign(_ other: KeyValueCache) {
        keyBuffer.base.update(from: other.keyBuffer.base, count: other.count * keyColumns)
        valueBuffer.base.update(from: other.valueBuffer.base, count: other.count * valueColumns)
        count = other.count
    }

    /// Takes over keys and values of a token that comes next, which are not counted before `append`.
    func take(keys: UnsafePointer<Float>, values: UnsafePointer<Float>) {
        self.keys.update(from: keys, count: keyColumns)
        self.values.update(from: values, count: valueColumns)
    }
}
