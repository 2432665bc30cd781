/// Two models compared tensor by tensor: by canonical role, whatever their formats, or by name where their architecture is no
/// family.
public struct GraphDifference: Sendable {
    public struct Row: Sendable, Hashable {
        /// The tensor's role, or its name.
        public var name: String
        /// How the tensor is stored in the one and in the other.
        public var types: (String, String) { (first, second) }
        var first: String
        var second: String
        package var outcome: Outcome
    }

    package enum Outcome: Sendable, Hashable {
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
        var reader = Reader(files: a.sources)
        var other = Reader(files: b.sources)
        var first = Self.untied(a.graph, like: b.graph)
        var second = Self.untied(b.graph, like: a.graph)
        // What norms add to their weights is a matter of the layout: it is compared as what they multiply by.
        if first.configuration.norms.offset != second.configuration.norms.offset {
            (first, second) = (Self.withNormOffsets(first), Self.withNormOffsets(second))
        }
        let slots = first.entries.map(\.slot) + second.entries.map(\.slot).filter { first[$0] == nil }
        rows = []
        settings = Self.settings(first.configuration, second.configuration)
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
            let types = (a.graph[slot] ?? x, b.graph[slot] ?? y)
            rows.append(
                Row(
                    name: slot.description, first: types.0?.dtype.name ?? "–", second: types.1?.dtype.name ?? "–",
                    outcome: outcome)
            )
            progress?(Progress(done: rows.count, total: slots.count))
        }
    }

    /// Compares under the tensors' own names, which is all that there is of architectures that are no family.
    public init(
        byName a: Checkpoint, _ b: Checkpoint, progress: ((Progress) -> Void)? = nil
    ) throws(RecastError) {
        var reader = Reader(files: a.sources)
        var other = Reader(files: b.sources)
        let (first, second) = (try a.weights(), try b.weights())
        let found = Dictionary(second.map { ($0.name, $0.tensor) }) { first, _ in first }
        let own = Set(first.map(\.name))
        let pairs =
            first.map { ($0.name, Optional($0.tensor), found[$0.name]) }
            + second.filter { !own.contains($0.name) }.map { ($0.name, nil, Optional($0.tensor)) }
        (rows, settings) = ([], [])
        for (name, x, y) in pairs {
            try Interruption.check()
            let outcome: Outcome
            if let x, let y {
                outcome =
                    x.shape == y.shape
                    ? .compared(try x.difference(from: y, &reader, &other)) : .shapes(x.shape, y.shape)
            } else {
                outcome = x != nil ? .onlyInFirst : .onlyInSecond
            }
            rows.append(
                Row(name: name, first: x?.dtype.name ?? "–", second: y?.dtype.name ?? "–", outcome: outcome))
            progress?(Progress(done: rows.count, total: pairs.count))
        }
    }

    /// Families are names for what the other fields say.
    private static func settings(_ a: ModelConfiguration, _ b: ModelConfiguration) -> [Setting] {
        a.differences(from: b).filter { difference in
            switch difference.field.kind {
            case .family: false
            case .specialTokens: !haveCompatibleTokens(a, b)
            case .size, .computation, .contextLength: true
            }
        }.map { Setting(name: $0.field.name, first: $0.own, second: $0.other) }
    }

    /// Formats have room for different numbers of special tokens, and some do without: what is said of fewer must not be
    /// something else.
    private static func haveCompatibleTokens(_ a: ModelConfiguration, _ b: ModelConfiguration) -> Bool {
        [\ModelConfiguration.bosTokens, \.eosTokens].allSatisfy { tokens in
            let (first, second) = (Set(a[keyPath: tokens]), Set(b[keyPath: tokens]))
            return first.isSubset(of: second) || second.isSubset(of: first)
        } && (a.paddingToken == b.paddingToken || a.paddingToken == nil || b.paddingToken == nil)
    }

    /// Weights of norms as what is multiplied by.
    private static func withNormOffsets(_ graph: Graph) -> Graph {
        let offset = Float(graph.configuration.norms.offset)
        guard offset != 0 else { return graph }
        var graph = graph
        for entry in graph.entries where entry.slot.role.isNorm && entry.slot.part == .weight {
            graph[entry.slot] = entry.tensor.converted(to: .f32, [.adding(offset)])
        }
        graph.configuration.norms.offset = 0
        return graph
    }

    /// A tied head is there for those who look for one.
    private static func untied(_ graph: Graph, like other: Graph) -> Graph {
        var graph = graph
        if graph.isTied, !other.isTied { graph[Slot(.outputHead)] = graph[.tokenEmbedding] }
        return graph
    }
}
