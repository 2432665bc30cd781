/// How codes are chosen by a calibration.
public struct CalibrationOptions: Sendable, Hashable {
    public enum Method: String, Sendable, Hashable, Codable, CaseIterable {
        /// The scales whose codes have the least squared error, in which each column weighs as much as its mean square.
        case search
        /// Error feedback column after column, then a descent on the exact output error.
        case gptq
        /// Scales for the columns, folded into the operation before, by which those with large inputs are rounded finely; then
        /// as `search`.
        case awq
    }

    public var method = Method.gptq
    /// How much is tried to lower the output error after the feedback: 0 nothing, 1 to 3 more and more.
    public var effort = 2
    /// What is added to the diagonal of a Hessian at first, as a part of its mean.
    public var damping: Float = 0.01

    /// Whether the hidden channels of feed-forward and the channels of value heads are put in the order of what they matter,
    /// so that those which share a scale matter alike; the model computes the same.
    public var reorders = false

    /// Bytes that may be in memory; nil for as much as the pass may have for states of tokens, with what else is needed on
    /// top.
    public var maximumMemory: Int?
    /// The most tokens of a text that see each other: what `maximumMemory` has to reckon with.
    public var longestWindow = 512

    /// The levels of `effort`.
    public static let efforts = 0...3

    public init() {}

    /// What shows in the bytes.
    var words: String { "\(method) effort \(effort) damping \(damping) reorders \(reorders)" }

    /// Sweeps of the descent over the groups of a weight.
    var sweeps: Int { [0, 1, 2, 5][effort] }
    /// How many steps from its scale to each side a group tries.
    var reach: Int { [0, 1, 2, 3][effort] }
}
