import Recast
import RecastInference

/// What a probe has found, as text and as JSON.
struct ProbeOutput {
    let probe: Probe
    let tokens: [Int32]
    let positions: [Int]
    let tokenizer: Tokenizer
    let attention: Int?
    let head: Int?
    let between: (query: Int, key: Int)?
    let showsLayers: Bool

    /// Tokens whose attention is shown as a matrix; of longer texts the strongest links of each token.
    private static let mapSize = 16

    // MARK: Text

    func show() throws {
        if showsLayers { try showLayers() }
        guard let attention else { return }
        if showsLayers { try Console.result("") }
        if let between { try showPair(between, layer: attention) } else { try showMap(layer: attention) }
    }

    private func showLayers() throws {
        let rows = probe.layers.enumerated().map { index, layer in
            [
                "\(index)", Format.fixed(layer.meanCosineDistance, 5), Format.fixed(layer.meanNorm, 2),
                layer.outliers.prefix(2).map(outlier).joined(separator: ", "),
            ]
        }
        try Console.result(
            Format.table(
                [["layer", "cosine distance", "norm", "largest channels (× median)"]] + rows, rightAligned: [0, 1, 2]))
        for (number, position) in positions.enumerated() {
            try Console.result("")
            try Console.result("after token \(position), \(spelling(tokens[position])):")
            let rows = probe.layers.enumerated().map { index, layer in
                ["\(index)"]
                    + layer.candidates[number].map {
                        "\(spelling($0.token)) \(Format.fixed(100 * $0.probability, 1)) %"
                    }
            }
            try Console.result(
                Format.table([["layer", "likeliest next tokens"]] + rows, rightAligned: [0]))
        }
    }

    private func outlier(_ outlier: Probe.Outlier) -> String {
        "\(outlier.channel): \(Format.fixed(Double(outlier.value), 1)) (\(Format.fixed(outlier.ratio, 1)))"
    }

    private func showPair(_ pair: (query: Int, key: Int), layer: Int) throws {
        try Console.result(
            "layer \(layer), what token \(pair.query), \(spelling(tokens[pair.query])), takes from token \(pair.key), \(spelling(tokens[pair.key])):"
        )
        let rows = probe.attention.enumerated().map { ["\($0)", Format.fixed(Double($1[pair.query][pair.key]), 5)] }
        try Console.result(Format.table([["head", "attention"]] + rows, rightAligned: [0, 1]))
    }

    private func showMap(layer: Int) throws {
        let map = map(of: head)
        try Console.result("layer \(layer), \(head.map { "head \($0)" } ?? "mean of \(probe.attention.count) heads"):")
        if tokens.count <= Self.mapSize {
            let header = ["", ""] + tokens.indices.map { "\($0)" }
            let rows = tokens.indices.map { row in
                ["\(row)", spelling(tokens[row])]
                    + tokens.indices.map { $0 > row ? "" : Format.fixed(Double(map[row][$0]), 2) }
            }
            try Console.result(Format.table([header] + rows, rightAligned: Set([0] + (2..<tokens.count + 2))))
            return
        }
        let rows = tokens.indices.map { row in
            let strongest = (0...row).sorted { (map[row][$0], $1) > (map[row][$1], $0) }.prefix(4)
            return ["\(row)", spelling(tokens[row])]
                + strongest.map { "\($0) \(spelling(tokens[$0])) \(Format.fixed(Double(map[row][$0]), 2))" }
        }
        try Console.result(Format.table([["", "token", "takes most from"]] + rows, rightAligned: [0]))
    }

    /// Of a head, or the mean of all.
    private func map(of head: Int?) -> [[Float]] {
        if let head { return probe.attention[head] }
        let count = Float(probe.attention.count)
        return tokens.indices.map { row in
            tokens.indices.map { column in probe.attention.reduce(0) { $0 + $1[row][column] } / count }
        }
    }

    /// A token in quotation marks.
    private func spelling(_ token: Int32) -> String { JSON.string(text(token)).text() }

    func text(_ token: Int32) -> String { String(decoding: tokenizer.decodedBytes([token]), as: UTF8.self) }

    // MARK: JSON

    func document(model: String, prompt: String, _ precision: PrecisionOptions) -> JSON {
        var document = JSON.Object([
            ("model", .string(model)), ("prompt", .string(prompt)), ("precision", precision.json),
            ("tokens", .array(tokens.map { ["id": .int(Int($0)), "text": .string(text($0))] })),
        ])
        if showsLayers {
            document["positions"] = .array(positions.map(JSON.int))
            document["layers"] = .array(probe.layers.enumerated().map(layer))
        }
        if let attention {
            let map: [(String, JSON)] = [
                ("layer", .int(attention)), ("mean", matrix(map(of: nil))),
                ("heads", .array(probe.attention.map(matrix))),
            ]
            document["attention"] = .object(JSON.Object(map))
        }
        return .object(document)
    }

    private func matrix(_ rows: [[Float]]) -> JSON { .array(rows.map { .array($0.map { .double(Double($0)) }) }) }

    private func layer(_ index: Int, _ layer: Probe.Layer) -> JSON {
        [
            "layer": .int(index), "cosine_distance": .double(layer.meanCosineDistance), "norm": .double(layer.meanNorm),
            "cosine_distances": .array(layer.cosineDistances.map(JSON.double)),
            "norms": .array(layer.norms.map(JSON.double)),
            "outliers": .array(
                layer.outliers.map {
                    [
                        "channel": .int($0.channel), "value": .double(Double($0.value)), "token": .int($0.position),
                        "ratio": .double($0.ratio),
                    ]
                }),
            "next": .array(
                layer.candidates.map { candidates in
                    .array(
                        candidates.map {
                            [
                                "id": .int(Int($0.token)), "text": .string(text($0.token)),
                                "probability": .double($0.probability),
                            ]
                        })
                }),
        ]
    }
}

extension ProbeOutput {
    /// What was found, as a page; what next tokens are read off is the first of the positions.
    func page(checkpoint: String, prompt: String, _ notes: [String], _ warnings: [String]) -> ReportPage {
        var report = ProbeReport(checkpoint: checkpoint, prompt: prompt, tokens: tokens.map(text))
        if showsLayers {
            for (index, layer) in probe.layers.enumerated() {
                report.layers.append(
                    .init(
                        layer: index, cosineDistance: layer.meanCosineDistance, norm: layer.meanNorm,
                        maximum: Double(layer.outliers.first.map { abs($0.value) } ?? 0)))
                report.outliers += layer.outliers.map {
                    .init(layer: index, channel: $0.channel, maximum: Double(abs($0.value)), ratio: $0.ratio)
                }
                report.predictions.append(
                    .init(layer: index, tokens: layer.candidates[0].map { (text($0.token), $0.probability) }))
            }
        }
        if let attention {
            let heads = head.map { [$0] } ?? Array(probe.attention.indices)
            func weights(_ rows: [[Float]]) -> [[Double]] { rows.map { $0.map(Double.init) } }
            if head == nil {
                report.attention.append(.init(layer: attention, head: nil, weights: weights(map(of: nil))))
            }
            report.attention += heads.map {
                .init(layer: attention, head: $0, weights: weights(probe.attention[$0]))
            }
        }
        report.notes = notes
        report.warnings = warnings
        report.origin = ReportOptions.origin
        return report.page
    }
}
