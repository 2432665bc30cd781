#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How much sharper attention is for tokens that stand late in a text: queries are multiplied by
/// `1 + slope · ln(1 + ⌊(position + offset) / context⌋)`, which is one up to the context.
///
/// Source: transformers 5.23, `modeling_ministral3.py`, `modeling_mistral4.py` and `modeling_llama4.py`.
public struct AttentionTemperature: Sendable, Hashable, Codable {
    /// What the logarithm is multiplied by (`llama_4_scaling_beta`, Llama 4's `attn_scale`).
    public var slope: Double
    /// The tokens of one step (`original_max_position_embeddings`, Llama 4's `floor_scale`).
    public var context: Int
    /// Added to positions, which begin with 0 (1 in Llama 4).
    public var offset = 0
    /// Whether layers that rotate heads are left out (Llama 4).
    public var sparesRotaryLayers = false

    public init(slope: Double, context: Int) {
        self.slope = slope
        self.context = context
    }

    /// What the query at a position is multiplied by.
    public func factor(at position: Int) -> Double { 1 + slope * log(Double(1 + (position + offset) / context)) }

    /// The longest text, in tokens, in which nothing is multiplied by anything but one.
    public var unchangedLength: Int { max(0, context - offset) }
}

extension ModelConfiguration {
    /// The temperature of a layer; nil where it has none.
    public func temperature(inLayer layer: Int) -> AttentionTemperature? {
        temperature.flatMap { $0.sparesRotaryLayers && layers[layer].hasRotary ? nil : $0 }
    }
}

extension AttentionTemperature? {
    var text: String {
        guard let self else { return "none" }
        return "1 + \(self.slope.plain) · ln(1 + steps of \(self.context) tokens)"
            + (self.sparesRotaryLayers ? ", in layers without rotary" : "")
    }
}
