/// Two models compared tensor by tensor, by canonical role, whatever their formats.
public struct GraphDifference: Sendable {
    public struct Row: Sendable, Hashable {
        public var slot: Slot
        /// How the tensor is stored in the one and in the other.
        public var types: (String, String) { (first, second) }
        var first: String
        var second: String
        public var outcome: Outcome
    }

    public enum Outcome: Sendable, Hashable {
        case compared(TensorDifference)
        case shapes([Int], [Int])
        case onlyInFirst
        case onlyInSecond
        /// Missing in one, and zero everywhere in the other: no difference to what is computed.
        case zeroOrMissing
    }

    public var rows: [Row]
    /// What the configurations say differently, of all that decides what is computed.
    public var settings: [Setting]

    /// A part of the configuration, as the one and as the other has it.
    public struct Setting: Sendable, Hashable {
        public var name: String
        public var first: String
        public var second: String
    }

    /// Whether both compute the same: every number and every setting equal, nothing missing that is not zero.
    public var isEqual: Bool {
        settings.isEmpty
            && rows.allSatisfy { row in
                switch row.outcome {
                case .compared(let difference): difference.isEqual
                case .zeroOrMissing: true
                case .shapes, .onlyInFirst, .onlyInSecond: false
                }
            }
    }

    /// - Parameter progress: is told how many tensors are done.
    public init(
        _ a: Model, _ b: Model, progress: ((Progress) -> Void)? = nil
    ) throws(RecastError) {
        var reader = Reader(files: FilePool(a.files))
        var other = Reader(files: FilePool(b.files))
        let first = Self.untied(a.graph, like: b.graph)
        let second = Self.untied(b.graph, like: a.graph)
        let slots = first.entries.map(\.slot) + second.entries.map(\.slot).filter { first[$0] == nil }
        rows = []
        settings = Self.settings(a.graph.configuration, b.graph.configuration)
        for slot in slots {
            try Interruption.check()
            let (x, y) = (first[slot], second[slot])
            let outcome: Outcome
            switch (x, y) {
            case (let x?, let y?):
                outcome =
                    x.shape == y.shape
                    ? .compared(try x.difference(from: y, &reader, &other)) : .shapes(x.shape, y.shape)
            case (let x?, nil):
                let isZero = slot.part == .bias ? try x.isZeroEverywhere(&reader) : false
                outcome = isZero ? .zeroOrMissing : .onlyInFirst
            case (nil, let y?):
                let isZero = slot.part == .bias ? try y.isZeroEverywhere(&other) : false
                outcome = isZero ? .zeroOrMissing : .onlyInSecond
            case (nil, nil): continue
            }
            rows.append(Row(slot: slot, first: x?.dtype.name ?? "–", second: y?.dtype.name ?? "–", outcome: outcome))
            progress?(Progress(done: rows.count, total: slots.count))
        }
    }

    /// Compared as float32, which is what GGUF stores.
    private static func settings(_ a: ModelConfiguration, _ b: ModelConfiguration) -> [Setting] {
        // swift-format-ignore
        let values: [(String, (ModelConfiguration) -> String)] = [
            ("heads",              { "\($0.headCount)" }),
            ("key/value heads",    { "\($0.keyValueHeadCount)" }),
            ("head dimension",     { "\($0.headDimension)" }),
            ("norm epsilon",       { "\(Float($0.normEpsilon))" }),
            ("activation",         { $0.activation }),
            ("rotary theta",       { "\(Float($0.rope.theta))" }),
            ("rotary factors",     { configuration in
                configuration.rope.frequencyFactors.map { "\($0.map { Float(($0 * 1e4).rounded() / 1e4) })" }
                    ?? "\(configuration.rope.scaling)"
            }),
            ("latent attention",   { $0.latentAttention.map { "\($0)" } ?? "none" }),
            ("experts used",       { "\($0.experts?.usedCount ?? 0)" }),
            ("routing",            { $0.experts.map { "\($0.routing.text), normalized \($0.normalizesWeights)" } ?? "none" }),
            ("sliding window",     { configuration in
                configuration.slidingWindow.map { "\($0.size), \($0.text(layerCount: configuration.layerCount))" } ?? "none"
            }),
            ("norms",              { "\($0.norms)" }),
            ("multipliers",        { "\($0.multipliers)" }),
            ("soft caps",          { "\($0.softCaps)" }),
            ("output head",        { $0.normalizesOutputHead ? "normalized rows" : "as it is" }),
            ("projection limit",   { $0.projectionLimit.map { "\($0)" } ?? "none" }),
            ("ALiBi",              { "\($0.hasALiBi)" }),
            ("unturned layers",    { "\($0.unturnedLayers)" }),
            ("sliding rotary",     { $0.slidingRope.map { "\($0)" } ?? "none" }),
            ("stretch",            { $0.stretch.map { "\($0)" } ?? "none" }),
        ]
        return values.compactMap { name, value in
            value(a) == value(b) ? nil : Setting(name: name, first: value(a), second: value(b))
        }
    }

    /// A tied head is there for those who look for one.
    private static func untied(_ graph: Graph, like other: Graph) -> Graph {
        var graph = graph
        if graph.isTied, !other.isTied { graph[Slot(.outputHead)] = graph[.tokenEmbedding] }
        return graph
    }
}
