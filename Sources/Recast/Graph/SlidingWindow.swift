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
