import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How well a model predicts texts.
public struct Perplexity: Sendable, Codable, Equatable {
    /// Of one text, or of all together.
    public struct Score: Sendable, Codable, Equatable {
        public var name: String
        /// Of the text, without any beginning-of-text token.
        public var tokens: Int
        /// Tokens whose likelihood was counted.
        public var scored: Int
        /// The sum of `-ln p` over the scored tokens, in nats.
        public var nll: Double
        /// `exp(nll / scored)`
        public var perplexity: Double
        /// The standard error of `perplexity`, from the variance of `-ln p`; nil for a single token.
        public var error: Double?

        init(name: String, tokens: Int, _ values: [Double]) {
            self.name = name
            self.tokens = tokens
            scored = values.count
            nll = values.reduce(0, +)
            let mean = nll / Double(scored)
            perplexity = exp(mean)
            let variance = values.reduce(0) { $0 + $1 * $1 } / Double(scored) - mean * mean
            // Rounding can make a variance of nothing negative.
            error = scored > 1 ? (max(0, variance) / Double(scored - 1)).squareRoot() * perplexity : nil
        }
    }

    public var channels: [Score]
    public var total: Score
}

extension ForwardPass {
    /// Perplexity of each text and of all of them, in one pass over the layers.
    ///
    /// - Throws: `usage` for options that make no sense, for a token outside the vocabulary, and for a text too short to
    ///   be scored; `unsupported` where the model's attention is limited to less than the context; `malformedInput` where it
    ///   computes no numbers, with the layer and the tensor in which they end.
    public func perplexity(
        of channels: [Channel], _ options: PerplexityOptions = PerplexityOptions()
    ) throws(RecastError) -> Perplexity {
        let texts = try ScoredTexts(channels, options)
        let values = try negativeLogLikelihoods(of: texts.windows).flatMap { $0 }
        try checkFinite(values, texts)
        let scores = texts.scores(of: values, Perplexity.Score.init)
        return Perplexity(channels: scores.channels, total: scores.total)
    }
}
