/// Charts of tensors that several pages have.
enum TensorCharts {
    struct Size {
        var name: String
        var type: String
        var byteCount: Int
    }

    static func bytes(byType tensors: [Size]) -> StackedBar {
        parts(tensors, title: "Bytes by encoding", "encoding") { $0.type }
    }

    static func bytes(byRole tensors: [Size]) -> StackedBar {
        parts(tensors, title: "Bytes by role", "role", explanation: "What the tensors of all layers do, added up.") {
            TensorPlace($0.name).role
        }
    }

    private static func parts(
        _ tensors: [Size], title: String, _ partTitle: String, explanation: String = "", _ key: (Size) -> String
    ) -> StackedBar {
        var sums: [String: Double] = [:]
        for tensor in tensors { sums[key(tensor), default: 0] += Double(tensor.byteCount) }
        let parts = sums.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return StackedBar(
            title: title, explanation: explanation, parts: parts.map { .init(name: $0.key, amount: $0.value) },
            partTitle: partTitle, amountTitle: "bytes", format: bytes)
    }

    static func bytes(byLayer tensors: [Size]) -> LineChart? {
        var layers: [Int: Double] = [:]
        var isMixed = false
        var stem: String?
        for tensor in tensors {
            let place = TensorPlace(tensor.name)
            guard let layer = place.layer else { continue }
            isMixed = isMixed || stem.map { $0 != place.stem } ?? false
            stem = place.stem
            layers[layer, default: 0] += Double(tensor.byteCount)
        }
        guard layers.count > 1 else { return nil }
        let places = layers.keys.sorted()
        return LineChart(
            title: "Megabytes by layer",
            explanation: isMixed ? "Layers of the same number, of all parts of the model, are added up." : "",
            series: [.init(name: "MB", values: places.map { layers[$0]! / 1e6 })], places: places)
    }

    static func bytes(_ count: Double) -> String { Format.bytes(Int(min(count, 9e18))) }

    static func bits(_ tensors: [(name: String, value: Double)], vectors: Int) -> ReportPage.Block? {
        guard
            var grid = TensorGrid(
                title: "Bits per weight", explanation: "Scales and minima are counted in.", tensors,
                format: { Format.trimmed($0, 2) }, cellFormat: { Format.trimmed($0, 1) })
        else { return nil }
        if vectors > 0 { grid.note("Vectors (norms, biases) are not in the map: \(vectors) of all tensors.") }
        return .chart(grid.map)
    }

    /// - Parameter tensors: relative errors; the worst first where there is no layer.
    static func errors(
        _ title: String, _ explanation: String, _ tensors: [(name: String, value: Double)]
    ) -> [ReportPage.Block?] {
        let grid = TensorGrid(title: title, explanation: explanation, tensors)
        let outside = (grid?.outside ?? tensors).filter { !($0.value == 0) }
        let bars = BarChart(
            title: grid == nil ? title : title + ", outside of layers", explanation: grid == nil ? explanation : "",
            series: ["relative error"],
            groups: outside.sorted { Self.isWorse($0, $1) }.map {
                .init(name: $0.name, bars: [.init(value: $0.value)])
            }, groupTitle: "tensor")
        return [grid.map { .chart($0.map) }, outside.isEmpty ? nil : .chart(bars)]
    }

    /// What is no number is the worst; names decide among equals.
    static func isWorse(_ a: (name: String, value: Double), _ b: (name: String, value: Double)) -> Bool {
        let (x, y) = (a.value.isNaN ? .infinity : a.value, b.value.isNaN ? .infinity : b.value)
        return (y, a.name) < (x, b.name)
    }
}
