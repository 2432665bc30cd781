import Recast

/// How the next token is chosen.
public struct SamplingSettings: Sendable, Hashable, Codable {
    /// 0 always takes the likeliest token.
    public var temperature: Double
    /// Only so many of the likeliest tokens are drawn from.
    public var topK: Int?
    /// Only the likeliest tokens that together have this probability are drawn from.
    public var topP: Double?
    /// Only tokens with at least this part of the likeliest one's probability are drawn from.
    public var minP: Double?
    public var penalties: TokenPenalties
    /// The same seed draws the same text.
    public var seed: UInt64

    public init(
        temperature: Double = 0, topK: Int? = nil, topP: Double? = nil, minP: Double? = nil,
        penalties: TokenPenalties = TokenPenalties(), seed: UInt64 = 0
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.penalties = penalties
        self.seed = seed
    }

    var limitsCandidates: Bool { topK != nil || topP != nil || minP != nil }

    /// - Throws: `usage` for numbers out of range.
    func validate() throws(RecastError) {
        guard temperature >= 0, temperature.isFinite else {
            throw .usage("a temperature of \(temperature) is out of range")
        }
        guard topK ?? 1 > 0, topP ?? 1 > 0 else {
            throw .usage("the numbers of tokens and probabilities to draw from must be positive")
        }
        guard (0...1).contains(minP ?? 0) else { throw .usage("min-p takes a number from 0 to 1") }
        try penalties.validate()
    }
}

/// What tokens lose that are in the text already, so that it does not go in circles.
public struct TokenPenalties: Sendable, Hashable, Codable {
    /// Positive logits are divided by this, negative ones multiplied. Source: N. S. Keskar et al., "CTRL", 2019, §4.1.
    public var repetition: Double
    /// Subtracted once from the logit of each token that is there.
    public var presence: Double
    /// Subtracted for each time that it is.
    public var frequency: Double
    /// Tokens that are looked back on, of the prompt as well; nil for all.
    public var window: Int?

    public init(repetition: Double = 1, presence: Double = 0, frequency: Double = 0, window: Int? = nil) {
        self.repetition = repetition
        self.presence = presence
        self.frequency = frequency
        self.window = window
    }

    public var areNone: Bool { repetition == 1 && presence == 0 && frequency == 0 }

    func validate() throws(RecastError) {
        guard repetition > 0, repetition.isFinite, presence.isFinite, frequency.isFinite, window ?? 0 >= 0 else {
            throw .usage("penalties are finite numbers, and that for repetition is a positive one")
        }
    }

    func apply(to logits: UnsafeMutableBufferPointer<Float>, after tokens: [Int32]) {
        if areNone { return }
        var counts: [Int: Int] = [:]
        for token in tokens.suffix(window ?? tokens.count) { counts[Int(token), default: 0] += 1 }
        for (token, count) in counts where logits.indices.contains(token) {
            var logit = Double(logits[token])
            if repetition != 1 { logit = logit > 0 ? logit / repetition : logit * repetition }
            logits[token] = Float(logit - presence - frequency * Double(count))
        }
    }
}
