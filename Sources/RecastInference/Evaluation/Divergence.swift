import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How far a model's predictions are from those of another, the reference.
public struct Divergence: Sendable, Codable, Equatable {
    /// On one text, or on all together.
    public struct Score: Sendable, Codable, Equatable {
        public var name: String
        /// Of the text, without any beginning-of-text token.
        public var tokens: Int
        /// Positions whose predictions were compared.
        public var scored: Int
        public var reference: Likelihood
        public var candidate: Likelihood
        /// The candidate's perplexity divided by the reference's.
        public var ratio: Double
        /// KL(reference ‖ candidate) of each position's distribution over the vocabulary, in nats.
        public var divergence: Distribution
        /// The part of the positions at which both models hold the same token for the likeliest, 0…1.
        public var sameTop: Double
        /// The root of the mean square of the difference between both probabilities of the token that follows, 0…1.
        public var rootMeanSquareDeltaP: Double
    }

    /// How well a model predicts a text.
    public struct Likelihood: Sendable, Codable, Equatable {
        /// The sum of `-ln p` over the scored tokens, in nats.
        public var nll: Double
        public var perplexity: Double
        /// The standard error of `perplexity`; nil for a single token.
        public var error: Double?

        init(_ score: Perplexity.Score) {
            (nll, perplexity, error) = (score.nll, score.perplexity, score.error)
        }
    }

    /// What is told of many values.
    public struct Distribution: Sendable, Codable, Equatable {
        public var mean: Double
        /// The standard error of `mean`; nil for a single value.
        public var error: Double?
        public var median: Double
        /// Percentiles; between two values they are interpolated.
        public var p90: Double
        public var p95: Double
        public var p99: Double
        public var p999: Double
        public var maximum: Double

        /// - Precondition: there are values.
        init(_ values: [Double]) {
            let count = Double(values.count)
            let mean = values.reduce(0, +) / count
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            self.mean = mean
            error = values.count > 1 ? (squares / (count - 1) / count).squareRoot() : nil
            let sorted = values.sorted()
            func quantile(_ fraction: Double) -> Double {
                let place = fraction * (count - 1)
                let below = Int(place)
                let above = min(below + 1, sorted.count - 1)
                return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
            }
            median = quantile(0.5)
            (p90, p95, p99, p999) = (quantile(0.9), quantile(0.95), quantile(0.99), quantile(0.999))
            maximum = sorted[sorted.count - 1]
        }
    }

    /// The hidden states behind a layer, of all tokens.
    public struct Layer: Sendable, Codable, Equatable {
        public var layer: Int
        /// The mean over the tokens of the cosine of the angle between both models' hidden states.
        public var cosine: Double
        /// `‖candidate − reference‖ / ‖reference‖` over all tokens.
        public var relativeError: Double
    }

    /// What a weight gives, where each model multiplies by it what it has at that place.
    public struct Linear: Sendable, Codable, Equatable {
        public var slot: Slot
        /// Tokens; of an expert those that both models route to it.
        public var tokens: Int
        public var cosine: Double
        public var relativeError: Double
    }

    /// How many positions have a divergence up to a bound, and above the bound before it; the first bound takes what is below,
    /// the last what is above.
    public struct Bin: Sendable, Codable, Equatable {
        public var upperBound: Double
        public var count: Int
    }

    public var channels: [Score]
    public var total: Score
    /// In order; empty where the layers of the two cannot be compared.
    public var layers: [Layer] = []
    /// Layer after layer; empty unless asked for.
    public var linears: [Linear] = []
    /// Of the divergence of all positions: four bins to a power of ten, from 10⁻⁸ to 10² nats.
    public var histogram: [Bin] = []
}

extension Divergence.Score {
    init(name: String, tokens: Int, _ values: [PairedPrediction]) {
        self.name = name
        self.tokens = tokens
        scored = values.count
        reference = Divergence.Likelihood(
            Perplexity.Score(name: name, tokens: tokens, values.map(\.referenceLikelihood)))
        candidate = Divergence.Likelihood(
            Perplexity.Score(name: name, tokens: tokens, values.map(\.candidateLikelihood)))
        let count = Double(values.count)
        ratio = exp((candidate.nll - reference.nll) / count)
        divergence = Divergence.Distribution(values.map(\.divergence))
        sameTop = Double(values.count { $0.hasSameTop }) / count
        rootMeanSquareDeltaP = (values.reduce(0) { $0 + $1.deltaP * $1.deltaP } / count).squareRoot()
    }
}

extension Divergence {
    init(_ texts: ScoredTexts, _ values: [PairedPrediction]) {
        let scores = texts.scores(of: values, Score.init)
        self.init(channels: scores.channels, total: scores.total, histogram: Self.histogram(values.map(\.divergence)))
    }

    init(_ texts: ScoredTexts, _ values: [PairedPrediction], _ walk: PairedWalk) {
        self.init(texts, values)
        layers = walk.layers.enumerated().map { Layer(layer: $0, cosine: $1.cosine, relativeError: $1.relativeError) }
        linears = walk.linears.map { site, similarity in
            Linear(
                slot: site, tokens: similarity.rows, cosine: similarity.cosine,
                relativeError: similarity.relativeError)
        }
    }

    static func histogram(_ values: [Double]) -> [Bin] {
        var bins = (-32...8).map { Bin(upperBound: pow(10, Double($0) / 4), count: 0) }
        for value in values {
            bins[bins.firstIndex { value <= $0.upperBound } ?? bins.count - 1].count += 1
        }
        return bins
    }
}
