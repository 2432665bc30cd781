import Recast

/// What becomes of the embeddings of tokens before the first layer: they are multiplied, positions are added, and they are
/// normalised, where the model does so.
struct EmbeddingSteps: Sendable {
    private let columns: Int
    private let factor: Float
    private let norm: Norm?

    init(_ configuration: ModelConfiguration) {
        columns = configuration.hiddenSize
        factor = Float(configuration.multipliers.embedding)
        norm = configuration.norms.normalizesEmbedding ? Norm(configuration) : nil
    }

    /// - Parameters:
    ///   - states: embeddings as they are stored, `[rows, hiddenSize]`.
    ///   - positions: a learned vector for each row, where there are any.
    ///   - parameters: of the norm.
    func apply(
        to states: UnsafeMutablePointer<Float>, rows: Int, positions: (Int) -> UnsafePointer<Float>?,
        _ parameters: Norm.Parameters
    ) {
        if factor != 1 { for i in 0..<rows * columns { states[i] *= factor } }
        for row in 0..<rows {
            guard let position = positions(row) else { break }
            let state = states + row * columns
            for i in 0..<columns { state[i] += position[i] }
        }
        norm?.apply(states, parameters, rows: rows, columns: columns, into: states)
    }
}

extension ModelConfiguration {
    /// Whether a text of so many tokens has a position for each.
    ///
    /// - Throws: `usage` for one that is too long.
    func checkPositions(of length: Int) throws(RecastError) {
        guard let learned = learnedPositions, length > learned.count else { return }
        throw .usage(
            "a text of \(length) tokens is longer than the \(learned.count) positions that the model has learned; --context "
                + "\(learned.count) cuts it into windows of so many, in a calibration --calibration-context \(learned.count)"
        )
    }
}
