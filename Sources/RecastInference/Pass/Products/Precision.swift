import Recast

/// How activations meet a model's weights.
public enum Precision: String, Sendable, CaseIterable {
    /// In float32, weights decoded.
    case exact
    /// As llama.cpp multiplies on a processor: activations are rounded to the precision of the weights (bfloat16 for bfloat16; for
    /// quantized types whole numbers of 8 bits, a scale for each 32 or 256), and weights are multiplied as they are stored. Types
    /// without such products, routers, and processors without instructions for them stay with float32.
    case fast

    /// How a weight is multiplied as it is stored; nil for in float32.
    func panelType(of slot: Slot, _ tensor: LazyTensor) -> PanelType? {
        guard self == .fast, slot.part == .weight, slot.role.isRounded, tensor.shape.count == 2 else { return nil }
        return PanelType(tensor.dtype, columns: tensor.columnCount)
    }

    /// Memory that a tensor needs, in float32 numbers.
    func floatCount(of slot: Slot, _ tensor: LazyTensor) -> Int {
        let count = panelType(of: slot, tensor).map { PanelMatrix.byteCount($0, rows: tensor.rowCount) / 4 }
        return (count ?? tensor.elementCount).aligned(to: 16)
    }

    /// What of a model is multiplied in float32 all the same; empty for nothing.
    public func notes(on graph: Graph) -> [String] {
        guard self == .fast else { return [] }
        var lacking: [String: Int] = [:]
        var without: [String: Int] = [:]
        let head = graph.computedHead.map { (Slot(.outputHead), $0) }
        let weights = graph.entries.filter { $0.slot.role != .outputHead }.map { ($0.slot, $0.tensor) }
        for (slot, tensor) in weights + [head].compactMap(\.self) {
            guard slot.part == .weight, slot.role.isRounded, tensor.shape.count == 2 else { continue }
            guard panelType(of: slot, tensor) == nil else { continue }
            if PanelType(tensor.dtype, columns: tensor.columnCount, .portable) == nil {
                without[tensor.dtype.name, default: 0] += 1
            } else {
                lacking[tensor.dtype.name, default: 0] += 1
            }
        }
        let reasons = [
            ("have no products with rounded activations", without), ("need instructions this processor lacks", lacking),
        ]
        return reasons.filter { !$0.1.isEmpty }.map { reason, counts in
            let types = counts.sorted { $0.key < $1.key }.map { "\($0.value) of \($0.key)" }.joined(separator: ", ")
            return "--fast: weights that \(reason) are multiplied in float32: \(types)"
        }
    }
}

extension Role {
    /// Whether activations that are multiplied with its weight may be rounded. Not a router's: what it decides is not continuous.
    fileprivate var isRounded: Bool { isLinear || self == .outputHead }
}
