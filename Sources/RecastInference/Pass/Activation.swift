internal import CKernels
import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The function between a feed-forward layer's gate and its product with the up projection, by its names in
/// transformers (`ACT2FN`).
enum Activation: Sendable {
    case silu
    case gelu
    case geluTanh
    case relu
    /// The square of `relu`.
    case relu2
    /// `x · sigmoid(1.702 x)`
    case quickGelu
    /// With numbers of each layer.
    case xielu

    /// - Throws: `unsupported` for a function of another name.
    init(named name: String) throws(RecastError) {
        switch name {
        case "silu", "swish": self = .silu
        case "gelu", "gelu_python": self = .gelu
        case "gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate": self = .geluTanh
        case "quick_gelu": self = .quickGelu
        case "relu": self = .relu
        case "relu2": self = .relu2
        case "xielu": self = .xielu
        default: throw .unsupported("cannot compute the activation \(name)")
        }
    }

    /// `gate = f(gate) · up`
    ///
    /// - Parameter xielu: the numbers of the function, where it has some.
    func apply(
        _ gate: UnsafeMutablePointer<Float>, times up: UnsafePointer<Float>, _ count: Int, xielu: XIELU? = nil
    ) {
        switch self {
        case .silu: Self.silu(gate, up, count)
        case .gelu: Self.gelu(gate, up, count)
        case .geluTanh: Self.geluTanh(gate, up, count)
        case .relu: Self.relu(gate, up, count)
        case .relu2: Self.relu2(gate, up, count)
        case .quickGelu: Self.quickGelu(gate, up, count)
        case .xielu: (xielu ?? XIELU()).apply(gate, times: up, count)
        }
    }

    /// Gate and up within limits, with the activation of such gates.
    static func apply(
        _ gate: UnsafeMutablePointer<Float>, times up: UnsafePointer<Float>, _ count: Int, within bounds: GateLimit
    ) {
        let (limit, alpha) = (Float(bounds.limit), Float(bounds.alpha))
        for i in 0..<count {
            let (g, u) = (min(gate[i], limit), min(max(up[i], -limit), limit))
            gate[i] = (u + 1) * (g / (1 + exponential(-alpha * g)))
        }
    }

    private static func silu(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        ck_kernels_best().pointee.gate_by_silu(gate, up, count)
    }

    private static func gelu(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        for i in 0..<count {
            let x = gate[i]
            gate[i] = 0.5 * x * (1 + erff(x * Float(0.5).squareRoot())) * up[i]
        }
    }

    private static func geluTanh(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        ck_kernels_best().pointee.gate_by_gelu_tanh(gate, up, count)
    }

    private static func relu2(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        for i in 0..<count {
            let x = max(gate[i], 0)
            gate[i] = x * x * up[i]
        }
    }

    private static func quickGelu(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        for i in 0..<count { gate[i] = gate[i] / (1 + exponential(-1.702 * gate[i])) * up[i] }
    }

    private static func relu(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, _ count: Int) {
        var i = 0
        while i < count {
            let x = gate[i]
            gate[i] = (x < 0 ? 0 : x) * up[i]
            i = i &+ 1
        }
    }
}
