import Recast

/// Queries, keys and values of latent attention, made whole for every head.
///
/// A query is `[rests, turns]`, and so is a key, whose turning part is the same for all heads. Source: transformers 5.23,
/// `modeling_deepseek_v3.py`.
struct LatentProjections: Sendable {
    let latent: LatentAttention
    let heads: Int

    /// - Parameters:
    ///   - input: `[rows, hiddenSize]`.
    ///   - queries: `[rows, heads · headDimension]`; `keys` likewise, `values` `[rows, heads · valueDimension]`.
    func apply(
        _ input: UnsafePointer<Float>, layer: Int, rows: Int, queries: UnsafeMutablePointer<Float>,
        keys: UnsafeMutablePointer<Float>, values: UnsafeMutablePointer<Float>, buffers: LayerBuffers,
        multiplier: some LinearBackend
    ) throws(RecastError) {
        func multiply(
            _ role: Role, _ input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>
        ) throws(RecastError) {
            try multiplier.multiply(
                Slot(role, layer: layer), input, rows: rows, into: output, accumulating: false, worker: buffers.worker)
        }
        func norm(_ role: Role) -> Norm.Parameters { .init(weight: multiplier.vector(Slot(role, layer: layer))) }

        if let rank = latent.queryRank {
            let down = buffers.latentQueries.base
            try multiply(.queryDown, input, into: down)
            Norm.latent.apply(down, norm(.queryDownNorm), rows: rows, columns: rank, into: down)
            try multiply(.queryUp, down, into: queries)
        } else {
            try multiply(.query, input, into: queries)
        }
        let (rank, turning) = (latent.keyValueRank, latent.ropeHeadDimension)
        let (down, compressed) = (buffers.latentKeys.base, buffers.latentValues.base)
        try multiply(.keyValueDown, input, into: down)
        Norm.latent.apply(
            down, stride: rank + turning, norm(.keyValueDownNorm), rows: rows, columns: rank, into: compressed)
        let up = buffers.latentUp.base
        try multiply(.keyValueUp, compressed, into: up)

        let (resting, value) = (latent.nopeHeadDimension, latent.valueDimension)
        for row in 0..<rows {
            let turned = down + row * (rank + turning) + rank
            for head in 0..<heads {
                let source = up + (row * heads + head) * (resting + value)
                let key = keys + (row * heads + head) * (resting + turning)
                key.update(from: source, count: resting)
                (key + resting).update(from: turned, count: turning)
                (values + (row * heads + head) * value).update(from: source + resting, count: value)
            }
        }
    }

    /// Turns queries or keys `[rows, heads · headDimension]` in place.
    func rotate(_ x: UnsafeMutablePointer<Float>, rows: Int, _ rotary: RotaryEmbedding, position: Int) {
        let dimension = latent.nopeHeadDimension + latent.ropeHeadDimension
        for row in 0..<rows {
            for head in 0..<heads {
                rotary.rotateNeighbours(
                    x + (row * heads + head) * dimension + latent.nopeHeadDimension, position: position + row)
            }
        }
    }
}
