import Recast

/// Logits that a model's head makes of hidden states.
final class ModelLogits: ReferenceLogits, @unchecked Sendable {
    private let run: ForwardPass.Run
    private let states: HiddenStates
    private let tile: HeadTile
    private let places: [Place]

    /// - Parameter states: what the run has made of its texts, normalised.
    init(_ run: ForwardPass.Run, _ states: HiddenStates) {
        self.run = run
        self.states = states
        tile = HeadTile(run)
        places = (0..<run.workers.count).map { _ in Place() }
    }

    var rows: Int { states.rows }
    var vocabularySize: Int { run.configuration.vocabularySize }
    var tileSize: Int { run.tileRows }
    var areLogProbabilities: Bool { false }

    func load(_ tokens: Range<Int>) throws(RecastError) { try tile.load(tokens) }

    func logits(
        _ rows: Range<Int>, _ tokens: Range<Int>, into target: FloatBuffer, worker: Int
    ) throws(RecastError) {
        let place = places[worker]
        if let staging = place.staging, place.rows == rows {
            return tile.logits(staging.base, rows.count, tokens, into: target, worker: worker)
        }
        place.rows = nil
        try states.withRows(rows, .read, staging: &place.staging) { (states) throws(RecastError) in
            tile.logits(states, rows.count, tokens, into: target, worker: worker)
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
