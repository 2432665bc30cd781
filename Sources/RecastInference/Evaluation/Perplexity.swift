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
    ///   be scored; `unsupported` where the model's attention is limited to less than the context.
    public func perplexity(
        of channels: [Channel], _ options: PerplexityOptions = PerplexityOptions()
    ) throws(RecastError) -> Perplexity {
        try options.validate()
        guard !channels.isEmpty else { throw .usage("there is no text to score") }
        var texts: [Text] = []
        var ends: [Int] = []
        for channel in channels {
            let windows = options.windows(of: channel.tokens)
            guard !windows.isEmpty else { throw tooShort(channel, options) }
            texts += windows
            ends.append(texts.count)
        }
        let values = try negativeLogLikelihoods(of: texts)
        var first = 0
        let scores = zip(channels, ends).map { channel, end in
            defer { first = end }
            return Perplexity.Score(
                name: channel.name, tokens: channel.tokens.count, values[first..<end].flatMap { $0 })
        }
        let total = Perplexity.Score(
            name: "total", tokens: channels.reduce(0) { $0 + $1.tokens.count }, values.flatMap { $0 })
        return Perplexity(channels: scores, total: total)
    }

    private func tooShort(_ channel: Channel, _ options: PerplexityOptions) -> RecastError {
        let needed = options.scored == .all ? 2 - (options.bosToken == nil ? 0 : 1) : options.context
        return .usage(
            "the text \(channel.name) has \(channel.tokens.count) tokens, of which none can be scored; at least \(needed) are needed"
        )
    }
}
