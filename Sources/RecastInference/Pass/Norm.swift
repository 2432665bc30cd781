import Recast

/// Normalises row by row, with mean and variance in double precision.
struct Norm: Sendable {
    var kind: Norms.Kind
    var epsilon: Double
    /// Added to weights.
    var offset: Float

    init(_ configuration: ModelConfiguration) {
        kind = configuration.norms.kind
        epsilon = configuration.normEpsilon
        offset = Float(configuration.norms.offset)
    }

    /// The norms within latent attention. Source: transformers 5.23, `modeling_deepseek_v3.py`.
    static let latent = Norm(kind: .rms, epsilon: 1e-6)

    /// That of an indexer's keys. Source: transformers 5.23, `modeling_deepseek_v32.py`.
    static let indexer = Norm(kind: .layer, epsilon: 1e-6)

    init(kind: Norms.Kind = .rms, epsilon: Double) {
        self.kind = kind
        self.epsilon = epsilon
        offset = 0
    }

    /// What a norm multiplies by and adds; nil for neither.
    struct Parameters {
        var weight: UnsafePointer<Float>?
        var bias: UnsafePointer<Float>?
    }

    /// `(x - μ) / sqrt(σ² + ε) · weight + bias`, with μ = 0 and σ² = mean(x²) for RMS norms. Source and target may be the
    /// same.
    ///
    /// - Parameter stride: from one row of the source to the next; nil for `columns`.
    func apply(
        _ source: UnsafePointer<Float>, stride: Int? = nil, _ parameters: Parameters, rows: Int, columns: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let x = source + row * (stride ?? columns)
            let y = target + row * columns
            var mean = 0.0
            if kind == .layer { mean = Reduction.sum(x, columns) / Double(columns) }
            let square = Reduction.sumOfSquares(x, columns, around: mean) / Double(columns)
            let scale = Float(1 / (square + epsilon).squareRoot())
            if kind == .rms, offset == 0, parameters.bias == nil, let weight = parameters.weight {
                Self.scale(x, scale, weight, columns, into: y)
            } else {
                center(x, Float(mean), scale, parameters, columns, into: y)
            }
        }
    }

    private static func scale(
        _ x: UnsafePointer<Float>, _ scale: Float, _ weight: UnsafePointer<Float>, _ columns: Int,
        into y: UnsafeMutablePointer<Float>
    ) {
        var i = 0
        while i < columns {
            y[i] = weight[i] * (x[i] * scale)
            i = i &+ 1
        }
    }

    private func center(
        _ x: UnsafePointer<Float>, _ mean: Float, _ scale: Float, _ parameters: Parameters, _ columns: Int,
        into y: UnsafeMutablePointer<Float>
    ) {
        for i in 0..<columns {
            var value = (x[i] - mean) * scale
            if let weight = parameters.weight { value *= weight[i] + offset }
            if let bias = parameters.bias { value += bias[i] }
            y[i] = value
        }
    }
}
