import Recast

/// The intermediate results of one block of rows, for one worker; used again for every block and layer.
final class LayerBuffers: Sendable {
    /// Who computes with these.
    let worker: Int
    let normed: FloatBuffer
    /// The queries, whose place their attention's output takes where it is as wide.
    let queries: FloatBuffer
    let gate: FloatBuffer
    let up: FloatBuffer
    let scores: FloatBuffer
    /// What a branch gives, where it is not added to the hidden state at once.
    let branch: FloatBuffer
    let latentQueries: FloatBuffer
    let latentKeys: FloatBuffer
    let latentValues: FloatBuffer
    let latentUp: FloatBuffer
    /// What latent attention gives.
    let attended: FloatBuffer
    let routerLogits: FloatBuffer
    let expertInput: FloatBuffer
    let expertOutput: FloatBuffer

    /// The feed-forward network sees each row by itself, and a long text in parts of
    /// nearly the same size, which bounds its large buffers.
    static func parts(of rows: Int) -> [Range<Int>] {
        let count = rows.dividedRoundingUp(by: ForwardPass.rowsAtOnce)
        return (0..<count).map { $0 * rows / count..<($0 + 1) * rows / count }
    }

    /// - Parameters:
    ///   - rows: the most rows of a block.
    ///   - keys: the most tokens of a text.
    init(_ configuration: ModelConfiguration, rows: Int, keys: Int, worker: Int = 0) {
        self.worker = worker
        let (hiddenSize, part) = (configuration.hiddenSize, min(rows, ForwardPass.rowsAtOnce))
        normed = FloatBuffer(count: rows * hiddenSize)
        queries = FloatBuffer(count: rows * configuration.queryRows)
        scores = FloatBuffer(count: Attention(configuration).scoreCount(keys: keys))
        let isAddedAtOnce =
            !configuration.layers.contains(where: \.norms.hasPostNorms) && configuration.multipliers.residual == 1
        branch = FloatBuffer(count: isAddedAtOnce ? 0 : rows * hiddenSize)

        let latent = configuration.latentAttention
        let heads = configuration.headCount
        latentQueries = FloatBuffer(count: rows * (latent?.queryRank ?? 0))
        latentKeys = FloatBuffer(count: latent.map { rows * ($0.keyValueRank + $0.ropeHeadDimension) } ?? 0)
        latentValues = FloatBuffer(count: rows * (latent?.keyValueRank ?? 0))
        latentUp = FloatBuffer(count: latent.map { rows * heads * ($0.nopeHeadDimension + $0.valueDimension) } ?? 0)
        attended = FloatBuffer(count: latent.map { rows * heads * $0.valueDimension } ?? 0)

        let experts = configuration.experts
        let sizes = [
            configuration.feedForwardSize, experts?.feedForwardSize ?? 0, experts?.shared?.feedForwardSize ?? 0,
        ]
        gate = FloatBuffer(count: part * sizes.max()!)
        up = FloatBuffer(count: part * sizes.max()!)
        routerLogits = FloatBuffer(count: part * (experts?.count ?? 0))
        expertInput = FloatBuffer(count: experts == nil ? 0 : part * hiddenSize)
        expertOutput = FloatBuffer(count: experts == nil ? 0 : part * hiddenSize)
    }
}
