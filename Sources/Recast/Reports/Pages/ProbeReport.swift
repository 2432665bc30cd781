/// What goes on inside a model while it reads a text, as plain values to be made a page of.
public struct ProbeReport: Sendable {
    /// What a layer does to the hidden states.
    public struct Layer: Sendable {
        public var layer: Int
        /// 1 − cosine of the hidden states before and behind it, the mean over the tokens.
        public var cosineDistance: Double
        /// The norm of the hidden states behind it, the mean over the tokens; and the largest magnitude of a number.
        public var norm: Double
        public var maximum: Double

        public init(layer: Int, cosineDistance: Double, norm: Double, maximum: Double) {
            (self.layer, self.cosineDistance, self.norm, self.maximum) = (layer, cosineDistance, norm, maximum)
        }
    }

    /// A channel of the hidden states that is far from the others.
    public struct Outlier: Sendable {
        public var layer: Int
        public var channel: Int
        /// The largest magnitude, and how many times the median over the channels that is.
        public var maximum: Double
        public var ratio: Double

        public init(layer: Int, channel: Int, maximum: Double, ratio: Double) {
            (self.layer, self.channel, self.maximum, self.ratio) = (layer, channel, maximum, ratio)
        }
    }

    /// The next tokens as a layer would have them.
    public struct Prediction: Sendable {
        public var layer: Int
        /// Likeliest first, with probabilities 0…1.
        public var tokens: [(text: String, probability: Double)]

        public init(layer: Int, tokens: [(text: String, probability: Double)]) {
            (self.layer, self.tokens) = (layer, tokens)
        }
    }

    /// What each token looks at, in a head of a layer.
    public struct Attention: Sendable {
        public var layer: Int
        /// Nil for the mean of all heads.
        public var head: Int?
        /// Of each token a row, with a number for each token up to itself at least, 0…1.
        public var weights: [[Double]]

        public init(layer: Int, head: Int?, weights: [[Double]]) {
            (self.layer, self.head, self.weights) = (layer, head, weights)
        }
    }

    public var checkpoint: String
    public var prompt: String
    /// Of the prompt, as text.
    public var tokens: [String]
    public var layers: [Layer] = []
    public var outliers: [Outlier] = []
    public var predictions: [Prediction] = []
    public var attention: [Attention] = []
    public var warnings: [String] = []
    public var notes: [String] = []
    public var origin = ReportOrigin()

    public init(checkpoint: String, prompt: String, tokens: [String]) {
        (self.checkpoint, self.prompt, self.tokens) = (checkpoint, prompt, tokens)
    }

    public var page: ReportPage {
        let last = predictions.max { $0.layer < $1.layer }?.tokens.first
        let headline =
            last.map {
                "Next comes “\(PageText.token(PageText.limited($0.text, to: 60)))”, \(Format.percent($0.probability))"
            }
            ?? "\(tokens.count) tokens through \(layers.count) layers"
        return ReportPage(
            title: "Inside \(Path.name(checkpoint))",
            subjects: [.init("checkpoint", checkpoint), .init("prompt", prompt)],
            verdict: .init(outcome: .neutral, headline: headline, reasons: reasons + warnings), facts: facts,
            sections: [
                .init("Predictions by layer", [lens, settled]),
                .init("Hidden states", layerBlocks + [outlierTable]),
                .init("Attention", maps),
                .init("Prompt", [tokenTable]),
                .init("Remarks", [notes.isEmpty ? nil : .notes(title: "Notes", notes)]),
            ], origin: origin)
    }

    private var sorted: [Layer] { layers.sorted { $0.layer < $1.layer } }

    private var facts: [ReportPage.Fact] {
        var facts = [ReportPage.Fact("tokens", "\(tokens.count)"), .init("layers", "\(layers.count)")]
        if let most = layers.filter({ $0.cosineDistance.isFinite }).max(by: { $0.cosineDistance < $1.cosineDistance }) {
            facts.append(.init("turns the most", "layer \(most.layer), \(Format.significant(most.cosineDistance))"))
        }
        if let largest = layers.filter({ $0.maximum.isFinite }).max(by: { $0.maximum < $1.maximum }) {
            facts.append(.init("largest number", "\(Format.significant(largest.maximum)), layer \(largest.layer)"))
        }
        return facts
    }

