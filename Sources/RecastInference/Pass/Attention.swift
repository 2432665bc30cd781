import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Causal attention of grouped heads: query head `h` reads key and value head `h / (heads / keyValueHeads)`.
struct Attention: Sendable {
    let heads: Int
    let keyValueHeads: Int
    /// Elements of a query and of a key.
    let headDimension: Int
    /// Elements of a value.
    let valueDimension: Int
    /// What products of queries and keys are multiplied by.
    let scale: Float
    /// `cap · tanh(x / cap)` of what comes of it.
    let softCap: Float?
    /// What is added for each token of distance, negative, by head; empty for none.
    let slopes: [Float]
    /// Whether biases are those of Falcon: of positions, in bfloat16, and scaled with the products.
    let scalesBiases: Bool

    /// Queries that are multiplied with the keys at once. The keys after a block's last query are never touched, so that
    /// small blocks skip most of the upper triangle, and large ones multiply faster.
    static let queriesAtOnce = 128

    init(_ configuration: ModelConfiguration, inLayer layer: Int) {
        heads = configuration.headCount
        keyValueHeads = configuration.keyValueHeadCount(inLayer: layer)
        headDimension = configuration.headDimension(inLayer: layer)
        valueDimension = configuration.layers[layer].latentAttention?.valueDimension ?? headDimension
        scale = Float(configuration.attentionScale(inLayer: layer) * Self.sharpening(of: configuration))
        softCap = configuration.softCaps.attention.map { Float($0) }
        scalesBiases = configuration.alibi.isScaled
        let slopes = configuration.hasALiBi ? Self.slopes(of: configuration) : []
        self.slopes = scalesBiases ? slopes.map(\.roundedToBFloat16) : slopes
    }

    /// Latent attention takes yarn's second number squared. Source: transformers 5.23, `yarn_apply_mscale`.
    private static func sharpening(of configuration: ModelConfiguration) -> Double {
        guard configuration.latentAttention != nil, case .yarn(let yarn) = configuration.rope.scaling,
            yarn.mscaleAllDimensions != 0
        else { return 1 }
        let sharpening = yarn.sharpening(by: yarn.mscaleAllDimensions)
        return sharpening * sharpening
    }

    /// ALiBi's powers of two; where heads are no power of two, those of twice as many fill up, every second one.
    private static func slopes(of configuration: ModelConfiguration) -> [Float] {
        let (heads, maximum) = (configuration.headCount, configuration.alibi.maximum)
        func powers(_ count: Int) -> [Double] { (1...count).map { pow(2, -maximum * Double($0) / Double(count)) } }
        var whole = 1
        while 2 * whole <= heads { whole *= 2 }
        let others = powers(2 * whole).enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
        return (powers(whole) + others.prefix(heads - whole)).map { Float($0) }
    }

    private var group: Int { heads / keyValueHeads }
    private var queryColumns: Int { heads * headDimension }
    private var keyColumns: Int { keyValueHeads * headDimension }
    private var valueColumns: Int { keyValueHeads * valueDimension }
    private var outputColumns: Int { heads * valueDimension }

    /// Floats that `attend` needs for scores when there are at most `keys` keys.
    func scoreCount(keys: Int) -> Int { max(Self.queriesAtOnce, group) * keys }

    /// One text's queries, keys and values.
    struct Operands {
        /// `[count, heads · headDimension]`, rotated.
        var queries: UnsafePointer<Float>
        var count: Int
        /// `[past + count, keyValueHeads · headDimension]`, rotated.
        var keys: UnsafePointer<Float>
        /// `[past + count, keyValueHeads · valueDimension]`
        var values: UnsafePointer<Float>
        /// The keys before that of the first query.
        var past: Int
        /// Tokens a query may look back on, itself included; nil for all.
        var window: Int?
        /// Tokens of a chunk, of which each sees those of its own; nil for the whole text.
        var chunk: Int?
        /// A score of each head that has its share of the softmax, and no token; nil for none.
        var sinks: UnsafePointer<Float>?
        /// Which of the visible keys each query sees, where an indexer has picked them; nil for all.
        var picked: PickedTokens.Rows?
        /// Where probabilities are to be kept: `[heads, count, past + count]`; nil for nowhere.
        var map: UnsafeMutablePointer<Float>?

        /// Keeps the probabilities of a query with some keys.
        func keep(_ probabilities: UnsafePointer<Float>, head: Int, _ query: Int, _ keys: Range<Int>) {
            guard let map else { return }
            let row = map + (head * count + query) * (past + count)
            row.update(repeating: 0, count: past + count)
            (row + keys.lowerBound).update(from: probabilities, count: keys.count)
        }

        /// The keys that a query sees.
        func visible(_ query: Int) -> Range<Int> {
            let position = past + query
            let first = window.map { max(0, position - $0 + 1) } ?? 0
            return max(first, chunk.map { position / $0 * $0 } ?? 0)..<position + 1
        }

