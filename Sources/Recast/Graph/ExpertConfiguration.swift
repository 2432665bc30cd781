/// Feed-forward layers of which a router picks a few for each token.
public struct ExpertConfiguration: Sendable, Hashable, Codable {
    /// How many experts each such layer has.
    public var count: Int
    /// How many of them a token goes through.
    public var usedCount: Int
    public var feedForwardSize: Int
    /// Whether the weights of the experts that are picked add up to one.
    public var normalizesWeights: Bool
    /// The layers that have one ordinary feed-forward layer instead, in order.
    public var denseLayers: [Int]

    /// More in all layers together than any model has, and few enough to be listed.
    static let maximumCount = 1 << 20

    public init(
        count: Int, usedCount: Int, feedForwardSize: Int, normalizesWeights: Bool, denseLayers: [Int] = []
    ) {
        self.count = count
        self.usedCount = usedCount
        self.feedForwardSize = feedForwardSize
        self.normalizesWeights = normalizesWeights
        self.denseLayers = denseLayers
    }
}

extension ModelConfiguration {
    /// Whether a layer's feed-forward part is a router and experts.
    public func hasExperts(inLayer layer: Int) -> Bool { experts.map { !$0.denseLayers.contains(layer) } ?? false }

    /// Whether any layer has an ordinary feed-forward part.
    public var hasDenseLayers: Bool { (0..<layerCount).contains { !hasExperts(inLayer: $0) } }

    /// Whether a layer has the tensors of a row of a mapping table; nil for what is in no layer.
    func has(_ row: Row, inLayer layer: Int?) -> Bool {
        guard let layer, row.isPerLayer else { return !row.isPerLayer }
        guard (0..<layerCount).contains(layer) else { return false }
        guard row.roles.contains(where: \.isFeedForward) else { return true }
        return hasExperts(inLayer: layer) == (row.isPerExpert || row.roles == [.router])
    }

    /// The experts that a row of a layer names; nil, once, for a row that names none.
    func experts(of row: Row) -> [Int?] { row.isPerExpert ? (0..<(experts?.count ?? 0)).map(Optional.some) : [nil] }
}
