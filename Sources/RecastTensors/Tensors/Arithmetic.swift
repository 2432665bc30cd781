/// What may be computed on the way from one stored tensor to another, in float32 with reductions in float64, before the
/// result is rounded once.
package enum Arithmetic: Sendable, Hashable, Codable {
    /// Adds the same number to every element (Gemma's norm weights).
    case adding(Float)
    /// Multiplies every element.
    case scaling(Float)
    /// Divides every element (means from sums).
    case dividing(Float)
    /// Puts a number in the place of zeros.
    case replacingZeros(Float)
    /// Divides each row by its Euclidean length, at least 1e-12 (Baichuan 2's head).
    case normalizingRows
    /// Subtracts its mean from each row (the embedding of a model whose norms subtract means).
    case centeringRows

    /// Whether it needs whole rows.
    var looksAtRows: Bool { self == .normalizingRows || self == .centeringRows }

    /// Works on whole rows in place.
    func apply(to values: UnsafeMutableBufferPointer<Float>, columns: Int) {
        switch self {
        case .adding(let term): for index in values.indices { values[index] += term }
        case .scaling(let factor): for index in values.indices { values[index] *= factor }
        case .dividing(let divisor): for index in values.indices { values[index] /= divisor }
        case .replacingZeros(let number):
            for index in values.indices where values[index] == 0 { values[index] = number }
        case .normalizingRows:
            for start in stride(from: 0, to: values.count, by: columns) {
                var square = 0.0
                for index in start..<start + columns { square += Double(values[index]) * Double(values[index]) }
                let length = max(square.squareRoot(), 1e-12)
                for index in start..<start + columns { values[index] = Float(Double(values[index]) / length) }
            }
        case .centeringRows:
            for start in stride(from: 0, to: values.count, by: columns) {
                var sum = 0.0
                for index in start..<start + columns { sum += Double(values[index]) }
                let mean = sum / Double(columns)
                for index in start..<start + columns { values[index] = Float(Double(values[index]) - mean) }
            }
        }
    }
}
