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

    /// Whether both compute the same: every number equal, nothing missing that is not zero.
    public var isEqual: Bool {
        rows.allSatisfy { row in
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
        for slot in slots {
            if Interruption.hasCome { throw RecastError(.interrupted, "interrupted") }
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

    /// A tied head is there for those who look for one.
    private static func untied(_ graph: Graph, like other: Graph) -> Graph {
        var graph = graph
        if graph.isTied, !other.isTied { graph[Slot(.outputHead)] = graph[.tokenEmbedding] }
        return graph
    }
}
