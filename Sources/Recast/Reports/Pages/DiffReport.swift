/// How two checkpoints differ, as plain values to be made a page of.
public struct DiffReport: Sendable {
    public enum Outcome: Sendable, Equatable {
        /// The same bits under the same type.
        case identical
        /// The same numbers.
        case equal
        /// Missing in one, zero everywhere in the other.
        case zeroOrMissing
        /// The greatest difference, and the norm of the differences over that of the reference.
        case differs(maximum: Double, relative: Double)
        case shapes([Int], [Int])
        case missingInA
        case missingInB
    }

    public struct Tensor: Sendable {
        public var name: String
        public var typeInA: String
        public var typeInB: String
        public var outcome: Outcome

        public init(name: String, typeInA: String, typeInB: String, outcome: Outcome) {
            (self.name, self.typeInA, self.typeInB, self.outcome) = (name, typeInA, typeInB, outcome)
        }
    }

    public struct Setting: Sendable {
        public var name: String
        public var a: String
        public var b: String

        public init(name: String, a: String, b: String) { (self.name, self.a, self.b) = (name, a, b) }
    }

    public var a: String
    public var b: String
    public var tensors: [Tensor]
    public var settings: [Setting]
    public var warnings: [String] = []
    public var notes: [String] = []
    public var origin = ReportOrigin()

    public init(a: String, b: String, tensors: [Tensor], settings: [Setting]) {
        (self.a, self.b, self.tensors, self.settings) = (a, b, tensors, settings)
    }

    private var different: [Tensor] { tensors.filter { !$0.outcome.isEqual } }

    /// Relative errors of what could be compared.
    private var errors: [(name: String, value: Double)] {
        tensors.compactMap { tensor in tensor.outcome.relative.map { (tensor.name, $0) } }
    }

    public var page: ReportPage {
        let different = different
        let isEqual = different.isEmpty && settings.isEmpty
        let unpaired = different.count { $0.outcome.relative == nil }
        var reasons: [String] = []
        if let worst = errors.filter({ $0.value != 0 }).min(by: TensorCharts.isWorse) {
            reasons.append(
                "The farthest is \(worst.name), with a relative error of \(Format.significant(worst.value)).")
        }
        if unpaired > 0 { reasons.append("\(unpaired) tensors have no counterpart, or one of another shape.") }
        if !settings.isEmpty {
            reasons.append(
                "Settings differ: "
                    + settings.prefix(8).map { PageText.limited($0.name, to: 80) }.joined(separator: ", ")
                    + (settings.count > 8 ? ", …" : "") + ".")
        }
        let headline =
            isEqual
            ? "All \(tensors.count) tensors are equal"
            : different.isEmpty
                ? "All \(tensors.count) tensors are equal, and \(settings.count) settings are not"
                : "\(different.count) of \(tensors.count) tensors differ"
        let types = Set(tensors.map { [$0.typeInA, $0.typeInB] })
        return ReportPage(
            title: "\(Path.name(a)) and \(Path.name(b)), tensor by tensor",
            subjects: [.init("A", a), .init("B", b)],
            verdict: .init(
                outcome: isEqual ? .passed : .failed, headline: headline, reasons: reasons + warnings),
            facts: [
                .init("tensors", "\(tensors.count)"), .init("equal", "\(tensors.count - different.count)"),
                .init("different", "\(different.count - unpaired)"), .init("without counterpart", "\(unpaired)"),
                .init("settings that differ", "\(settings.count)"), .init("pairs of types", "\(types.count)"),
            ],
            sections: [
                .init(
                    "Errors by tensor",
                    different.count == unpaired
                        ? []
                        : TensorCharts.errors(
                            "Relative error",
                            "The norm of B − A over the norm of A. The stronger the shade, the farther.", errors)
                            + [
                                byLayer,
                                .table(
                                    title: "Tensors that differ, the farthest first", explanation: "", worst),
                            ]),
                .init("Tensors", [.chart(outcomes), .chart(pairs)]),
                .init(
                    "Without counterpart",
                    [unpaired == 0 ? nil : .table(title: "Missing, or of other shapes", explanation: "", missing)]),
                .init(
                    "Settings",
                    [
                        settings.isEmpty
                            ? nil
                            : .table(
                                title: "Settings that differ", explanation: "Of all that decides what is computed.",
                                DataTable([.text("setting"), .text("A"), .text("B")], settings) {
                                    [$0.name, $0.a, $0.b]
                                })
                    ]),
                .init("Remarks", [notes.isEmpty ? nil : .notes(title: "Notes", notes)]),
            ], origin: origin)
    }

