/// Attention limited to the most recent tokens, in some of the layers.
public struct SlidingWindow: Sendable, Hashable, Codable {
    /// Tokens a layer may look back on, itself included.
    public var size: Int
    /// The layers that see everything, in order.
    public var fullLayers: [Int]

    public init(size: Int, fullLayers: [Int] = []) {
        self.size = size
        self.fullLayers = fullLayers
    }

    public func limits(layer: Int) -> Bool { !fullLayers.contains(ascending: layer) }

    /// The first layer with a window, if all after it have one, too.
    func onset(layerCount: Int) -> Int? { fullLayers == Array(0..<fullLayers.count) ? fullLayers.count : nil }

    /// `all layers`, `layers from 3 on`, `16 of 24 layers`.
    public func text(layerCount: Int) -> String {
        if fullLayers.isEmpty { return "all layers" }
        if let first = onset(layerCount: layerCount) { return "layers from \(first) on" }
        return "\(layerCount - fullLayers.count) of \(layerCount) layers"
    }
}

/// What Qwen 1 does to texts beyond the length it was trained with: it turns more slowly, and makes queries longer.
///
/// Source: Specs/families.md §3.3.
public struct Stretch: Sendable, Hashable, Codable {
    /// Tokens up to which nothing changes (`seq_length`).
    public var context: Int
    /// Whether the base of the frequencies grows (`use_dynamic_ntk`).
    public var growsBase: Bool
    /// Whether queries are multiplied by a logarithm of their position (`use_logn_attn`).
    public var scalesQueries: Bool

    public init(context: Int, growsBase: Bool, scalesQueries: Bool) {
        self.context = context
        self.growsBase = growsBase
        self.scalesQueries = scalesQueries
    }
}