    /// From which layer on the likeliest token is the last layer's.
    private var reasons: [String] {
        let ordered = predictions.sorted { $0.layer < $1.layer }
        guard let token = ordered.last?.tokens.first?.text, ordered.count > 1 else { return [] }
        let settled = ordered.reversed().prefix { $0.tokens.first?.text == token }.last!
        return ["It is the likeliest token from layer \(settled.layer) on."]
    }

    // MARK: Predictions

    private var lens: ReportPage.Block? {
        guard !predictions.isEmpty else { return nil }
        return .lens(
            LensTable(
                title: "Next tokens, read off each layer",
                explanation:
                    "The head applied to the hidden state of the last token behind each layer. Bars are probabilities; "
                    + "\u{2423} is a space.",
                rows: predictions.sorted { $0.layer < $1.layer }.map { .init(name: "\($0.layer)", tokens: $0.tokens) }))
    }

    /// The probability of what comes last, layer by layer, where it is among the likeliest.
    private var settled: ReportPage.Block? {
        let ordered = predictions.sorted { $0.layer < $1.layer }
        guard let token = ordered.last?.tokens.first?.text, ordered.count > 1 else { return nil }
        return .chart(
            LineChart(
                title: "Probability of the last layer’s token",
                explanation:
                    "Of “\(PageText.token(PageText.limited(token, to: 60)))”, where it is among the tokens listed; and of the "
                    + "likeliest of each layer.",
                series: [
                    .init(
                        name: "last layer’s token",
                        values: ordered.map { row in row.tokens.first { $0.text == token }?.probability }),
                    .init(name: "likeliest", values: ordered.map { $0.tokens.first?.probability }),
                ], places: ordered.map(\.layer)))
    }

    // MARK: Layers

    private var layerBlocks: [ReportPage.Block?] {
        guard !layers.isEmpty else { return [] }
        let sorted = sorted
        let places = sorted.map(\.layer)
        return [
            .chart(
                LineChart(
                    title: "How far each layer turns the hidden states",
                    explanation:
                        "1 − cosine between its input and its output, the mean over the tokens. Layers near 0 do little.",
                    series: [.init(name: "cosine distance", values: sorted.map(\.cosineDistance))], places: places)),
            .chart(
                LineChart(
                    title: "Norms and largest numbers",
                    explanation:
                        "Of the hidden states behind each layer; a maximum far above the others is an outlier.",
                    series: [
                        .init(name: "norm, mean", values: sorted.map(\.norm)),
                        .init(name: "largest magnitude", values: sorted.map(\.maximum)),
                    ], places: places, scale: .log)),
        ]
    }

    private var outlierTable: ReportPage.Block? {
        guard !outliers.isEmpty else { return nil }
        return .table(
            title: "Outlier channels",
            explanation: "Largest magnitudes, and how many times the median over the channels they are.",
            DataTable(
                [.number("layer"), .number("channel"), .number("largest magnitude"), .number("× median")],
                outliers.sorted { ($1.ratio, $0.layer, $0.channel) < ($0.ratio, $1.layer, $1.channel) }
            ) { ["\($0.layer)", "\($0.channel)", Format.precise($0.maximum), Format.precise($0.ratio)] })
    }

    // MARK: Attention

    /// Maps of which a page shows no more.
    private static let mostMaps = 9

    private var maps: [ReportPage.Block?] {
        var blocks: [ReportPage.Block?] = attention.prefix(Self.mostMaps).map { map in
            AttentionMap(
                title: "Layer \(map.layer), " + (map.head.map { "head \($0)" } ?? "mean of the heads"),
                explanation: "Rows look at columns; a row adds up to 1. Shades grow with the root of the weight.",
                tokens: tokens, weights: map.weights
            ).map { .chart($0) }
                ?? .notes(
                    title: "Layer \(map.layer)",
                    ["Its attention does not fit the \(tokens.count) tokens, and is not shown."])
        }
        if attention.count > Self.mostMaps {
            blocks.append(
                .notes(
                    title: "More heads",
                    ["The first \(Self.mostMaps) of \(attention.count) maps are shown; JSON has them all."]))
        }
        return blocks
    }

    private var tokenTable: ReportPage.Block? {
        tokens.isEmpty
            ? nil
            : .table(
                title: "Tokens", explanation: "\u{2423} is a space.",
                DataTable([.number("place"), .code("token")], tokens.indices) { ["\($0)", PageText.token(tokens[$0])] })
    }
}
