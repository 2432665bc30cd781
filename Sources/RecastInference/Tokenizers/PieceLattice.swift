import Recast

/// SentencePiece's unigram model: of all ways to cut a text into pieces, the one whose scores add up to most.
///
/// Source: sentencepiece's `unigram_model.cc`, `EncodeOptimized`, whose rounding decides between ways that are as good.
/// (Beyond some fifty thousand pieces without end, its version 0.2.3 decides otherwise, in a way that is not known.)
struct PieceLattice: Sendable {
    private var pieces = ByteTrie()
    private var scores: [Double]
    private let unknown: UnknownText
    private let unknownScore: Double
    private let isSingle: Bool

    init(_ vocabulary: Vocabulary, tokens: TokenBytes, unknown: UnknownText) throws(RecastError) {
        guard vocabulary.scores.count == tokens.count, vocabulary.scores.allSatisfy(\.isFinite) else {
            throw RecastError(.malformedInput, "\(tokens.count) pieces, but not a finite score for each")
        }
        self.unknown = unknown
        isSingle = vocabulary.addsScoresInSinglePrecision
        scores = vocabulary.scores.map(Double.init)
        let normal = tokens.indices.filter { vocabulary.kinds[$0] == .normal }.map { vocabulary.scores[$0] }
        unknownScore = Double((normal.min() ?? 0) - 10)
        // The highest score is never taken to be below the smallest positive number.
        let highest = max(normal.max() ?? 0, Float.leastNormalMagnitude)
        for id in tokens.indices where vocabulary.isMerged(id) && vocabulary.kinds[id] != .unused {
            pieces.insert(tokens[id], Int32(id))
            if isSingle, vocabulary.kinds[id] == .userDefined {
                // A bonus, so that it is always chosen; its length is that of its spelling.
                scores[id] = Double(Float(vocabulary.tokens[id].utf8.count) * highest) - 0.1
            }
        }
    }

    private struct Step {
        var score = -Double.infinity
        var start: Int32 = -1
        /// The piece that ends here; -1 for an unknown character.
        var id: Int32 = -1
    }

    /// Appends the ids of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        guard text.count < Int32.max else {
            output.failure = .unsupported("a text of \(text.count) bytes without a break")
            return
        }
        var steps = [Step](repeating: Step(), count: text.count + 1)
        steps[0].score = 0
        var start = 0
        while start < text.count {
            let next = text.scalar(at: start).next
            let score = steps[start].score
            var isSpelled = false
            pieces.forEachMatch(at: start, in: text) { id, end in
                take(rounded(score + scores[Int(id)]), id, from: start, at: &steps[end])
                if end == next { isSpelled = true }
            }
            if !isSpelled { take(rounded(unknownScore + score), -1, from: start, at: &steps[next]) }
            start = next
        }
        var path: [Int] = []
        var end = text.count
        while end > 0 {
            path.append(end)
            end = Int(steps[end].start)
        }
        for end in path.reversed() {
            let step = steps[end]
            if step.id >= 0 {
                output.ids.append(step.id)
            } else {
                unknown.encode(text.part(Int(step.start)..<end), into: &output)
            }
        }
    }

    @inline(__always)
    private func take(_ score: Double, _ id: Int32, from start: Int, at step: inout Step) {
        if step.start < 0 || score > step.score {
            step = Step(score: score, start: Int32(truncatingIfNeeded: start), id: id)
        }
    }

    @inline(__always)
    private func rounded(_ score: Double) -> Double { isSingle ? Double(Float(score)) : score }
}
