#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

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
    /// `−exp(x)` (the decay of recurrent states).
    case negatedExponential
    /// `ln(−x)`, rounded to bfloat16 where ``negatedExponential`` gives the same number of that: what it was made of.
    case logarithmOfNegated

    /// Whether it needs whole rows.
    var looksAtRows: Bool { self == .normalizingRows || self == .centeringRows }

    private static func negatedExponential(_ x: Float) -> Float { -Float(exp(Double(x))) }

    private static func logarithm(ofNegated x: Float) -> Float {
        let exact = Float(log(-Double(x)))
        let bits = exact.bitPattern
        let short = Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
        return exact.isFinite && negatedExponential(short) == x ? short : exact
    }

    /// Works on whole rows in place.
    func apply(to values: UnsafeMutableBufferPointer<Float>, columns: Int) {
        switch self {
        case .adding(let term): for index in values.indices { values[index] += term }
        case .scaling(let factor): for index in values.indices { values[index] *= factor }
        case .dividing(let divisor): for index in values.indices { values[index] /= divisor }
        case .replacingZeros(let number):
            for index in values.indices where values[index] == 0 { values[index] = number }
        case .negatedExponential: for index in values.indices { values[index] = Self.negatedExponential(values[index]) }
        case .logarithmOfNegated:
            for index in values.indices { values[index] = Self.logarithm(ofNegated: values[index]) }
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
