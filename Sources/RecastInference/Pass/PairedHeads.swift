import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What two models predict at one position.
struct PairedPrediction: Sendable {
    /// `-ln p` of the token that follows.
    var referenceLikelihood: Double
    var candidateLikelihood: Double
    /// KL(reference ‖ candidate) over the vocabulary, in nats.
    var divergence: Double
    /// Whether both hold the same token for the likeliest.
    var hasSameTop: Bool

    /// The candidate's probability of the token that follows, less the reference's.
    var deltaP: Double { exp(-candidateLikelihood) - exp(-referenceLikelihood) }
}

/// A reference's logits of some positions, which are gone through tile by tile of the vocabulary.
protocol ReferenceLogits: Sendable {
    var rows: Int { get }
    var vocabularySize: Int { get }
    /// The most tokens of a tile.
    var tileSize: Int { get }
    /// Whether they are logarithms of probabilities as they stand, and what is left out of them has none.
    var areLogProbabilities: Bool { get }

    /// Takes the tokens that come next into memory, where that is of use.
    func load(_ tokens: Range<Int>) throws(RecastError)

    /// The logits, or logarithms of probabilities, of some positions for some of the tokens that are loaded:
    /// `[rows, tokens]`.
    func logits(
        _ rows: Range<Int>, _ tokens: Range<Int>, into target: FloatBuffer, worker: Int
    ) throws(RecastError)
}

/// What a model predicts beside a reference at the same positions: the vocabulary is gone through tile by tile, once for both.
struct PairedHeads {
    private let reference: any ReferenceLogits
    private let candidate: ForwardPass.Run
    private let states: HiddenStates

    /// - Parameter states: what the candidate's run has made of its texts, normalised.
    init(reference: any ReferenceLogits, candidate: ForwardPass.Run, _ states: HiddenStates) {
        precondition(reference.rows == states.rows)
        self.reference = reference
        self.candidate = candidate
        self.states = states
    }

    /// What is predicted at each position.
    ///
    /// - Parameter targets: the tokens that follow.
    func predictions(of targets: [Int]) throws(RecastError) -> [PairedPrediction] {
        precondition(targets.count == states.rows)
        var sums = [PairedSums](repeating: PairedSums(), count: targets.count)
        let tile = min(reference.tileSize, candidate.tileRows)
        let places = (0..<candidate.workers.count).map { _ in Place() }
        let weights = FloatBuffer(count: tile * states.columns)
        try sums.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            // Each worker touches the elements of its own blocks only.
            nonisolated(unsafe) let sums = buffer
            for first in stride(from: 0, to: reference.vocabularySize, by: tile) {
                let range = first..<min(reference.vocabularySize, first + tile)
                try reference.load(range)
                try candidate.loadHead(range, into: weights.base)
                try candidate.forEachBlock(of: states, share: range.count) {
                    (worker, rows, states) throws(RecastError) in
                    let place = places[worker]
                    for start in stride(from: 0, to: range.count, by: ForwardPass.Run.columnsAtOnce) {
                        let columns = min(ForwardPass.Run.columnsAtOnce, range.count - start)
                        try reference.logits(
                            rows, first + start..<first + start + columns, into: place.references, worker: worker)
                        candidate.multiplyHead(
                            states, rows.count, weights.base, start, columns, at: first + start, into: place.candidates)
                        for row in rows {
                            let offset = (row - rows.lowerBound) * columns
                            sums[row].add(
                                place.references.base + offset, place.candidates.base + offset, columns,
                                from: first + start, target: targets[row], scratch: place.scratch.base)
                        }
                    }
                }
            }
        }
        return sums.map { $0.prediction(ofLogProbabilities: reference.areLogProbabilities) }
    }

    /// What belongs to one worker.
    private final class Place {
        let references = FloatBuffer(count: ForwardPass.rowsAtOnce * ForwardPass.Run.columnsAtOnce)
        let candidates = FloatBuffer(count: ForwardPass.rowsAtOnce * ForwardPass.Run.columnsAtOnce)
        let scratch = FloatBuffer(count: ForwardPass.Run.columnsAtOnce)
    }
}

/// Two distributions over the vocabulary, of which logits come in pieces.
private struct PairedSums {
    private var reference = RunningLogSumExp()
    private var candidate = RunningLogSumExp()
    /// The sum of `exp(r − maximum) · (r − c)` over logits r of the reference and c of the candidate.
    private var products = 0.0
    private var referenceTarget: Float = 0
    private var candidateTarget: Float = 0
    private var referenceTop = -1
    private var candidateTop = -1

    /// Adds the logits of tokens `first..<first + count`, whose places are lost.
    mutating func add(
        _ r: UnsafeMutablePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ count: Int, from first: Int, target: Int,
        scratch: UnsafeMutablePointer<Float>
    ) {
        let place = target - first
        if place >= 0, place < count { (referenceTarget, candidateTarget) = (r[place], c[place]) }
        for i in 0..<count { scratch[i] = r[i] - c[i] }
        let before = reference.maximum
        if let top = reference.raise(to: r, count) {
            referenceTop = first + top
            products *= Double(exponential(before - reference.maximum))
        }
        if let top = candidate.raise(to: c, count) { candidateTop = first + top }
        reference.add(r, count)
        candidate.add(c, count)
        products += Reduction.dot(r, scratch, count)
    }

    /// - Parameter ofLogProbabilities: whether the reference's logits are what probabilities are the exponentials of; else they are
    ///   normalised.
    func prediction(ofLogProbabilities: Bool) -> PairedPrediction {
        let candidateLogSum = Double(candidate.maximum) + log(candidate.sum)
        let candidateLikelihood = candidate.negativeLogLikelihood(of: candidateTarget)
        let hasSameTop = referenceTop == candidateTop
        if ofLogProbabilities {
            return PairedPrediction(
                referenceLikelihood: -Double(referenceTarget), candidateLikelihood: candidateLikelihood,
                divergence: exp(Double(reference.maximum)) * (products + reference.sum * candidateLogSum),
                hasSameTop: hasSameTop)
        }
        return PairedPrediction(
            referenceLikelihood: reference.negativeLogLikelihood(of: referenceTarget),
            candidateLikelihood: candidateLikelihood,
            divergence: products / reference.sum - (Double(reference.maximum) + log(reference.sum) - candidateLogSum),
            hasSameTop: hasSameTop)
    }
}
