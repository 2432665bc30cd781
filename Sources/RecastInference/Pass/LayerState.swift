import Recast

/// What a layer remembers of a text for the tokens to come: keys and values, where attention mixes tokens, and the state of a
/// recurrent layer.
///
/// A stage that mixes tokens writes to the state of its layer. A pass over whole texts has a state for all layers that remembers
/// nothing, and whose room is used again for every block.
final class LayerState {
    /// Tokens that are remembered.
    private(set) var count = 0
    let keyValues: KeyValueCache?
    let recurrent: RecurrentState?
    /// Of a batch of texts: those that its rows belong to, each of one row. What is computed of the rows goes on to the texts' own.
    private(set) var members: [LayerState] = []

    /// - Parameters:
    ///   - layers: those that use it.
    ///   - capacity: tokens, remembered ones and those of a block together.
    init(_ configuration: ModelConfiguration, layers: Range<Int>, capacity: Int) {
        let own = configuration.layers[layers]
        keyValues =
            own.contains(where: \.hasAttention)
            ? KeyValueCache(configuration, layers: layers, capacity: capacity) : nil
        recurrent = own.lazy.compactMap(\.recurrence).first.map { RecurrentState($0) }
    }

    /// Remembers so many tokens more: those that have just gone through the layer.
    func append(_ tokens: Int) {
        count += tokens
        keyValues?.append(tokens)
    }

    /// Remembers what another does.
    func assign(_ other: LayerState) {
        count = other.count
        if let its = other.keyValues { keyValues?.assign(its) }
        if let its = other.recurrent { recurrent?.assign(its) }
    }

    /// Makes this the state of a batch; of none for an empty list.
    func join(_ states: [LayerState]) { members = states }

    /// The text that a row of a batch belongs to; nil where this is no batch's.
    func member(_ index: Int) -> LayerState? { members.isEmpty ? nil : members[index] }
}

/// The keys and values of attention.
final class KeyValueCache {
    private(set) var count = 0
    private let keyColumns: Int
    private let valueColumns: Int
    private let keyBuffer: FloatBuffer
    private let valueBuffer: FloatBuffer
    private let indexerColumns: Int
    private let indexerBuffer: FloatBuffer

    /// - Parameters:
    ///   - layers: whose keys and values; those of several while nothing is remembered.
    ///   - capacity: tokens, remembered ones and those of a block together.
    init(_ configuration: ModelConfiguration, layers: Range<Int>, capacity: Int) {
        keyColumns = layers.map { configuration.keyValueRows(inLayer: $0) }.max() ?? 0
        valueColumns = layers.map { configuration.valueRows(inLayer: $0) }.max() ?? 0
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

/// The state of a recurrent layer: the last inputs of its convolution, and what the recurrence keeps.
final class RecurrentState {
    /// `[convolutionSize - 1, channels]`, the oldest first.
    let inputs: FloatBuffer
    /// Of a gated delta net `[valueHeads, keyHeadDimension, valueHeadDimension]`, of Mamba `[stateSize, channels]`, of Mamba-2
    /// `[heads, stateSize, headDimension]`.
    let numbers: FloatBuffer

    init(_ recurrence: Recurrence) {
        inputs = FloatBuffer(count: (recurrence.convolutionSize - 1) * recurrence.channelCount)
        numbers = FloatBuffer(count: recurrence.stateCount)
    }

    /// Nothing was seen yet.
    func clearInputs() { inputs.base.update(repeating: 0, count: inputs.count) }
    func clearNumbers() { numbers.base.update(repeating: 0, count: numbers.count) }

    func assign(_ other: RecurrentState) {
        inputs.base.update(from: other.inputs.base, count: inputs.count)
        numbers.base.update(from: other.numbers.base, count: numbers.count)
    }
}
