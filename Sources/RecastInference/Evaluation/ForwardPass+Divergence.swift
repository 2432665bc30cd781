import Recast

/// What is to be told of two models besides their predictions, and kept of the first.
public struct DivergenceOptions: Sendable {
    /// Whether each weight's products are compared as well.
    public var comparesLinears = false
    /// Keeps the reference's predictions.
    public var saving: SavedPredictionsOptions?

    public init(comparesLinears: Bool = false, saving: SavedPredictionsOptions? = nil) {
        self.comparesLinears = comparesLinears
        self.saving = saving
    }
}

/// Where and how a model's predictions are kept.
public struct SavedPredictionsOptions: Sendable {
    public var path: String
    /// Whether a file of that name may be replaced.
    public var replaces: Bool
    /// Whether logits are kept as they are, in float32; else logarithms of probabilities in 16 bits.
    public var isExact: Bool
    /// What the model is called in the file.
    public var name: String

    public init(path: String, replaces: Bool = false, isExact: Bool = false, name: String) {
        self.path = path
        self.replaces = replaces
        self.isExact = isExact
        self.name = name
    }
}

extension ForwardPass {
    /// Why the layers of two models cannot be compared; nil where they can.
    public func obstacleToComparingLayers(with reference: ForwardPass) -> String? {
        PairedWalk.obstacle(reference.graph.configuration, graph.configuration)
    }

    /// How far this model's predictions of some texts are from a reference's, in one pass over the layers of both, in
    /// lock-step, and one over both heads together: no row of logits is ever whole in memory.
    ///
    /// - Throws: `usage` as `perplexity` does; `unsupported` for models with different vocabularies; `malformedInput` where one
    ///   computes no numbers, with the layer and the tensor in which they end.
    public func divergence(
        from reference: ForwardPass, on channels: [Channel], _ options: PerplexityOptions = PerplexityOptions(),
        _ others: DivergenceOptions = DivergenceOptions()
    ) throws(RecastError) -> Divergence {
        let texts = try ScoredTexts(channels, options)
        try checkVocabulary(reference.graph.configuration.vocabularySize)
        let run = (try Run(reference, texts.windows, nil), try Run(self, texts.windows, nil))
        var walk = try PairedWalk(reference: run.0, candidate: run.1)
        let states = try walk.run(comparingLinears: others.comparesLinears)
        if let saving = others.saving { try Self.save(run.0, states.reference, texts, options, saving) }
        let heads = PairedHeads(reference: ModelLogits(run.0, states.reference), candidate: run.1, states.candidate)
        let values = try heads.predictions(of: texts.targets)
        try reference.checkFinite(values.map(\.referenceLikelihood), texts, name: "the reference")
        try checkFinite(values.map { $0.candidateLikelihood + $0.divergence }, texts, name: "the candidate")
        return Divergence(texts, values, walk)
    }

    /// The same from predictions that were saved.
    ///
    /// - Parameter bosToken: what this model's tokenizer puts before a text.
    public func divergence(
        from saved: SavedPredictions, bosToken: Int32?
    ) throws(RecastError) -> Divergence {
        try checkVocabulary(saved.vocabularySize)
        let texts = saved.scoredTexts(bosToken: bosToken)
        let run = try Run(self, texts.windows, nil)
        let heads = PairedHeads(
            reference: SavedLogits(saved: saved), candidate: run, try run.finalHiddenStates())
        let values = try heads.predictions(of: texts.targets)
        guard values.allSatisfy(\.referenceLikelihood.isFinite) else {
            throw .malformed(saved.path, "holds predictions that are no numbers")
        }
        try checkFinite(values.map { $0.candidateLikelihood + $0.divergence }, texts, name: "the candidate")
        return Divergence(texts, values)
    }

    /// Keeps this model's predictions of some texts, without comparing them with any.
    public func savePredictions(
        of channels: [Channel], _ options: PerplexityOptions, _ saving: SavedPredictionsOptions
    ) throws(RecastError) {
        let texts = try ScoredTexts(channels, options)
        let run = try Run(self, texts.windows, nil)
        try Self.save(run, try run.finalHiddenStates(), texts, options, saving)
    }

    private static func save(
        _ run: Run, _ states: HiddenStates, _ texts: ScoredTexts, _ options: PerplexityOptions,
        _ saving: SavedPredictionsOptions
    ) throws(RecastError) {
        let header = PredictionsFile.Header(
            vocabularySize: run.configuration.vocabularySize, context: options.context, scored: options.scored,
            channels: texts.parts.map { .init(name: $0.name, tokens: $0.tokens, windows: $0.windows) },
            windows: texts.windows, isScored: texts.isScored, reference: saving.name, isExact: saving.isExact,
            precision: run.options.precision)
        let writer = try PredictionWriter(run, states, header, path: saving.path, replaces: saving.replaces)
        try writer.write()
    }

    private func checkVocabulary(_ reference: Int) throws(RecastError) {
        let own = graph.configuration.vocabularySize
        guard reference == own else {
            throw .unsupported(
                "the vocabularies have \(reference) and \(own) tokens: only predictions of the same tokens can be compared",
                details: ["--by-text compares how well each predicts the bytes of the texts"])
        }
    }
}
