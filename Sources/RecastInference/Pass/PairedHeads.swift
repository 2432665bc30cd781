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

/// The heads of two models over the same positions: the vocabulary is gone through tile by tile, once for both.
struct PairedHeads {
    private let reference: ForwardPass.Run
    private let candidate: ForwardPass.Run
    private let referenceStates: HiddenStates
    private let candidateStates: HiddenStates

    /// Takes the texts of both runs, which are the same, through the layers of both models.
    init(reference: ForwardPass.Run, candidate: ForwardPass.Run) throws(RecastError) {
        try self.init(reference: reference, try reference.finalHiddenStates(), candidate: candidate)
    }

    /// - Parameter referenceStates: what the reference's run has made of its texts.
    init(
        reference: ForwardPass.Run, _ referenceStates: HiddenStates, candidate: ForwardPass.Run
    ) throws(RecastError) {
        self.reference = reference
        self.candidate = candidate
        self.referenceStates = referenceStates
        candidateStates = try candidate.finalHiddenStates()
        precondition(referenceStates.rows == candidateStates.rows)
    }

    /// What is predicted at each position.
    ///
    /// - Parameter targets: the tokens that follow.
    func predictions(of targets: [Int]) throws(RecastError) -> [PairedPrediction] {
        precondition(targets.count == referenceStates.rows)
        var sums = [PairedSums](repeating: PairedSums(), count: targets.count)
        let tile = min(reference.tileRows, candidate.tileRows)
        let places = (0..<candidate.workers.count).map { _ in Place() }
        let weights = (
            FloatBuffer(count: tile * referenceStates.columns), FloatBuffer(count: tile * candidateStates.columns)
        )
        try sums.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            // Each worker touches the elements of its own blocks only.
            nonisolated(unsafe) let sums = buffer
            for first in stride(from: 0, to: reference.configuration.vocabularySize, by: tile) {
                let range = first..<min(reference.configuration.vocabularySize, first + tile)
                try reference.loadHead(range, into: weights.0.base)
                try candidate.loadHead(range, into: weights.1.base)
                try candidate.forEachBlock(of: candidateStates, share: range.count) {
                    (worker, rows, candidates) throws(RecastError) in
                    let place = places[worker]
                    try referenceStates.withRows(rows, .read, staging: &place.staging) {
                        (references) throws(RecastError) in
                        let (left, right) = (place.references, place.candidates)
                        for start in stride(from: 0, to: range.count, by: ForwardPass.Run.columnsAtOnce) {
                            let columns = min(ForwardPass.Run.columnsAtOnce, range.count - start)
                            reference.multiplyHead(references, rows.count, weights.0.base, start, columns, into: left)
                            candidate.multiplyHead(candidates, rows.count, weights.1.base, start, columns, into: right)
                            for row in rows {
                                let offset = (row - rows.lowerBound) * columns
                                sums[row].add(
                                    left.base + offset, right.base + offset, columns, from: first + start,
                                    target: targets[row], scratch: place.scratch.base)
                            }
                        }
                    }
                }
            }
        }
        return sums.map(\.prediction)
    }

    /// What belongs to one worker.
    private final class Place {
        let references = FloatBuffer(count: ForwardPass.rowsAtOnce * ForwardPass.Run.columnsAtOnce)
        let candidates = FloatBuffer(count: ForwardPass.rowsAtOnce * ForwardPass.Run.columnsAtOnce)
        let scratch = FloatBuffer(count: ForwardPass.Run.columnsAtOnce)
        /// Hidden states of the reference that are otherwise in a file.
        var staging: FloatBuffer?
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

    var prediction: PairedPrediction {
        let shift = Double(reference.maximum) - Double(candidate.maximum) + log(reference.sum) - log(candidate.sum)
        return PairedPrediction(
            referenceLikelihood: reference.negativeLogLikelihood(of: referenceTarget),
            candidateLikelihood: candidate.negativeLogLikelihood(of: candidateTarget),
            divergence: products / reference.sum - shift, hasSameTop: referenceTop == candidateTop)
    }
}
