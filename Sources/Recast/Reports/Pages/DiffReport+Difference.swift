extension DiffReport {
    public init(_ difference: GraphDifference, a: String, b: String) {
        self.init(
            a: a, b: b,
            tensors: difference.rows.map { row in
                Tensor(name: row.name, typeInA: row.types.0, typeInB: row.types.1, outcome: Outcome(row.outcome))
            }, settings: difference.settings.map { Setting(name: $0.name, a: $0.first, b: $0.second) })
    }
}

extension DiffReport.Outcome {
    init(_ outcome: GraphDifference.Outcome) {
        switch outcome {
        case .compared(let found):
            self =
                found.isIdentical
                ? .identical
                : found.isEqual ? .equal : .differs(maximum: found.maximumAbsolute, relative: found.relative)
        case .shapes(let a, let b): self = .shapes(a, b)
        case .onlyInFirst: self = .missingInB
        case .onlyInSecond: self = .missingInA
        case .zeroOrMissing: self = .zeroOrMissing
        }
    }
}