        /// Calls `body` for each visible key that a query does not see.
        func forEachHidden(_ query: Int, _ body: (_ key: Int) -> Void) {
            let visible = visible(query)
            guard let picked, visible.count > picked.pickedCount else { return }
            for key in visible where !picked.contains(key, of: query) { body(key) }
        }
    }

    /// Writes `[count, heads · valueDimension]`, which may take the place of the queries where these are as wide.
    func attend(
        _ operands: Operands, into output: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>
    ) {
        if operands.count == 1 {
            attendOne(operands, into: output, scores: scores)
            return
        }
        for head in 0..<heads {
            let (keyOffset, valueOffset) = (head / group * headDimension, head / group * valueDimension)
            for first in stride(from: 0, to: operands.count, by: Self.queriesAtOnce) {
                let rows = min(Self.queriesAtOnce, operands.count - first)
                let keys = operands.visible(first).lowerBound..<operands.visible(first + rows - 1).upperBound
                multiply(
                    rows, keys.count, queries: operands.queries + first * queryColumns + head * headDimension,
                    queryStride: queryColumns, keys: operands.keys + keys.lowerBound * keyColumns + keyOffset,
                    into: scores)
                for row in 0..<rows {
                    normalize(scores + row * keys.count, head: head, first + row, of: keys, operands)
                    operands.keep(scores + row * keys.count, head: head, first + row, keys)
                }
                combine(
                    rows, keys.count, scores, values: operands.values + keys.lowerBound * valueColumns + valueOffset,
                    into: output + first * outputColumns + head * valueDimension, outputStride: outputColumns)
            }
        }
    }

    /// The heads of a group are the rows of one matrix when there is a single query.
    private func attendOne(
        _ operands: Operands, into output: UnsafeMutablePointer<Float>, scores: UnsafeMutablePointer<Float>
    ) {
        let keys = operands.visible(0)
        for keyValueHead in 0..<keyValueHeads {
            multiply(
                group, keys.count, queries: operands.queries + keyValueHead * group * headDimension,
                queryStride: headDimension,
                keys: operands.keys + keys.lowerBound * keyColumns + keyValueHead * headDimension, into: scores)
            for row in 0..<group {
                normalize(scores + row * keys.count, head: keyValueHead * group + row, 0, of: keys, operands)
                operands.keep(scores + row * keys.count, head: keyValueHead * group + row, 0, keys)
            }
            combine(
                group, keys.count, scores,
                values: operands.values + keys.lowerBound * valueColumns + keyValueHead * valueDimension,
                into: output + keyValueHead * group * valueDimension, outputStride: valueDimension)
        }
    }

    /// Probabilities from the scores of one query with some keys.
    private func normalize(
        _ scores: UnsafeMutablePointer<Float>, head: Int, _ query: Int, of keys: Range<Int>, _ operands: Operands
    ) {
        let visible = operands.visible(query)
        let range = visible.lowerBound - keys.lowerBound..<visible.upperBound - keys.lowerBound
        if let softCap { for i in range { scores[i] = softCap * tanhf(scores[i] / softCap) } }
        if !slopes.isEmpty {
            let slope = slopes[head]
            if scalesBiases {
                for i in range { scores[i] += scale * (slope * Float(keys.lowerBound + i)).roundedToBFloat16 }
            } else {
                for i in range { scores[i] -= slope * Float(range.upperBound - 1 - i) }
            }
        }
        operands.forEachHidden(query) { scores[$0 - keys.lowerBound] = -.infinity }
        Softmax.normalize(scores, range, width: keys.count, beside: operands.sinks.map { $0[head] })
        // An exponential is never quite zero.
        operands.forEachHidden(query) { scores[$0 - keys.lowerBound] = 0 }
    }

    /// `scores[rows, width] = scale · queries · keysᵀ`
    private func multiply(
        _ rows: Int, _ width: Int, queries: UnsafePointer<Float>, queryStride: Int, keys: UnsafePointer<Float>,
        into scores: UnsafeMutablePointer<Float>
    ) {
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, CInt(rows), CInt(width),
            CInt(headDimension), scale, queries, CInt(queryStride), keys, CInt(keyColumns), 0, scores, CInt(width))
    }

    /// `output[rows, valueDimension] = probabilities · values`
    private func combine(
        _ rows: Int, _ width: Int, _ probabilities: UnsafePointer<Float>, values: UnsafePointer<Float>,
        into output: UnsafeMutablePointer<Float>, outputStride: Int
    ) {
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(valueDimension),
            CInt(width), 1, probabilities, CInt(width), values, CInt(valueColumns), 0, output, CInt(outputStride))
    }
}

extension Float {
    /// The nearest number of bfloat16, the even one of two.
    fileprivate var roundedToBFloat16: Float {
        let bits = bitPattern
        return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
    }
}
