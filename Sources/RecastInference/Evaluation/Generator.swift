import Recast

/// A model ready to continue texts: its weights stay in memory as they are stored, and the keys and values of the tokens
/// so far are kept.
///
/// Not for use by several threads at once.
public final class Generator {
    public struct Settings: Sendable, Hashable {
        public var maximumTokens: Int
        public var sampling: SamplingSettings
        /// Tokens that end a text; nil for those of the model's configuration.
        public var stopTokens: [Int]?

        public init(maximumTokens: Int = 256, sampling: SamplingSettings, stopTokens: [Int]? = nil) {
            self.maximumTokens = maximumTokens
            self.sampling = sampling
            self.stopTokens = stopTokens
        }

        public init(
            maximumTokens: Int = 256, temperature: Double = 0, topK: Int? = nil, topP: Double? = nil, seed: UInt64 = 0,
            stopTokens: [Int]? = nil
        ) {
            self.init(
                maximumTokens: maximumTokens,
                sampling: SamplingSettings(temperature: temperature, topK: topK, topP: topP, seed: seed),
                stopTokens: stopTokens)
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

        public init(tokens: [Int32] = [], reason: StopReason) {
            self.tokens = tokens
            self.reason = reason
        }
    }

    public let configuration: ModelConfiguration
    let weights: EncodedWeights

    /// Tokens of a prompt that go through the layers together.
    static let tokensAtOnce = 512

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
        try generate(afterEach: [prompt], settings, seeds: [settings.sampling.seed]) {
            (_, token) throws(RecastError) in try receive(token)
        }[0]
    }

    /// Continues several prompts together: what they begin with in common is read once, and each weight is read once for the
    /// next tokens of all. Sums are then of other shapes than with one prompt alone, so that logits may differ in their last bits.
    ///
    /// - Parameters:
    ///   - seeds: of the draws, one for each prompt.
    ///   - receive: gets the number of a prompt and the token that was chosen; false ends this text.
    /// - Throws: as with one prompt.
    public func generate(
        afterEach prompts: [[Int32]], _ settings: Settings, seeds: [UInt64],
        receive: (Int, Int32) throws(RecastError) -> Bool = { _, _ in true }
    ) throws(RecastError) -> [Continuation] {
        precondition(prompts.count == seeds.count)
        for prompt in prompts { try validate(prompt, settings) }
        let capacities = prompts.map { capacity(of: $0, settings) }
        let reader = try TextReader(
            configuration, weights, capacities: capacities,
            rows: max(prompts.count, min(Self.tokensAtOnce, prompts.map(\.count).max() ?? 1)), texts: prompts.count)
        let stopTokens = stopTokens(settings)
        var texts = try begin(prompts, capacities, reader).enumerated().map { index, state in
            var sampling = settings.sampling
            sampling.seed = seeds[index]
            return Text(index: index, state: state, tokens: prompts[index], sampler: Sampler(sampling))
        }
        var continuations = prompts.map { _ in Continuation(tokens: [], reason: .maximumTokens) }
        while settings.maximumTokens > 0, !texts.isEmpty {
            let logits = try reader.logits(texts.map(\.state))
            var going: [Text] = []
            for (row, text) in texts.enumerated() {
                var text = text
                let own = UnsafeMutableBufferPointer(
                    start: logits + row * configuration.vocabularySize, count: configuration.vocabularySize)
                guard let token = text.sampler.token(from: own, after: text.tokens) else {
                    throw RecastError(
                        .malformedInput, "the model computes no numbers after \(text.state.count) tokens")
                }
                if stopTokens.contains(token) {
                    continuations[text.index].reason = .stopToken
                    continue
                }
                text.tokens.append(token)
                continuations[text.index].tokens.append(token)
                if try !receive(text.index, token) {
                    continuations[text.index].reason = .receiver
                } else if text.state.count == configuration.contextLength {
                    continuations[text.index].reason = .contextFull
                } else if continuations[text.index].tokens.count < settings.maximumTokens {
                    going.append(text)
                }
            }
            texts = going
            if !texts.isEmpty { try reader.append(texts.map { $0.tokens.last! }, to: texts.map(\.state)) }
        }
        return continuations
    }

    private struct Text {
        var index: Int
        var state: TextState
        /// With the prompt.
        var tokens: [Int32]
        var sampler: Sampler
    }

    /// Reads prompts: what all begin with once.
    private func begin(
        _ prompts: [[Int32]], _ capacities: [Int], _ reader: TextReader
    ) throws(RecastError) -> [TextState] {
        let shared = prompts.count > 1 ? Self.sharedPrefix(prompts) : 0
        var beginning: TextState?
        if shared > 0 {
            // Where rotary positions depend on a text's length, they are those of the longest.
            let state = TextState(configuration, capacity: capacities.max()!)
            try reader.append(prompts[0][..<shared], to: state)
            beginning = state
        }
        return try zip(prompts, capacities).map { (prompt, capacity) throws(RecastError) in
            let state = beginning?.copy(capacity: capacity) ?? TextState(configuration, capacity: capacity)
            try reader.append(prompt[shared...], to: state)
            return state
        }
    }

    /// Tokens that all of some prompts begin with, but for the last of each.
    static func sharedPrefix(_ prompts: [[Int32]]) -> Int {
        guard let first = prompts.first else { return 0 }
        let most = prompts.map(\.count).min()! - 1
        return (0..<most).first { place in prompts.contains { $0[place] != first[place] } } ?? most
    }

    func capacity(of prompt: [Int32], _ settings: Settings) -> Int {
        prompt.count + min(settings.maximumTokens, configuration.contextLength - prompt.count)
    }

    func stopTokens(_ settings: Settings) -> Set<Int32> {
        Set((settings.stopTokens ?? configuration.eosTokens).map { Int32(truncatingIfNeeded: $0) })
    }

    /// Whether a prompt can be continued.
    ///
    /// - Throws: `usage`, as `generate` does.
    public func check(_ prompt: [Int32], _ settings: Settings) throws(RecastError) { try validate(prompt, settings) }

    func validate(_ prompt: [Int32], _ settings: Settings) throws(RecastError) {
        guard !prompt.isEmpty else { throw .usage("there is no prompt to continue") }
        let context = configuration.contextLength
        guard prompt.count <= context else {
            throw .usage("the prompt has \(prompt.count) tokens, more than the \(context) the model can see")
        }
        for token in prompt where token < 0 || Int(token) >= configuration.vocabularySize {
            throw .usage("token \(token) is not among the \(configuration.vocabularySize) of the model's vocabulary")
        }
        guard settings.maximumTokens >= 0 else { throw .usage("the number of tokens to add must not be negative") }
        try settings.sampling.validate()
    }
}
