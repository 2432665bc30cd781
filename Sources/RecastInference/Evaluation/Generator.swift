import Recast

/// A model ready to continue texts: its weights stay in memory as they are stored, and the keys and values of the tokens
/// so far are kept.
///
/// One text at a time; not for use by several threads at once.
public final class Generator {
    public struct Settings: Sendable, Hashable {
        public var maximumTokens: Int
        /// 0 always takes the likeliest token.
        public var temperature: Double
        /// Only so many of the likeliest tokens are drawn from.
        public var topK: Int?
        /// Only the likeliest tokens that together have this probability are drawn from.
        public var topP: Double?
        /// The same seed draws the same text.
        public var seed: UInt64
        /// Tokens that end a text; nil for those of the model's configuration.
        public var stopTokens: [Int]?

        public init(
            maximumTokens: Int = 256, temperature: Double = 0, topK: Int? = nil, topP: Double? = nil, seed: UInt64 = 0,
            stopTokens: [Int]? = nil
        ) {
            self.maximumTokens = maximumTokens
            self.temperature = temperature
            self.topK = topK
            self.topP = topP
            self.seed = seed
            self.stopTokens = stopTokens
        }
    }

    /// Why a text ended.
    public enum StopReason: String, Sendable, Codable {
        /// One of the stop tokens came; it is not part of the text.
        case stopToken
        case maximumTokens
        /// The model's context is full.
        case contextFull
        /// The receiver of the tokens wanted no more.
        case receiver
    }

    public struct Continuation: Sendable, Hashable {
        /// Without the prompt.
        public var tokens: [Int32]
        public var reason: StopReason
    }

    public let configuration: ModelConfiguration
    private let weights: EncodedWeights

    /// Tokens of a prompt that go through the layers together.
    private static let tokensAtOnce = 512

    /// Reads the whole model into memory.
    ///
    /// - Throws: `malformedInput` for a missing or misshapen tensor, `unsupported` for what cannot be computed.
    public init(_ graph: Graph, files: FilePool, options: PassOptions = PassOptions()) throws(RecastError) {
        try graph.checkComputable()
        // Refused before gigabytes are read.
        _ = try DecoderLayer(graph.configuration, lengths: [1])
        configuration = graph.configuration
        weights = try EncodedWeights(graph, files: files, options: options)
    }

    /// Continues a prompt.
    ///
    /// - Parameter receive: gets each token as it is chosen; false ends the text.
    /// - Throws: `usage` for an empty prompt, one longer than the model's context, or settings out of range;
    ///   `malformedInput` where the model computes nothing but NaNs; what `receive` throws.
    public func generate(
        after prompt: [Int32], _ settings: Settings = Settings(),
        receive: (Int32) throws(RecastError) -> Bool = { _ in true }
    ) throws(RecastError) -> Continuation {
        try validate(prompt, settings)
        let context = configuration.contextLength
        let capacity = prompt.count + min(settings.maximumTokens, context - prompt.count)
        let text = try TextState(configuration, capacity: capacity, tokensAtOnce: min(Self.tokensAtOnce, prompt.count))
        let stopTokens = Set((settings.stopTokens ?? configuration.eosTokens).map { Int32(truncatingIfNeeded: $0) })
        var sampler = Sampler(settings)
        var tokens: [Int32] = []
        var pending = prompt[...]
        while tokens.count < settings.maximumTokens {
            while !pending.isEmpty {
                try text.append(pending.prefix(Self.tokensAtOnce), weights)
                pending = pending.dropFirst(Self.tokensAtOnce)
            }
            guard let token = sampler.token(from: try text.logits(weights)) else {
                throw RecastError(.malformedInput, "the model computes no numbers after \(text.count) tokens")
            }
            if stopTokens.contains(token) { return Continuation(tokens: tokens, reason: .stopToken) }
            tokens.append(token)
            if try !receive(token) { return Continuation(tokens: tokens, reason: .receiver) }
            if text.count == context { return Continuation(tokens: tokens, reason: .contextFull) }
            pending = [token]
        }
        return Continuation(tokens: tokens, reason: .maximumTokens)
    }

    private func validate(_ prompt: [Int32], _ settings: Settings) throws(RecastError) {
        guard !prompt.isEmpty else { throw .usage("there is no prompt to continue") }
        let context = configuration.contextLength
        guard prompt.count <= context else {
            throw .usage("the prompt has \(prompt.count) tokens, more than the \(context) the model can see")
        }
        for token in prompt where token < 0 || Int(token) >= configuration.vocabularySize {
            throw .usage("token \(token) is not among the \(configuration.vocabularySize) of the model's vocabulary")
        }
        guard settings.temperature >= 0, settings.temperature.isFinite else {
            throw .usage("a temperature of \(settings.temperature) is out of range")
        }
        guard settings.topK ?? 1 > 0, settings.topP ?? 1 > 0, settings.maximumTokens >= 0 else {
            throw .usage("the numbers of tokens and probabilities to draw from must be positive")
        }
    }
}
