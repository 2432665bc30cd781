import Recast

/// The intermediate results of a layer, each with a row for each token.
enum Intermediate: Int, CaseIterable, Sendable {
    /// What goes into a branch.
    case normed
    /// What a branch gives, where it is not added to the hidden state at once.
    case branch
    case queries
    case latentQueries
    case latentKeys
    case latentValues
    case latentUp
    /// What attention gives; it takes the place of the queries where these are as wide.
    case attended
    case routerLogits
    case sharedLogits
    /// The gate, then its product with the up projection. Of an expert only the tokens that go through it, side by side.
    case gate
    case up
    case expertInput
    case expertOutput

    /// Whether it is of the feed-forward network alone, which sees a long text in parts.
    var isOfParts: Bool {
        switch self {
        case .routerLogits, .sharedLogits, .gate, .up, .expertInput, .expertOutput: true
        default: false
        }
    }
}

extension ModelConfiguration {
    /// Numbers of a token.
    func columns(of intermediate: Intermediate) -> Int {
        let (latent, shared) = (latentAttention, experts?.shared)
        let widest = max(feedForwardSize, experts?.feedForwardSize ?? 0, shared?.feedForwardSize ?? 0)
        // swift-format-ignore
        return switch intermediate {
        case .normed:        hiddenSize
        case .branch:        addsBranchesAtOnce ? 0 : hiddenSize
        case .queries:       queryRows
        case .latentQueries: latent?.queryRank ?? 0
        case .latentKeys:    latent.map { $0.keyValueRank + $0.ropeHeadDimension } ?? 0
        case .latentValues:  latent?.keyValueRank ?? 0
        case .latentUp:      latent.map { headCount * ($0.nopeHeadDimension + $0.valueDimension) } ?? 0
        case .attended:      latent.map { headCount * $0.valueDimension } ?? queryRows
        case .routerLogits:  experts?.count ?? 0
        case .sharedLogits:  shared?.isGated ?? false ? 1 : 0
        case .gate, .up:     widest
        case .expertInput, .expertOutput: experts == nil ? 0 : hiddenSize
        }
    }

    /// Whether what a branch gives is added to the hidden state as it is.
    var addsBranchesAtOnce: Bool { !layers.contains(where: \.norms.hasPostNorms) && multipliers.residual == 1 }
}

/// The intermediate results of one block of rows, for one worker; used again for every block and layer.
struct LayerBuffers {
    /// Who computes with these.
    let worker: Int
    let scores: UnsafeMutablePointer<Float>
    /// Which experts the rows go through.
    var routing = Routing()
    private var places: [UnsafeMutablePointer<Float>]
    private let memory: [FloatBuffer]

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
        var memory = Intermediate.allCases.map { intermediate in
            let rows = intermediate.isOfParts ? min(rows, ForwardPass.rowsAtOnce) : rows
            let takesPlaceOfQueries = intermediate == .attended && configuration.latentAttention == nil
            return FloatBuffer(count: takesPlaceOfQueries ? 0 : rows * configuration.columns(of: intermediate))
        }
        places = memory.map(\.base)
        if configuration.latentAttention == nil {
            places[Intermediate.attended.rawValue] = places[Intermediate.queries.rawValue]
        }
        memory.append(FloatBuffer(count: Attention(configuration).scoreCount(keys: keys)))
        scores = memory[memory.count - 1].base
        self.memory = memory
    }

    /// Where the first row is.
    subscript(_ intermediate: Intermediate) -> UnsafeMutablePointer<Float> {
        get { places[intermediate.rawValue] }
        set { places[intermediate.rawValue] = newValue }
    }
}
