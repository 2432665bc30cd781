/// The order of the value heads of a gated delta net. In the graph those that one key head serves stand together; llama.cpp has the
/// first of each key head, then the second of each. Source: llama.cpp's converter, `_LinearAttentionVReorderBase`.
struct ValueHeadOrder {
    private let net: GatedDeltaNet?

    init(_ configuration: ModelConfiguration) { net = configuration.recurrence?.delta }

    /// Heads as the graph has them, from those in llama.cpp's order.
    func grouped(_ tensor: LazyTensor, _ role: Role) -> LazyTensor { reordered(tensor, role, isStored: true) }

    /// The opposite of `grouped`.
    func tiled(_ tensor: LazyTensor, _ role: Role) -> LazyTensor { reordered(tensor, role, isStored: false) }

    private func reordered(_ tensor: LazyTensor, _ role: Role, isStored: Bool) -> LazyTensor {
        guard let net, net.valueHeadCount != net.keyHeadCount else { return tensor }
        let dimension = net.valueHeadDimension
        func order(_ block: Int) -> RowOrder {
            let order = RowOrder(
                outer: 1, first: net.keyHeadCount, second: net.valueHeadCount / net.keyHeadCount, block: block)
            return isStored ? order : order.inverse
        }
        switch role {
        case .recurrentInput, .convolution:
            // Queries and keys come first.
            let first = 2 * net.keyRows
            return .concatenatedRows([
                tensor.rows(0..<first), tensor.rows(first..<tensor.rowCount).gathered(order(dimension)),
            ])
        case .recurrentGate: return tensor.gathered(order(dimension))
        case .recurrentBeta, .recurrentAlpha, .timeStepBias, .stateDecay: return tensor.gathered(order(1))
        case .recurrentOutput:
            let block = tensor.dtype.blockElements
            let plain = dimension.isMultiple(of: block) ? tensor : tensor.converted(to: .f32)
            let order = order(1)
            return .concatenatedColumns(
                (0..<net.valueHeadCount).map { head in
                    let first = order.source(of: head) * dimension
                    return plain.columns(first..<first + dimension)
                })
        default: return tensor
        }
    }
}
