/// What a checkpoint holds, as plain values to be made a page of.
public struct InspectReport: Sendable {
    public struct Tensor: Sendable {
        public var name: String
        public var type: String
        public var shape: [Int]
        public var byteCount: Int

        public init(name: String, type: String, shape: [Int], byteCount: Int) {
            (self.name, self.type, self.shape, self.byteCount) = (name, type, shape, byteCount)
        }

        var elementCount: Double { shape.reduce(1) { $0 * Double($1) } }
        var bits: Double { 8 * Double(byteCount) / max(1, elementCount) }
    }

    public struct File: Sendable {
        public var name: String
        public var byteCount: Int

        public init(name: String, byteCount: Int) { (self.name, self.byteCount) = (name, byteCount) }
    }

    public struct Target: Sendable {
        public var name: String
        /// What becomes of the numbers; nil where it is refused.
        public var exactness: String?
        public var reason: String?

        public init(name: String, exactness: String?, reason: String?) {
            (self.name, self.exactness, self.reason) = (name, exactness, reason)
        }
    }

    public var checkpoint: String
    public var format: String
    /// Nil where it is no family that is known.
    public var family: String?
    /// Why the model cannot be had.
    public var problem: String?
    public var parameterCount: Int
    /// What there is to say of it: names and values.
    public var properties: [(name: String, value: String)] = []
    public var tensors: [Tensor] = []
    public var files: [File] = []
    public var targets: [Target] = []
    public var warnings: [String] = []
    public var notes: [String] = []
    public var origin = ReportOrigin()

    public init(checkpoint: String, format: String, family: String?, parameterCount: Int) {
        (self.checkpoint, self.format) = (checkpoint, format)
        (self.family, self.parameterCount) = (family, parameterCount)
    }

    public var page: ReportPage {
        let bytes = tensors.reduce(0) { $0 + Double($1.byteCount) }
        let bits = 8 * bytes / Double(max(1, parameterCount))
        let possible = targets.count { $0.exactness != nil }
        let size = "\(Format.count(parameterCount)) parameters"
        let verdict = ReportPage.Verdict(
            outcome: .neutral,
            headline: family.map { "A \($0) model of \(size)" } ?? "\(size) of an architecture that is no family",
            reasons: [problem].compactMap(\.self) + warnings)
        var facts = [
            ReportPage.Fact("format", format), .init("parameters", Format.count(parameterCount)),
            .init("tensors", "\(tensors.count)"), .init("bytes of tensors", Format.bytes(Int(min(bytes, 1e18)))),
            .init("bits per weight", Format.fixed(bits, 2)),
            .init(
                "files",
                "\(files.count), \(Format.bytes(files.reduce(0) { $0.addingReportingOverflow($1.byteCount).0 }))"),
        ]
        if !targets.isEmpty { facts.append(.init("can become", "\(possible) of \(targets.count) targets")) }
        return ReportPage(
            title: "What \(Path.name(checkpoint)) holds", subjects: [.init("checkpoint", checkpoint)], verdict: verdict,
            facts: facts,
            sections: [
                .init(
                    "Bits and bytes",
                    [
                        bitMap, .chart(TensorCharts.bytes(byType: sizes)), .chart(TensorCharts.bytes(byRole: sizes)),
                        .table(title: "Largest tensors", explanation: "", largest),
                    ]),
                .init("Layers", [layers]),
                .init("Where it can go", [reach]),
                .init("The model", [about, fileTable]),
                .init("Remarks", [notes.isEmpty ? nil : .notes(title: "Notes", notes)]),
            ], json: "--json --tensors", origin: origin)
    }

    private var sizes: [TensorCharts.Size] {
        tensors.map { TensorCharts.Size(name: $0.name, type: $0.type, byteCount: $0.byteCount) }
    }

    private var layers: ReportPage.Block? {
        TensorCharts.bytes(byLayer: sizes).map { .chart($0) }
    }

    /// Of matrices: vectors are small, and mostly kept wide.
    private var bitMap: ReportPage.Block? {
        TensorCharts.bits(
            tensors.filter { $0.shape.count > 1 }.map { ($0.name, $0.bits) },
            vectors: tensors.count { $0.shape.count < 2 })
    }

    private var largest: DataTable {
        DataTable(
            [.code("tensor"), .number("bytes"), .number("bits per weight"), .text("type"), .number("shape")],
            tensors.sorted { ($1.byteCount, $0.name) < ($0.byteCount, $1.name) }
        ) { tensor in
            [
                tensor.name, "\(tensor.byteCount)", Format.precise(tensor.bits), tensor.type,
                tensor.shape.map(String.init).joined(separator: " × "),
            ]
        }
    }

    private var reach: ReportPage.Block? {
        guard !targets.isEmpty else { return nil }
        let sorted = targets.filter { $0.exactness != nil } + targets.filter { $0.exactness == nil }
        return .table(
            title: "Targets of convert", explanation: "What becomes of the numbers on the way.",
            DataTable([.text("target"), .text("numbers"), .text("reason")], sorted) { target in
                [target.name, target.exactness ?? "refused", target.reason ?? ""]
            })
    }

    private var about: ReportPage.Block? {
        properties.isEmpty
            ? nil
            : .table(
                title: "Configuration", explanation: "",
                DataTable([.text("what"), .text("value")], properties) { [$0.name, $0.value] })
    }

    private var fileTable: ReportPage.Block? {
        files.isEmpty
            ? nil
            : .table(
                title: "Files", explanation: "",
                DataTable([.code("file"), .number("bytes")], files) { [$0.name, "\($0.byteCount)"] })
    }
}
