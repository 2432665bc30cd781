import Recast

/// The intermediate results of one block of rows, for one worker; used again for every block and layer.
struct LayerBuffers {
    /// Who computes with these.
    let worker: Int
    let scores: UnsafeMutablePointer<Float>
    /// Which experts the rows go through.
    var routing = Routing()
    private var places: [UnsafeMutablePointer<Float>]
    private let memory: [FloatBuffer]
    /// Which tokens those of the block see; nil where all.
    let picked: PickedTokens?

    /// The feed-forward network sees each row by itself, and a long text in parts of
    /// nearly the same size, which bounds its large buffers.
    static func parts(of rows: Int) -> [Range<Int>] {
        let count = rows.dividedRoundingUp(by: ForwardPass.rowsAtOnce)
        return (0..<count).map { $0 * rows / count..<($0 + 1) * rows / count }
    }

    /// - Parameters:
    ///   - rows: the most rows of a block.
    ///   - keys: the most tokens of a text.
    init(_ configuration: ModelConfiguration, rows: Int, keys: Int, worker: Int = 0) {
        self.worker = worker
        var memory = Intermediate.allCases.map { intermediate in
            let rows = intermediate.isOfParts ? min(rows, ForwardPass.rowsAtOnce) : rows
            let takesPlaceOfQueries = intermediate == .attended && configuration.latentAttention == nil
            return FloatBuffer(count: takesPlaceOfQueries ? 0 : rows * configuration.columns(of: intermediate))
        }
        places = memory.map(\.base)
        if configuration.latentAttention == nil {
            places[Intermediate.attended.rawValue] = places[Intermediate.queries.rawValue]
        }
        let picker = configuration.latentAttention?.indexer.map { TokenPicker(indexer: $0) }
        picked = PickedTokens(configuration, rows: rows, length: keys)
        let scoreCounts = configuration.layers.indices.filter { configuration.layers[$0].hasAttention }.map {
            Attention(configuration, inLayer: $0).scoreCount(keys: keys)
        }
        memory.append(
            FloatBuffer(
                count: max(scoreCounts.max() ?? 0, picked == nil ? 0 : picker?.scoreCount(keys: keys) ?? 0)))
        scores = memory[memory.count - 1].base
        self.memory = memory
    }

    /// Where the first row is.
    subscript(_ intermediate: Intermediate) -> UnsafeMutablePointer<Float> {
        get { places[intermediate.rawValue] }
        set { places[intermediate.rawValue] = newValue }
    }
}
