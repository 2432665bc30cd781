#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rotary position embedding: pair `j` of a head is rotated by `position · theta^(-2j / dimensions) / factor(j)`.
public struct Rope: Sendable, Hashable, Codable {
    /// How the frequencies are changed for longer texts. Source: Specs/families.md §2, transformers' rope types.
    public enum Scaling: Sendable, Hashable, Codable {
        case none
        case linear(factor: Double)
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
        case yarn(Yarn)
        /// A larger base for texts longer than `context`, the larger the longer they are.
        case dynamic(factor: Double, context: Int)
        case longrope(Longrope)
        /// Of the pairs of the whole rotary dimension only the first turn, divided by a factor (Gemma 4).
        case proportional(pairs: Int, factor: Double)
        /// What each pair's frequency is divided by, where no rule behind it is known.
        case factors([Double])
        /// A type this library carries along but does not compute.
        case other(String)
    }

    /// Slow pairs divided by a factor, fast ones not, and those between partly; attention made sharper. The names are
    /// those of transformers, and of DeepSeek for the last two.
    public struct Yarn: Sendable, Hashable, Codable {
        public var factor: Double
        public var originalContext: Int
        public var betaFast: Double
        public var betaSlow: Double
        public var mscale: Double
        public var mscaleAllDimensions: Double
        /// What cosines and sines are multiplied by, where a configuration says so itself (`attention_factor`).
        public var statedAttentionFactor: Double?
        /// Whether the pairs between which interpolation goes over are whole numbers (not so in gpt-oss).
        public var truncates = true

        public static let usualBetaFast = 32.0
        public static let usualBetaSlow = 1.0
        public static let usualMscale = 1.0
        public static let usualMscaleAllDimensions = 0.0

        public init(
            factor: Double, originalContext: Int, betaFast: Double = usualBetaFast, betaSlow: Double = usualBetaSlow,
            mscale: Double = usualMscale, mscaleAllDimensions: Double = usualMscaleAllDimensions
        ) {
            self.factor = factor
            self.originalContext = originalContext
            self.betaFast = betaFast
            self.betaSlow = betaSlow
            self.mscale = mscale
            self.mscaleAllDimensions = mscaleAllDimensions
        }
    }

    /// A divisor for each pair's frequency: one set for texts up to the original context, another for longer ones.
    public struct Longrope: Sendable, Hashable, Codable {
        public var short: [Double]
        public var long: [Double]
        public var originalContext: Int
        /// What cosines and sines are multiplied by.
        public var attentionFactor: Double

        public init(short: [Double], long: [Double], originalContext: Int, attentionFactor: Double) {
            self.short = short
            self.long = long
            self.originalContext = originalContext
            self.attentionFactor = attentionFactor
        }
    }

    public var theta: Double
    /// The rotary dimension: the first elements of a head; pairs are halves of these.
    public var dimensions: Int
    public var scaling: Scaling

    public init(theta: Double, dimensions: Int, scaling: Scaling = .none) {
        self.theta = theta
        self.dimensions = dimensions
        self.scaling = scaling
    }
}

extension Rope {
    public var pairCount: Int { dimensions / 2 }

    /// The frequency of each pair before scaling, in radians a position.
    public var baseFrequencies: [Double] {
        (0..<pairCount).map { pow(theta, -2 * Double($0) / Double(dimensions)) }
    }

    /// What each frequency is divided by, whatever the text; nil for a scaling that cannot be said this way.
    public var frequencyFactors: [Double]? {
        switch scaling {
        case .none: return [Double](repeating: 1, count: pairCount)
        case .linear(let factor): return [Double](repeating: factor, count: pairCount)
        case .llama3(let factor, let low, let high, let original):
            return baseFrequencies.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                if wavelength < Double(original) / high { return 1 }
                if wavelength > Double(original) / low { return factor }
                // Of a pair in the middle of nothing no more can be said.
                if low == high { return 1 }
                let smooth = (Double(original) / wavelength - low) / (high - low)
                return 1 / ((1 - smooth) / factor + smooth)
            }
        case .proportional(let pairs, let factor):
            return (0..<pairCount).map { $0 < pairs ? factor : Self.unrotated }
        case .factors(let factors): return factors
        case .yarn, .dynamic, .longrope, .other: return nil
        }
    }
}

extension Rope.Yarn: CustomStringConvertible {
    /// Whether transformers can be told: it looks at the two only where neither is zero.
    var isExpressibleInTransformers: Bool {
        mscale == Self.usualMscale && mscaleAllDimensions == Self.usualMscaleAllDimensions
            || mscale != 0 && mscaleAllDimensions != 0
    }

    public var description: String {
        "factor \(factor), original context \(originalContext), beta \(betaFast) and \(betaSlow), mscale \(mscale) and "
            + "\(mscaleAllDimensions)" + (truncates ? "" : ", not truncated")
    }
}
