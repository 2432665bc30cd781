import Recast

/// The second moments of what a group of weights is multiplied with, as a pass goes from one group to the next.
final class InputMoments {
    /// The weights whose input is being seen.
    private(set) var sites: [Slot] = []
    /// How the moments were made up for a lack of tokens.
    private(set) var remarks: [String] = []
    private(set) var hessian: Hessian?
    private var isComplete = false
    /// Tokens that were seen of them.
    private(set) var tokenCount = 0
    private var factors: [ColumnOrder: HessianFactor] = [:]
    /// Of the columns in another order.
    private var permuted: (places: [Int], factors: [ColumnOrder: HessianFactor])?
    /// What all tokens of a layer with experts are, as these see them: what an expert with few tokens goes by.
    private var pooled: Hessian?
    private let damping: Float
    private let workers: Workers

    init(damping: Float, by workers: Workers) {
        self.damping = damping
        self.workers = workers
    }

    /// Adds some tokens: `[rows, columns]`.
    func add(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError) {
        if sites != self.sites { begin(sites, columns: columns) }
        tokenCount += rows
        try hessian!.add(input.baseAddress!, rows: rows, by: workers)
    }

    /// Goes on to other weights.
    func begin(_ sites: [Slot], columns: Int) {
        // What a router sees are all tokens of the layer.
        if self.sites.contains(where: { $0.role == .router }) {
            (pooled, hessian) = (hessian, pooled)
            pooled?.complete()
        }
        self.sites = sites
        tokenCount = 0
        isComplete = false
        factors = [:]
        permuted = nil
        if hessian?.columns == columns { hessian!.reset() } else { hessian = Hessian(columns: columns) }
    }

    /// Experts in a latent space see what a projection makes of all tokens of the layer, whose moments have just been seen; its bias
    /// aside, as few models have one.
    ///
    /// - Parameter weight: of the projection, `[rows, columns]`, as the pass goes on with it.
    func pool(through weight: UnsafePointer<Float>, rows: Int, columns: Int) {
        guard let hessian, hessian.columns == columns, hessian.count > 0 else { return }
        if !isComplete { hessian.complete() }
        let product = FloatBuffer(count: rows * columns)
        let projected = Hessian(columns: rows)
        projected.count = hessian.count
        let library = MatrixLibrary.current
        library.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(columns), CInt(columns), 1,
            weight, CInt(columns), hessian.values.base, CInt(columns), 0, product.base, CInt(columns))
        library.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, CInt(rows), CInt(rows), CInt(columns),
            1, product.base, CInt(columns), weight, CInt(columns), 0, projected.values.base, CInt(rows))
        withExtendedLifetime(product) {}
        pooled = projected
    }

    /// The mean square of each column, for one of the weights.
    func meanSquares(for site: Slot) throws(RecastError) -> [Float] {
        try completeOnce(for: site)
        return hessian!.meanSquares
    }

    private func completeOnce(for site: Slot) throws(RecastError) {
        guard !isComplete else { return }
        isComplete = true
        hessian!.complete()
        remarks = try hessian!.shrink(for: site, pooled: pooled)
    }

    /// The factors for one of the weights, with its columns in another order.
    ///
    /// - Parameter places: the column at each place.
    func factor(_ order: ColumnOrder, for site: Slot, columnsAt places: [Int]) throws(RecastError) -> HessianFactor {
        if let permuted, permuted.places == places, let factor = permuted.factors[order] { return factor }
        try completeOnce(for: site)
        let factor = try HessianFactor(hessian!.permuted(places), damping: damping, order)
        if permuted?.places != places { permuted = (places, [:]) }
        permuted!.factors[order] = factor
        return factor
    }

    /// The factors for one of the weights: an order of columns keeps those of a unit together.
    func factor(_ order: ColumnOrder, for site: Slot) throws(RecastError) -> HessianFactor {
        if let factor = factors[order] { return factor }
        try completeOnce(for: site)
        let factor = try HessianFactor(hessian!, damping: damping, order)
        factors[order] = factor
        return factor
    }
}

extension Role {
    /// Whether its input, or what it makes of it, is what experts with few tokens go by.
    var pools: Bool { self == .router || self == .expertLatentDown }
}

extension Hessian {
    /// Tokens per column from which a Hessian of its own says all.
    private static let enough = 1

    /// Makes up for a lack of tokens of an expert: by those of the whole layer where these have the same columns, and by
    /// treating columns alike where they are the expert's own.
    ///
    /// - Returns: what was done, for people.
    fileprivate func shrink(for site: Slot, pooled: Hessian?) throws(RecastError) -> [String] {
        guard site.expert != nil else {
            guard count > 0 else { throw .unsupported("no token is multiplied with it") }
            return count < columns ? ["fewer tokens than columns; more text would give a better result"] : []
        }
        let wanted = Self.enough * columns
        guard count < wanted else { return [] }
        // As many tokens of the others as it lacks, of the layer's mean kind.
        let (share, isUnseen) = (Float(wanted - count), count == 0)
        let seesTokens = site.role == .gate || site.role == .up
        if seesTokens, let pooled, pooled.columns == columns, pooled.count > 0 {
            add(pooled, times: share / Float(pooled.count), counting: wanted - count)
            return [
                isUnseen
                    ? "an expert that no token went through goes by the inputs of its layer"
                    : "an expert with few tokens goes by the inputs of its layer in part"
            ]
        }
        addMean(times: share, counting: wanted - count)
        return [
            isUnseen
                ? "an expert that no token went through has all columns alike"
                : "an expert with few tokens has its columns alike in part"
        ]
    }

    private func add(_ other: Hessian, times factor: Float, counting tokens: Int) {
        for i in 0..<columns * columns { values.base[i] += factor * other.values.base[i] }
        count += tokens
    }

    /// Columns that matter alike, as much as those that were seen on average.
    private func addMean(times share: Float, counting tokens: Int) {
        let mean =
            count == 0
            ? 1 : (0..<columns).reduce(0) { $0 + values.base[$1 * (columns + 1)] } / Float(columns * count)
        for i in 0..<columns { values.base[i * (columns + 1)] += share * mean }
        count += tokens
    }
}
