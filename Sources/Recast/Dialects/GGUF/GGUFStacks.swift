/// Weights that GGUF stores otherwise than as one matrix each: the experts of a layer in one tensor, and the up
/// projection of latent attention in two, of which one is transposed. Source: Specs/gguf.md §d.3.
enum GGUFStacks {
    private static let marks = ["ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps", "ffn_down_exps"]
    private static let (keys, values, both) = ("attn_k_b", "attn_v_b", "attn_kv_b")

    // MARK: Reading

    /// A matrix for each expert, named `blk.3.ffn_up_exps.17.weight`, and keys and values of latent attention together.
    ///
    /// - Parameters:
    ///   - expertCount: how many experts there are by the keys, and no stack may have others; nil for any number.
    ///   - headCount: the same for heads.
    static func unpacked(
        _ tensors: [NamedTensor], expertCount: Int? = nil, headCount: Int? = nil, file: String
    ) throws(RecastError) -> [NamedTensor] {
        var result: [NamedTensor] = []
        var places: [String: LazyTensor] = [:]
        for tensor in tensors where tensor.name.contains("." + values + ".") { places[tensor.name] = tensor.tensor }
        for tensor in tensors {
            let parts = tensor.name.split(separator: ".").map(String.init)
            if parts.count == 4, parts[3] == "bias", marks.contains(parts[2]), expertCount != 0 {
                try check(tensor, count: expertCount, "experts", dimensions: 2, file: file)
                for expert in 0..<tensor.tensor.rowCount {
                    let bias = tensor.tensor.rows(expert..<expert + 1).reshaped([tensor.tensor.columnCount])
                    result.append(NamedTensor("blk.\(parts[1]).\(parts[2]).\(expert).bias", bias))
                }
                continue
            }
            guard parts.count == 4, parts[3] == "weight" else {
                result.append(tensor)
                continue
            }
            if marks.contains(parts[2]), expertCount != 0 {
                try check(tensor, count: expertCount, "experts", file: file)
                for expert in 0..<tensor.tensor.batchCount {
                    result.append(
                        NamedTensor("blk.\(parts[1]).\(parts[2]).\(expert).weight", tensor.tensor.matrix(expert)))
                }
            } else if parts[2] == keys {
                try check(tensor, count: headCount, "heads", file: file)
                guard let value = places["blk.\(parts[1]).\(values).weight"], value.shape.count == 3,
                    value.batchCount == tensor.tensor.batchCount, value.columnCount == tensor.tensor.rowCount
                else {
                    throw .malformed(
                        file,
                        "\(tensor.name) and blk.\(parts[1]).\(values).weight are no keys and values of the same heads")
                }
                // Blocks lie along rows, and do not survive being transposed.
                let isPlain = tensor.tensor.dtype == value.dtype && value.dtype.blockElements == 1
                let dtype = isPlain ? value.dtype : .f32
                result.append(
                    NamedTensor(
                        "blk.\(parts[1]).\(both).weight",
                        .concatenatedRows(
                            (0..<value.batchCount).flatMap { head in
                                [
                                    tensor.tensor.matrix(head).converted(to: dtype).transposed(),
                                    value.matrix(head).converted(to: dtype),
                                ]
                            })))
            } else if parts[2] != values {
                result.append(tensor)
            }
        }
        return result
    }

    private static func check(
        _ tensor: NamedTensor, count: Int?, _ what: String, dimensions: Int = 3, file: String
    ) throws(RecastError) {
        guard tensor.tensor.shape.count == dimensions else {
            throw .malformed(file, "\(tensor.name) has the shape \(tensor.tensor.shape), not \(dimensions) dimensions")
        }
        guard tensor.tensor.shape[0] == count ?? tensor.tensor.shape[0] else {
            throw .malformed(
                file, "\(tensor.name) has the shape \(tensor.tensor.shape), though there are \(count ?? 0) \(what)")
        }
    }

    // MARK: Writing

    /// What `unpacked` makes of it, again: a stack stands where its first part stood.
    static func packed(_ tensors: [NamedTensor], latent: LatentAttention?) -> [NamedTensor] {
        var result: [NamedTensor] = []
        var stacks: [String: [Int: LazyTensor]] = [:]
        for tensor in tensors {
            guard let (name, expert) = stack(of: tensor.name) else { continue }
            stacks[name, default: [:]][expert] = tensor.tensor
        }
        for tensor in tensors {
            if let (name, _) = stack(of: tensor.name) {
                // By number: names may come in another order, `10` before `2`.
                if let parts = stacks.removeValue(forKey: name) {
                    let slots = tensor.slots.map { Slot($0.role, layer: $0.layer, $0.part) }
                    let own = parts.sorted { $0.key < $1.key }.map(\.value)
                    result.append(
                        NamedTensor(
                            name, own[0].shape.count == 1 ? stackedVectors(own) : stackedMatrices(own), slots: slots))
                }
            } else if let latent, tensor.name.contains("." + both + ".") {
                let (resting, value) = (latent.nopeHeadDimension, latent.valueDimension)
                let heads = stride(from: 0, to: tensor.tensor.rowCount, by: resting + value)
                // A block that lies along a row does not survive being transposed.
                let base = tensor.tensor.dtype.blockElements == 1 ? tensor.tensor : tensor.tensor.converted(to: .f32)
                result.append(
                    NamedTensor(
                        tensor.name.replacing(both, with: keys),
                        stackedMatrices(heads.map { base.rows($0..<$0 + resting).transposed() }), slots: tensor.slots))
                result.append(
                    NamedTensor(
                        tensor.name.replacing(both, with: values),
                        stackedMatrices(heads.map { base.rows($0 + resting..<$0 + resting + value) }),
                        slots: tensor.slots))
            } else {
                result.append(tensor)
            }
        }
        return result
    }

    private static func stackedMatrices(_ parts: [LazyTensor]) -> LazyTensor {
        let dtype = parts[0].dtype
        return .stackedMatrices(parts.allSatisfy { $0.dtype == dtype } ? parts : parts.map { $0.converted(to: .f32) })
    }

    private static func stackedVectors(_ parts: [LazyTensor]) -> LazyTensor {
        let dtype = parts[0].dtype
        let plain = parts.allSatisfy { $0.dtype == dtype } ? parts : parts.map { $0.converted(to: .f32) }
        return .concatenatedRows(plain.map { $0.reshaped([1, $0.elementCount]) })
    }

    /// The name of the stored tensor, or of one of two, that holds a weight of this name.
    static func storedName(of name: String) -> String {
        stack(of: name)?.name ?? name.replacing("." + both + ".", with: "." + keys + ".")
    }

    /// `blk.3.ffn_up_exps.weight` and 17 of `blk.3.ffn_up_exps.17.weight`; nil for what is no part of a stack.
    private static func stack(of name: String) -> (name: String, expert: Int)? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 5, marks.contains(parts[2]), let expert = Int(parts[3]) else { return nil }
        return ("blk.\(parts[1]).\(parts[2]).\(parts[4])", expert)
    }
}
