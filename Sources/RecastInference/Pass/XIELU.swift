#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// `ap · x² + βx` for positive x, and `(eˣ − 1 − x) · an + βx` for others, whose exponential is that of `min(x, ε)`; ap is the softplus of
/// one number, an that of another and β.
///
/// Source: transformers 5.23, `XIELUActivation` in `activations.py`, whose usual numbers these are.
struct XIELU {
    var alphaP: Float = 0.203_227_96
    var alphaN: Float = -1.050_225_6
    var beta: Float = 0.5
    var epsilon: Float = -1e-6

    /// `gate = f(gate) · up`
    func apply(_ gate: UnsafeMutablePointer<Float>, times up: UnsafePointer<Float>, _ count: Int) {
        let (positive, negative) = (Self.softplus(alphaP), beta + Self.softplus(alphaN))
        for i in 0..<count {
            let x = gate[i]
            let y = x > 0 ? positive * x * x : (expm1f(min(x, epsilon)) - x) * negative
            gate[i] = (y + beta * x) * up[i]
        }
    }

    private static func softplus(_ x: Float) -> Float { x > 20 ? x : log1pf(expf(x)) }
}
