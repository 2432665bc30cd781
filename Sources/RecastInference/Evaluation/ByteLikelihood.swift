import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How well a model predicts the bytes of a text, which can be compared between models whose tokens are not the same.
public struct ByteLikelihood: Sendable, Codable, Equatable {
    public var name: String
    /// Of the text, without any beginning-of-text token.
    public var tokens: Int
    /// Tokens whose likelihood was counted.
    public var scored: Int
    /// Bytes of the scored tokens.
    public var bytes: Int
    /// The sum of `-ln p` over the scored tokens, in nats.
    public var nll: Double

    public var bitsPerByte: Double { nll / Double(bytes) / M_LN2 }
}

extension ForwardPass {
    /// The likelihood of the bytes of each text, and of all of them.
    ///
    /// - Parameter byteCount: of a token.
    /// - Throws: as `perplexity` does.
    public func byteLikelihoods(
        of channels: [Channel], _ options: PerplexityOptions, byteCount: (Int32) -> Int
    ) throws(RecastError) -> (channels: [ByteLikelihood], total: ByteLikelihood) {
        let texts = try ScoredTexts(channels, options)
        let values = try negativeLogLikelihoods(of: texts.windows).flatMap { $0 }
        try checkFinite(values, texts)
        let pairs = Array(zip(values, texts.targets.map { byteCount(Int32($0)) }))
        return texts.scores(of: pairs) { name, tokens, values in
            ByteLikelihood(
                name: name, tokens: tokens, scored: values.count, bytes: values.reduce(0) { $0 + $1.1 },
                nll: values.reduce(0) { $0 + $1.0 })
        }
    }
}
