import Recast

/// Logits that a model's head makes of hidden states.
final class ModelLogits: ReferenceLogits, @unchecked Sendable {
    private let run: ForwardPass.Run
    private let states: HiddenStates
    private let weights: FloatBuffer
    private let places: [Place]
    // Set between the pieces of parallel work, by one thread.
    private var first = 0

    /// - Parameter states: what the run has made of its texts, normalised.
    init(_ run: ForwardPass.Run, _ states: HiddenStates) {
        self.run = run
        self.states = states
        weights = FloatBuffer(count: run.tileRows * states.columns)
        places = (0..<run.workers.count).map { _ in Place() }
    }

    var rows: Int { states.rows }
    var vocabularySize: Int { run.configuration.vocabularySize }
    var tileSize: Int { run.tileRows }
    var areLogProbabilities: Bool { false }

    func load(_ tokens: Range<Int>) throws(RecastError) {
        try run.loadHead(tokens, into: weights.base)
        first = tokens.lowerBound
    }

    func logits(
        _ rows: Range<Int>, _ tokens: Range<Int>, into target: FloatBuffer, worker: Int
    ) throws(RecastError) {
        let place = places[worker]
        let start = tokens.lowerBound - first
        if let staging = place.staging, place.rows == rows {
            return run.multiplyHead(
                staging.base, rows.count, weights.base, start, tokens.count, at: tokens.lowerBound, into: target)
        }
        place.rows = nil
        try states.withRows(rows, .read, staging: &place.staging) { (states) throws(RecastError) in
            run.multiplyHead(states, rows.count, weights.base, start, tokens.count, at: tokens.lowerBound, into: target)
        }
        // Rows that came from a file are there for the tokens that follow.
        place.rows = rows
    }

    /// What belongs to one worker.
    private final class Place {
        /// Hidden states that are otherwise in a file, and of which rows.
        var staging: FloatBuffer?
        var rows: Range<Int>?
    }
}
