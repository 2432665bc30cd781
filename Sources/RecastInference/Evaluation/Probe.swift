import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What can be seen of a model while it reads one text.
public struct Probe: Sendable {
    /// What is looked at.
    public struct Options: Sendable {
        /// Positions of which the next tokens are read off each layer.
        public var positions: [Int]
        /// The likeliest tokens that are told of each.
        public var top: Int
        /// Whose attention is kept.
        public var attentionLayer: Int?
        /// Channels that are told of each layer.
        public var outliers: Int

        public init(positions: [Int], top: Int = 5, attentionLayer: Int? = nil, outliers: Int = 4) {
            self.positions = positions
            self.top = top
            self.attentionLayer = attentionLayer
            self.outliers = outliers
        }
    }

    public struct Candidate: Sendable, Equatable {
        public var token: Int32
        public var logProbability: Double

        public var probability: Double { exp(logProbability) }
    }

    /// A channel of the hidden state whose numbers are far from those of others.
    public struct Outlier: Sendable, Equatable {
        public var channel: Int
        /// The number of the largest magnitude, and the position that has it.
        public var value: Float
        public var position: Int
        /// Its magnitude divided by the median, over the channels, of their largest magnitudes.
        public var ratio: Double
    }

    public struct Layer: Sendable {
        /// `1 − cosine` of the hidden states before and behind the layer, of each token.
        public var cosineDistances: [Double]
        /// Lengths of the hidden states behind the layer, of each token.
        public var norms: [Double]
        /// The channels with the largest numbers behind the layer, the largest first.
        public var outliers: [Outlier]
        /// The likeliest next tokens, read off behind the layer with the model's last norm and head; for each of the positions
        /// asked for. Behind the last layer they are what the model predicts.
        public var candidates: [[Candidate]]

        public var meanCosineDistance: Double { cosineDistances.reduce(0, +) / Double(cosineDistances.count) }
        public var meanNorm: Double { norms.reduce(0, +) / Double(norms.count) }
    }

    public var layers: [Layer]
    /// Of the layer asked for: how much each head lets a token, the row, take from each, the column. `[heads][tokens][tokens]`.
    public var attention: [[[Float]]]
}

extension ForwardPass {
    /// Takes one text through the layers and looks at what becomes of it.
    ///
    /// - Throws: `usage` for an empty text, for a position or a layer that is not there; `malformedInput` where the model
    ///   computes no numbers.
    public func probe(_ tokens: [Int32], _ asked: Probe.Options) throws(RecastError) -> Probe {
        guard !tokens.isEmpty else { throw .usage("there is no text to look at") }
        let configuration = graph.configuration
        if let layer = asked.attentionLayer, !(0..<configuration.layerCount).contains(layer) {
            throw .usage("there is no layer \(layer) among \(configuration.layerCount)")
        }
        for position in asked.positions where !tokens.indices.contains(position) {
            throw .usage("there is no token \(position) among \(tokens.count)")
        }
        let text = Text(tokens: tokens, predictions: 0..<tokens.count)
        let run = try Run(self, [text], nil)
        let walk = try Walk(run)
        let columns = configuration.hiddenSize
        let width = configuration.embeddingSize ?? columns
        let lens = FloatBuffer(count: configuration.layerCount * asked.positions.count * width)
        let before = FloatBuffer(count: tokens.count * columns)
        let map = asked.attentionLayer.map { _ in
            FloatBuffer(count: configuration.headCount * tokens.count * tokens.count)
        }
        var layers: [Probe.Layer] = []
        while !walk.isDone {
            let index = walk.layer
            try walk.copyStates(into: before.base)
            try walk.advance(attention: index == asked.attentionLayer ? map : nil)
            let after = FloatBuffer(count: tokens.count * columns)
            try walk.copyStates(into: after.base)
            layers.append(Self.layer(before.base, after.base, tokens.count, columns, asked.outliers))
            let normed = try walk.normalizedPredictions()
            var staging: FloatBuffer?
            try normed.withRows(0..<tokens.count, .read, staging: &staging) { rows in
                for (number, position) in asked.positions.enumerated() {
                    (lens.base + (index * asked.positions.count + number) * width)
                        .update(from: rows + position * width, count: width)
                }
            }
        }
        try read(lens, run, asked, into: &layers)
        guard layers.allSatisfy({ $0.norms.allSatisfy(\.isFinite) }),
            layers.last?.candidates.allSatisfy({ $0.allSatisfy(\.logProbability.isFinite) }) ?? true
        else { throw try endOfNumbers(in: tokens) }
        return Probe(layers: layers, attention: map.map { Self.rows($0, configuration.headCount, tokens.count) } ?? [])
    }

