import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Generator {
    /// A text that a beam search has found.
    public struct Beam: Sendable, Equatable {
        public var continuation: Continuation
        /// The sum of `ln p` over its tokens and the stop token, divided by the `lengthPenalty`-th power of their number.
        public var score: Double
    }

    /// The likeliest continuations that a beam search finds, the best first.
    ///
    /// Beams go on until as many texts have ended and none of those that go on is better, by its score so far, than the worst of
    /// them. Source: transformers 5.23, `generation/utils.py`, `early_stopping=False`.
    ///
    /// - Parameters:
    ///   - beams: texts that are followed at a time.
    ///   - isCancelled: asked before each token.
    /// - Throws: as `generate`.
    public func beamSearch(
        after prompt: [Int32], _ settings: Settings, beams: Int, lengthPenalty: Double = 1,
        isCancelled: () -> Bool = { false }
    ) throws(RecastError) -> [Beam] {
        try validate(prompt, settings)
        guard beams > 0 else { throw .usage("a search needs one beam at least") }
        let capacity = capacity(of: prompt, settings)
        let reader = try TextReader(
            configuration, weights, capacities: [capacity],
            rows: max(beams, min(Self.tokensAtOnce, prompt.count)), texts: beams)
        let stopTokens = stopTokens(settings)
        let first = TextState(configuration, capacity: capacity)
        try reader.append(prompt[...], to: first)
        var running = [RunningBeam(state: first)]
        var finished: [Beam] = []
        let kept = max(2, 1 + stopTokens.count) * beams
        for length in 1...max(1, settings.maximumTokens) where settings.maximumTokens > 0 {
            if isCancelled() { throw RecastError(.interrupted, "interrupted") }
            let candidates = try candidates(of: running, reader, kept)
            let isLast = length == settings.maximumTokens || prompt.count + length > configuration.contextLength
            func ends(_ candidate: BeamCandidate) -> Bool { isLast || stopTokens.contains(candidate.token) }
            let norm = pow(Double(length), lengthPenalty)
            for candidate in candidates.prefix(beams) where ends(candidate) {
                var tokens = running[candidate.beam].tokens
                let isStop = stopTokens.contains(candidate.token)
                if !isStop { tokens.append(candidate.token) }
                let reason: StopReason =
                    isStop ? .stopToken : length == settings.maximumTokens ? .maximumTokens : .contextFull
                finished.append(
                    Beam(
                        continuation: Continuation(tokens: tokens, reason: reason),
                        score: candidate.logProbability / norm))
            }
            // Of equals the one that was there first.
            finished = finished.enumerated().sorted { ($0.element.score, $1.offset) > ($1.element.score, $0.offset) }
                .prefix(beams).map(\.element)
            let going = candidates.filter { !ends($0) }.prefix(beams)
            guard !isLast, let best = going.first else { break }
            if finished.count == beams, best.logProbability / norm <= finished.last!.score { break }
            try advance(&running, Array(going), reader, capacity)
        }
        return finished
    }

    private struct RunningBeam {
        var state: TextState
        var tokens: [Int32] = []
        var logProbability = 0.0
    }

    private struct BeamCandidate {
        var beam: Int
        var token: Int32
        var logProbability: Double
    }

    /// The likeliest next tokens over all beams, the best first.
    private func candidates(
        of running: [RunningBeam], _ reader: TextReader, _ count: Int
    ) throws(RecastError) -> [BeamCandidate] {
        let vocabulary = configuration.vocabularySize
        let logits = try reader.logits(running.map(\.state))
        var all: [BeamCandidate] = []
        for (index, beam) in running.enumerated() {
            for next in ForwardPass.likeliest(count, logits + index * vocabulary, vocabulary) {
                guard next.logProbability.isFinite else {
                    throw RecastError(
                        .malformedInput, "the model computes no numbers after \(beam.state.count) tokens")
                }
                all.append(
                    BeamCandidate(
                        beam: index, token: next.token, logProbability: beam.logProbability + next.logProbability))
            }
        }
        return Array(
            all.enumerated().sorted {
                ($0.element.logProbability, $1.offset) > ($1.element.logProbability, $0.offset)
            }.prefix(count).map(\.element))
    }

    private func advance(
        _ running: inout [RunningBeam], _ going: [BeamCandidate], _ reader: TextReader, _ capacity: Int
    ) throws(RecastError) {
        // Copies are made before the texts go on; the first that goes on from a text takes it over.
        var taken: Set<Int> = []
        let next = going.map { candidate in
            let parent = running[candidate.beam]
            let state = taken.insert(candidate.beam).inserted ? parent.state : parent.state.copy(capacity: capacity)
            return RunningBeam(
                state: state, tokens: parent.tokens + [candidate.token], logProbability: candidate.logProbability)
        }
        try reader.append(next.map { $0.tokens.last! }, to: next.map(\.state))
        running = next
    }
}
