import Recast

/// SentencePiece's unigram model: of all ways to cut a text into pieces, the one whose scores add up to most.
///
/// Source: sentencepiece's `unigram_model.cc` of version 0.2.3, whose rounding decides between ways that are as good.
struct PieceLattice: Sendable {
    private var pieces = ByteTrie()
    private var scores: [Double]
    private let unknown: UnknownText
    private let unknownScore: Double
    private let isSingle: Bool
    private var longestPiece = 1

    init(_ vocabulary: Vocabulary, tokens: TokenBytes, unknown: UnknownText) throws(RecastError) {
        guard vocabulary.scores.count == tokens.count, vocabulary.scores.allSatisfy(\.isFinite) else {
            throw RecastError(.malformedInput, "\(tokens.count) pieces, but not a finite score for each")
        }
        self.unknown = unknown
        isSingle = vocabulary.addsScoresInSinglePrecision
        scores = vocabulary.scores.map(Double.init)
        let normal = tokens.indices.filter { vocabulary.kinds[$0] == .normal }.map { vocabulary.scores[$0] }
        unknownScore = Double((normal.min() ?? 0) - 10)
        for id in tokens.indices where vocabulary.isMerged(id) && vocabulary.kinds[id] != .unused {
            // Every place of a text is tried with every piece that begins there.
            guard tokens[id].count <= Vocabulary.longestPiece else { throw .unsupported(Vocabulary.tooLong(id)) }
            longestPiece = max(longestPiece, tokens[id].count)
            pieces.insert(tokens[id], Int32(id))
            if isSingle, vocabulary.kinds[id] == .userDefined {
                // So much that it is always chosen; its length is that of its spelling.
                scores[id] = rounded(0.1 * Double(vocabulary.tokens[id].utf8.count - 1))
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
        var last = 0
        while start < text.count {
            let next = text.scalar(at: start).next
            if output.hasEnded(before: longestPiece) { return }
            if isSingle, abs(steps[start].score) > Self.farthestSum { moveOrigin(to: start, through: last, in: &steps) }
            let score = steps[start].score
            var isSpelled = false
            pieces.forEachMatch(at: start, in: text) { id, end in
                last = max(last, end)
                take(rounded(score + scores[Int(id)]), id, from: start, at: &steps[end])
                if end == next { isSpelled = true }
            }
            if !isSpelled {
                last = max(last, next)
                take(rounded(unknownScore + score), -1, from: start, at: &steps[next])
            }
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

    /// Sums of single precision say less the farther from 0 they are: those beyond this are counted anew.
    private static let farthestSum = 100_000.0

    private func moveOrigin(to start: Int, through last: Int, in steps: inout [Step]) {
        let origin = steps[start].score
        for place in start...last where place == start || steps[place].start >= 0 {
            steps[place].score = rounded(steps[place].score - origin)
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