    private static func layer(
        _ before: UnsafePointer<Float>, _ after: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ outliers: Int
    ) -> Probe.Layer {
        var distances: [Double] = []
        var norms: [Double] = []
        var largest = [(value: Float, position: Int)](repeating: (0, 0), count: columns)
        for row in 0..<rows {
            let (x, y) = (before + row * columns, after + row * columns)
            let (left, right) = (Reduction.sumOfSquares(x, columns), Reduction.sumOfSquares(y, columns))
            distances.append(1 - Similarity.cosine(Reduction.dot(x, y, columns), left, right))
            norms.append(right.squareRoot())
            for column in 0..<columns where abs(y[column]) > abs(largest[column].value) {
                largest[column] = (y[column], row)
            }
        }
        let median = Double(largest.map { abs($0.value) }.sorted()[columns / 2])
        let order = largest.indices.sorted { (abs(largest[$0].value), $1) > (abs(largest[$1].value), $0) }
        return Probe.Layer(
            cosineDistances: distances, norms: norms,
            outliers: order.prefix(outliers).map { channel in
                Probe.Outlier(
                    channel: channel, value: largest[channel].value, position: largest[channel].position,
                    ratio: median > 0 ? Double(abs(largest[channel].value)) / median : 0)
            }, candidates: [])
    }

    /// The likeliest tokens of all layers, in one pass over the head.
    private func read(
        _ lens: FloatBuffer, _ run: Run, _ asked: Probe.Options, into layers: inout [Probe.Layer]
    ) throws(RecastError) {
        let configuration = graph.configuration
        let (columns, vocabulary) = (
            configuration.embeddingSize ?? configuration.hiddenSize, configuration.vocabularySize
        )
        let rowsAtOnce = max(1, (64 << 20) / vocabulary)
        let count = layers.count * asked.positions.count
        for first in stride(from: 0, to: count, by: rowsAtOnce) {
            let rows = first..<min(count, first + rowsAtOnce)
            let states = try HiddenStates(
                rows: rows.count, columns: columns, maximumMemory: .max, directory: options.temporaryDirectory)
            var staging: FloatBuffer?
            try states.withRows(0..<rows.count, .write, staging: &staging) {
                $0.update(from: lens.base + first * columns, count: rows.count * columns)
            }
            let logits = try run.logits(hidden: states)
            for row in rows {
                layers[row / asked.positions.count].candidates.append(
                    Self.likeliest(asked.top, logits.base + (row - first) * vocabulary, vocabulary))
            }
        }
    }

    /// The likeliest of some tokens, of equals the first; their logits are lost.
    static func likeliest(_ count: Int, _ logits: UnsafeMutablePointer<Float>, _ vocabulary: Int) -> [Probe.Candidate] {
        var best: [(token: Int, logit: Float)] = []
        for token in 0..<vocabulary {
            if best.count == count, let last = best.last, !(logits[token] > last.logit) { continue }
            let place = best.firstIndex { logits[token] > $0.logit } ?? best.count
            best.insert((token, logits[token]), at: place)
            if best.count > count { best.removeLast() }
        }
        var sum = RunningLogSumExp()
        sum.add(logits, vocabulary)
        return best.map {
            Probe.Candidate(token: Int32($0.token), logProbability: -sum.negativeLogLikelihood(of: $0.logit))
        }
    }

    private static func rows(_ map: FloatBuffer, _ heads: Int, _ count: Int) -> [[[Float]]] {
        (0..<heads).map { head in
            (0..<count).map { row in
                Array(UnsafeBufferPointer(start: map.base + (head * count + row) * count, count: count))
            }
        }
    }
}