    // MARK: Charts

    /// The worst of each layer.
    private var byLayer: ReportPage.Block? {
        var layers: [Int: Double] = [:]
        for (name, value) in errors {
            guard let layer = TensorPlace(name).layer else { continue }
            layers[layer] = max(layers[layer] ?? 0, value.isNaN ? .infinity : value)
        }
        guard layers.count > 1, layers.values.contains(where: { $0 > 0 }) else { return nil }
        let places = layers.keys.sorted()
        return .chart(
            LineChart(
                title: "Largest relative error of each layer",
                series: [.init(name: "relative error", values: places.map { layers[$0] })], places: places,
                firstColour: 1))
    }

    private var outcomes: StackedBar {
        var counts: [String: Int] = [:]
        for tensor in tensors { counts[tensor.outcome.words, default: 0] += 1 }
        return Self.counts("Outcomes", "outcome", counts)
    }

    private var pairs: StackedBar {
        var counts: [String: Int] = [:]
        for tensor in tensors {
            let isSame = tensor.typeInA == tensor.typeInB
            counts[isSame ? "\(tensor.typeInA) in both" : "\(tensor.typeInA) and \(tensor.typeInB)", default: 0] += 1
        }
        return Self.counts("Types in A and in B", "types", counts)
    }

    private static func counts(_ title: String, _ partTitle: String, _ counts: [String: Int]) -> StackedBar {
        StackedBar(
            title: title,
            parts: counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                .init(name: $0.key, amount: Double($0.value))
            }, partTitle: partTitle, amountTitle: "tensors", format: { Format.plain($0) })
    }

    // MARK: Tables

    private var worst: DataTable {
        let sorted = tensors.filter { !$0.outcome.isEqual && $0.outcome.relative != nil }.sorted {
            TensorCharts.isWorse(($0.name, $0.outcome.relative!), ($1.name, $1.outcome.relative!))
        }
        return DataTable(
            [.code("tensor"), .number("relative error"), .number("greatest |A − B|"), .text("A"), .text("B")], sorted
        ) { tensor in
            [
                tensor.name, Format.precise(tensor.outcome.relative ?? .nan),
                Format.precise(tensor.outcome.maximum ?? .nan), tensor.typeInA, tensor.typeInB,
            ]
        }
    }

    private var missing: DataTable {
        DataTable(
            [.code("tensor"), .text("A"), .text("B"), .text("problem")],
            tensors.filter { !$0.outcome.isEqual && $0.outcome.relative == nil }
        ) { [$0.name, $0.typeInA, $0.typeInB, $0.outcome.words] }
    }
}

extension DiffReport.Outcome {
    var isEqual: Bool {
        switch self {
        case .identical, .equal, .zeroOrMissing: true
        case .differs, .shapes, .missingInA, .missingInB: false
        }
    }

    /// Nil where there is nothing to compare.
    var relative: Double? {
        switch self {
        case .identical, .equal, .zeroOrMissing: 0
        case .differs(_, let relative): relative
        case .shapes, .missingInA, .missingInB: nil
        }
    }

    fileprivate var maximum: Double? {
        if case .differs(let maximum, _) = self { maximum } else { nil }
    }

    fileprivate var words: String {
        switch self {
        case .identical: "the same bits"
        case .equal: "equal numbers, other types"
        case .zeroOrMissing: "zero or missing"
        case .differs: "different"
        case .shapes(let a, let b):
            "shapes \(a.map(String.init).joined(separator: " × ")) and \(b.map(String.init).joined(separator: " × "))"
        case .missingInA: "missing in A"
        case .missingInB: "missing in B"
        }
    }
}
