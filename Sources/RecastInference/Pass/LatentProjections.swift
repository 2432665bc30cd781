import Recast

/// Queries, keys and values of latent attention, made whole for every head.
///
/// A query is `[non-rotary, rotary]`, and so is a key, whose rotary part is the same for all heads. Source: transformers 5.23,
/// `modeling_deepseek_v3.py`.
struct LatentProjections: Sendable {
    let latent: LatentAttention
    let heads: Int

    /// From the hidden size to the ranks, normalised; queries at once where they have no rank.
    func projectDown(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let (buffers, rank) = (block.buffers, latent.keyValueRank)
        func norm(_ role: Role) -> Norm.Parameters { .init(weight: backend.vector(Slot(role, layer: block.layer))) }

        if let rank = latent.queryRank {
            let down = buffers[.latentQueries]
            try block.multiply(.queryDown, .normed, into: down, backend)
            Norm.latent.apply(down, norm(.queryDownNorm), rows: block.rows, columns: rank, into: down)
        } else {
            try block.multiply(.query, .normed, into: buffers[.queries], backend)
        }
        try block.multiply(.keyValueDown, .normed, into: buffers[.latentKeys], backend)
        Norm.latent.apply(
            buffers[.latentKeys], stride: rank + latent.ropeHeadDimension, norm(.keyValueDownNorm), rows: block.rows,
            columns: rank, into: buffers[.latentValues])
    }

    /// From the ranks to queries `[rows, heads · headDimension]`, keys likewise, and values `[rows, heads · valueDimension]`.
    func projectUp(
        _ block: LayerBlock, into cache: KeyValueCache, _ backend: some LinearBackend
    ) throws(RecastError) {
        let (rank, rope) = (latent.keyValueRank, latent.ropeHeadDimension)
        let (keys, values) = (cache.keys, cache.values)
        let (down, up) = (block.buffers[.latentKeys], block.buffers[.latentUp])
        if latent.queryRank != nil {
            try block.multiply(.queryUp, .latentQueries, into: block.buffers[.queries], backend)
        }
        try block.multiply(.keyValueUp, .latentValues, into: up, backend)

        let (nope, value) = (latent.nopeHeadDimension, latent.valueDimension)
        for row in 0..<block.rows {
            let rotary = down + row * (rank + rope) + rank
            for head in 0..<heads {
                let source = up + (row * heads + head) * (nope + value)
                let key = keys + (row * heads + head) * (nope + rope)
                key.update(from: source, count: nope)
                (key + nope).update(from: rotary, count: rope)
                (values + (row * heads + head) * value).update(from: source + nope, count: value)
            }
        }
    }

    /// Turns queries or keys `[rows, heads · headDimension]` in place.
    func rotate(
        _ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, _ rotary: RotaryEmbedding, position: Int
    ) {
        let dimension = latent.nopeHeadDimension + latent.ropeHeadDimension
        for row in 0..<rows {
            for head in 0..<heads {
                rotary.rotateNeighbours(
                    x + (row * heads + head) * dimension + latent.nopeHeadDimension, position: position + row)
            }
        }
    }
}
