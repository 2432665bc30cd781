/// What a quantization has written, as plain values to be made a page of.
public struct QuantizeReport: Sendable {
    public struct Tensor: Sendable {
        public var name: String
        public var from: String
        public var to: String
        /// What happened to the numbers, in words.
        public var treatment: String
        public var isMatrix: Bool
        public var elementCount: Int
        public var byteCount: Int
        /// How far the numbers that were read back are from the source's; nil where that was not measured.
        public var error: Distance?

        public struct Distance: Sendable {
            /// The norm of the differences over that of the source.
            public var relative: Double
            public var rootMeanSquare: Double
            public var maximum: Double

            public init(relative: Double, rootMeanSquare: Double, maximum: Double) {
                (self.relative, self.rootMeanSquare, self.maximum) = (relative, rootMeanSquare, maximum)
            }
        }

        public init(
            name: String, from: String, to: String, treatment: String, isMatrix: Bool, elementCount: Int,
            byteCount: Int,
            error: Distance?
        ) {
            (self.name, self.from, self.to, self.treatment) = (name, from, to, treatment)
            (self.isMatrix, self.elementCount, self.byteCount, self.error) = (isMatrix, elementCount, byteCount, error)
        }

        var bits: Double { 8 * Double(byteCount) / Double(max(1, elementCount)) }
    }

    /// Errors of a weight's output on the texts of the calibration, as parts of the output's mean square.
    public struct Calibrated: Sendable {
        public var name: String
        public var encoding: String
        public var tokens: Int
        public var damping: Double
        /// Of rounding to nearest, of a search by importance, and of what is written.
        public var rounded: Double
        public var searched: Double
        public var error: Double

        public init(
            name: String, encoding: String, tokens: Int, damping: Double, rounded: Double, searched: Double,
            error: Double
        ) {
            (self.name, self.encoding, self.tokens, self.damping) = (name, encoding, tokens, damping)
            (self.rounded, self.searched, self.error) = (rounded, searched, error)
        }
    }

    /// A table of types that was measured on texts held out.
    public struct Candidate: Sendable {
        public var name: String
        public var scored: Int
        /// Mean divergence, in nats, and its standard error.
        public var divergence: Double
        public var divergenceError: Double?
        public var sameTop: Double
        public var ratio: Double
        public var isWritten: Bool

        public init(
            name: String, scored: Int, divergence: Double, divergenceError: Double?, sameTop: Double, ratio: Double,
            isWritten: Bool
        ) {
            (self.name, self.scored, self.isWritten) = (name, scored, isWritten)
            (self.divergence, self.divergenceError) = (divergence, divergenceError)
            (self.sameTop, self.ratio) = (sameTop, ratio)
        }
    }

    /// Tensors that share a type in a budget.
    public struct Unit: Sendable {
        public var tensors: [String]
        public var type: String
        public var error: Double
        public var divergence: Double

        public init(tensors: [String], type: String, error: Double, divergence: Double) {
            (self.tensors, self.type, self.error, self.divergence) = (tensors, type, error, divergence)
        }
    }

    public var source: String
    public var destination: String
    /// Of what is written: `GGUF`, `qwen2 architecture`.
    public var format: String
    public var layout: String
    public var exactness: String
    /// Of the whole destination.
    public var byteCount: Int
    public var isVerified: Bool
    public var tensors: [Tensor]
    public var calibrated: [Calibrated] = []
    public var candidates: [Candidate] = []
    public var units: [Unit] = []
    public var warnings: [String] = []
    public var notes: [String] = []
    public var origin = ReportOrigin()

    public init(
        source: String, destination: String, format: String, layout: String, exactness: String, byteCount: Int,
        isVerified: Bool, tensors: [Tensor]
    ) {
        (self.source, self.destination, self.format, self.layout) = (source, destination, format, layout)
        (self.exactness, self.byteCount, self.isVerified, self.tensors) = (exactness, byteCount, isVerified, tensors)
    }
}
