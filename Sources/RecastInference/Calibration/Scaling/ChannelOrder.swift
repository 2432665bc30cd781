import Recast

/// Channels between two operations, which may have any order as long as both have the same: hidden channels of
/// feed-forward, which are rows of gate and up and columns of down; and those of a value head, which are rows of the value and columns of the
/// output projection behind each head that shares it.
struct ChannelOrder {
    /// The weights, and their biases, whose rows the channels are.
    let producers: [Slot]
    /// Heads of which each has channels of its own, and the query heads that share each of them.
    private let heads: Int
    private let sharing: Int
    /// Channels of a head.
    private let width: Int

    /// - Parameter site: whose columns the channels are.
    /// - Returns: nil for weights whose columns have an order that matters.
    init?(before site: Slot, in graph: Graph) {
        guard let layer = site.layer, let tensor = graph[site] else { return nil }
        switch site.role {
        case .down:
            producers = (graph.configuration.gatesFeedForward ? [.gate, .up] : [.up]).map {
                Slot($0, layer: layer, expert: site.expert)
            }
        case .sharedDown:
            producers = (graph.configuration.gatesFeedForward ? [.sharedGate, .sharedUp] : [.sharedUp]).map {
                Slot($0, layer: layer)
            }
        case .attentionOutput where graph.configuration.latentAttention == nil:
            let own = graph.configuration.layers[layer]
            guard !own.valuesAreKeys, own.keyValueSource == nil, !graph.configuration.keyValueSources.contains(layer)
            else { return nil }
            producers = [Slot(.value, layer: layer)]
        default: return nil
        }
        if site.role == .attentionOutput {
            heads = graph.configuration.keyValueHeadCount(inLayer: layer)
            sharing = graph.configuration.headCount / heads
        } else {
            (heads, sharing) = (1, 1)
        }
        width = tensor.columnCount / (heads * sharing)
        for producer in producers where graph[producer]?.rowCount != heads * width { return nil }
        // Biases of experts have no place of their own in what is kept.
        if site.expert != nil, producers.contains(where: { graph[$0.bias] != nil }) { return nil }
    }

    /// The channels of each head by what they matter, the greatest first; of equals the first.
    ///
    /// - Parameter meanSquares: of each column.
    /// - Returns: the row that stands at each place of the producers, and the column at each place of the weight.
    func places(_ meanSquares: [Float]) -> (rows: [Int], columns: [Int]) {
        var rows: [Int] = []
        var columns: [Int] = []
        for head in 0..<heads {
            let first = head * sharing * width
            let weights = (0..<width).map { channel in
                (0..<sharing).reduce(Float(0)) { $0 + meanSquares[first + $1 * width + channel] }
            }
            let order = (0..<width).sorted { (weights[$0], $1) > (weights[$1], $0) }
            rows += order.map { head * width + $0 }
            for query in 0..<sharing { columns += order.map { first + query * width + $0 } }
        }
        return (rows, columns)
    }

    /// Roles whose codes may get another order afterwards.
    static let producerRoles: Set<Role> = [.gate, .up, .sharedGate, .sharedUp, .value]
}

/// The columns of a matrix in another order: the column at each place.
struct ColumnPlaces {
    private let places: [Int]

    init(_ places: [Int]) { self.places = places }

    func gathered(_ matrix: UnsafeMutableBufferPointer<Float>, rows: Int) -> FloatBuffer {
        let result = FloatBuffer(count: matrix.count)
        for first in stride(from: 0, to: rows * places.count, by: places.count) {
            for (place, column) in places.enumerated() { result.base[first + place] = matrix[first + column] }
        }
        return result
    }

    func scatter(_ gathered: FloatBuffer, into matrix: UnsafeMutableBufferPointer<Float>, rows: Int) {
        for first in stride(from: 0, to: rows * places.count, by: places.count) {
            for (place, column) in places.enumerated() { matrix[first + column] = gathered.base[first + place] }
        }
    }
}

extension Slot {
    /// The bias beside a weight.
    var bias: Slot { Slot(role, layer: layer, expert: expert, .bias) }
}

extension EncodedRows {
    /// Some rows in another order.
    func picked(_ order: [Int]) -> EncodedRows {
        switch content {
        case .tile(let tile): return EncodedRows(tile.picked(order), reduced)
        case .blocks(let dtype, let bytes):
            let width = bytes.count / max(1, rows)
            return EncodedRows(
                blocks: order.flatMap { bytes[$0 * width..<($0 + 1) * width] }, of: dtype, rows: order.count,
                columns: columns)
        }
    }

    /// Rows one after the other, of the same encoding.
    static func joined(_ parts: [EncodedRows]) -> EncodedRows {
        let rows = parts.reduce(0) { $0 + $1.rows }
        switch parts[0].content {
        case .blocks(let dtype, _):
            let bytes = parts.flatMap { part -> [UInt8] in
                if case .blocks(_, let bytes) = part.content { bytes } else { [] }
            }
            return EncodedRows(blocks: bytes, of: dtype, rows: rows, columns: parts[0].columns)
        case .tile(let first):
            let tiles = parts.compactMap { part -> Tile? in if case .tile(let tile) = part.content { tile } else { nil }
            }
            func joined(_ path: (Tile) -> UnitMultiples?) -> UnitMultiples? {
                let all = tiles.compactMap(path)
                guard var result = all.first else { return nil }
                (result.units, result.multiples) = (all.flatMap(\.units), all.flatMap(\.multiples))
                return result
            }
            return EncodedRows(
                Tile(
                    first.scheme, rows: rows, columns: first.columns, codes: tiles.flatMap(\.codes),
                    scales: tiles.flatMap(\.scales), offsets: tiles.flatMap(\.offsets), groups: first.groups,
                    scaleMultiples: joined(\.scaleMultiples), minimumMultiples: joined(\.minimumMultiples)),
                parts[0].reduced)
        }
    }
}
