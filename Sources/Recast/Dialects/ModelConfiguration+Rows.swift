// Which tensors of a mapping table a model has.
extension ModelConfiguration {
    /// Whether a layer has the tensors of a row; nil for what is in no layer.
    func has(_ row: Row, inLayer layer: Int?) -> Bool {
        guard let layer, row.isPerLayer else { return !row.isPerLayer && row.roles.allSatisfy(has) }
        guard layers.indices.contains(layer) else { return false }
        let own = layers[layer]
        guard row.roles.allSatisfy({ own.has($0, in: self) }) else { return false }
        guard row.roles.contains(where: \.isFeedForward) else { return true }
        return (own.experts != nil) == (row.isPerExpert || row.roles.contains(where: \.isOfExperts))
    }

    /// The experts that a row names in a layer; nil, once, for a row that names none.
    func experts(of row: Row, inLayer layer: Int?) -> [Int?] {
        guard row.isPerExpert else { return [nil] }
        return (0..<expertCount(inLayer: layer)).map(Optional.some)
    }

    func expertCount(inLayer layer: Int?) -> Int {
        layer.flatMap { layers.indices.contains($0) ? layers[$0].experts?.count : nil } ?? 0
    }
}
