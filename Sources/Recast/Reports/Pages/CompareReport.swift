/// How far a model's predictions are from those of another, as plain values to be made a page of.
public struct CompareReport: Sendable {
    /// A value with its standard error, nil where there is none.
    public struct Estimate: Sendable {
        public var value: Double
        public var error: Double?

        public init(_ value: Double, error: Double? = nil) { (self.value, self.error) = (value, error) }
    }

    /// A text, or all together.
    public struct Channel: Sendable {
        public var name: String
        public var tokens: Int
        public var scored: Int
        public var referencePerplexity: Estimate
        public var candidatePerplexity: Estimate
        /// The candidate's perplexity over the reference's.
        public var ratio: Double
        /// KL(reference ‖ candidate), in nats.
        public var divergence: Estimate
        /// Of the divergence: parts below (0.5, 0.9, …, 1 for the maximum) and values, ascending.
        public var quantiles: [(part: Double, value: Double)]
        /// The part of positions with the same likeliest token, 0…1.
        public var sameTop: Double
        /// The root of the mean square of the difference in the probability of the token that follows, 0…1.
        public var rootMeanSquareDeltaP: Double

        public init(
            name: String, tokens: Int, scored: Int, referencePerplexity: Estimate, candidatePerplexity: Estimate,
            ratio: Double, divergence: Estimate, quantiles: [(part: Double, value: Double)], sameTop: Double,
            rootMeanSquareDeltaP: Double
        ) {
            (self.name, self.tokens, self.scored, self.ratio) = (name, tokens, scored, ratio)
            (self.referencePerplexity, self.candidatePerplexity) = (referencePerplexity, candidatePerplexity)
            (self.divergence, self.quantiles, self.sameTop) = (divergence, quantiles, sameTop)
            self.rootMeanSquareDeltaP = rootMeanSquareDeltaP
        }
    }

    /// What was demanded of a number.
    public struct Threshold: Sendable {
        /// What it is about: `mean divergence`.
        public var name: String
        public var value: Double
        public var limit: Double
        /// Whether the value must not be below the limit; it must not be above it otherwise.
        public var isMinimum: Bool
        public var isPassed: Bool

        public init(name: String, value: Double, limit: Double, isMinimum: Bool, isPassed: Bool) {
            (self.name, self.value, self.limit) = (name, value, limit)
            (self.isMinimum, self.isPassed) = (isMinimum, isPassed)
        }
    }

    /// Hidden states behind a layer, beside the reference's.
    public struct Layer: Sendable {
        public var layer: Int
        public var cosine: Double
        public var relativeError: Double

        public init(layer: Int, cosine: Double, relativeError: Double) {
            (self.layer, self.cosine, self.relativeError) = (layer, cosine, relativeError)
        }
    }

    /// The output of a linear layer, beside the reference's.
    public struct Linear: Sendable {
        public var layer: Int
        public var role: String
        public var cosine: Double
        public var relativeError: Double

        public init(layer: Int, role: String, cosine: Double, relativeError: Double) {
            (self.layer, self.role, self.cosine, self.relativeError) = (layer, role, cosine, relativeError)
        }
    }

    public var reference: String
    public var candidate: String
    public var channels: [Channel]
    /// All channels together.
    public var total: Channel
    /// Counts of divergences between edges in nats, one edge more than counts, ascending; the first may be 0, the last
    /// infinite.
    public var divergences: (edges: [Double], counts: [Int])?
    public var thresholds: [Threshold] = []
    public var layers: [Layer] = []
    /// Of the hidden states of layers, drawn beside them; nil where none was demanded.
    public var minimumCosine: Double?
    public var linears: [Linear] = []
    /// How texts were cut: names and values.
    public var conditions: [(name: String, value: String)] = []
    public var warnings: [String] = []
    public var notes: [String] = []
    public var origin = ReportOrigin()

    public init(reference: String, candidate: String, channels: [Channel], total: Channel) {
        (self.reference, self.candidate, self.channels, self.total) = (reference, candidate, channels, total)
    }
}
