import Recast

/// Keys and values of layers that later ones look at, of all tokens of a sample: in memory, or in files, as hidden states are.
final class SharedKeyValues: Sendable {
    private struct Place: Sendable {
        /// `[tokens, keyValueHeads · headDimension]`, rotated.
        var keys: HiddenStates
        var values: HiddenStates
    }

    private let places: [Int: Place]

    /// - Returns: nil where every layer has keys and values of its own.
    init?(_ configuration: ModelConfiguration, rows: Int, _ options: PassOptions) throws(RecastError) {
        let sources = configuration.keyValueSources
        guard !sources.isEmpty else { return nil }
        var memory = options.maximumMemory
        func states(_ columns: Int) throws(RecastError) -> HiddenStates {
            let states = try HiddenStates(
                rows: rows, columns: columns, maximumMemory: memory, directory: options.temporaryDirectory)
            memory -= states.memoryByteCount
            // A file is as long as it will be, as what is kept of a pass may be read before its layer is there.
            if rows > 0 {
                let zeros = FloatBuffer(count: columns)
                zeros.base.update(repeating: 0, count: columns)
                try states.store(columns, to: rows - 1, from: zeros.base)
            }
            return states
        }
        var places: [Int: Place] = [:]
        for layer in sources.sorted() {
            places[layer] = Place(
                keys: try states(configuration.keyValueRows(inLayer: layer)),
                values: try states(configuration.valueRows(inLayer: layer)))
        }
        self.places = places
    }

    /// Everything, layer after layer.
    var all: [HiddenStates] { places.sorted { $0.key < $1.key }.flatMap { [$0.value.keys, $0.value.values] } }

    /// Keeps what a layer's state holds of a block, where others will look at it.
    ///
    /// - Parameter first: the block's first row of the sample.
    func store(_ layer: Int, _ first: Int, rows: Int, of cache: KeyValueCache) throws(RecastError) {
        guard let place = places[layer] else { return }
        for (states, numbers) in [(place.keys, cache.keys), (place.values, cache.values)] {
            let count = rows * states.columns
            if let target = states.place(of: first) {
                target.update(from: numbers, count: count)
            } else {
                try states.store(count, to: first, from: numbers)
            }
        }
    }

    /// Fills a state with what was kept of a layer.
    func load(_ layer: Int, _ first: Int, rows: Int, into cache: KeyValueCache) throws(RecastError) {
        guard let place = places[layer] else { return }
        for (states, numbers) in [(place.keys, cache.keys), (place.values, cache.values)] {
            let count = rows * states.columns
            if let source = states.place(of: first) {
                numbers.update(from: source, count: count)
            } else {
                try states.load(count, from: first, into: numbers)
            }
        }
    }
}
