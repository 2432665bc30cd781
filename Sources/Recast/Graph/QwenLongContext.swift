/// What Qwen 1 does with texts beyond the length it was trained with: dynamic NTK, and log-n attention.
///
/// Source: Specs/families.md §3.3.
public struct QwenLongContext: Sendable, Hashable, Codable {
    /// Tokens up to which nothing changes (`seq_length`).
    public var context: Int
    /// Whether the rotary base grows with the length (`use_dynamic_ntk`).
    public var dynamicNTK: Bool
    /// Whether queries are multiplied by a logarithm of their position (`use_logn_attn`).
    public var logNAttention: Bool

    public init(context: Int, dynamicNTK: Bool, logNAttention: Bool) {
        self.context = context
        self.dynamicNTK = dynamicNTK
        self.logNAttention = logNAttention
    }
}
