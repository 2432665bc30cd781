import Recast

/// What a model predicts on some texts, to which others with the same tokens are compared, again and again.
struct ReferencePredictions {
    private let pass: ForwardPass
    private let texts: [ForwardPass.Text]
    private let run: ForwardPass.Run
    private let states: HiddenStates
    private let layers: LayerStates?

    /// Tokens of a window that are looked at: more would cost more, and say what some models have never learnt.
    static let context = 256

    /// - Parameters:
    ///   - chunks: windows of tokens, of which the beginnings are taken; of these the first quarter is seen, but not compared.
    ///   - keepsLayers: whether models that differ from a layer on are compared.
    init(of pass: ForwardPass, on chunks: [[Int32]], keepsLayers: Bool) throws(RecastError) {
        self.pass = pass
        texts = chunks.map { window in
            let tokens = Array(window.prefix(Self.context))
            return ForwardPass.Text(tokens: tokens, predictions: (tokens.count - 1) / 4..<tokens.count - 1)
        }
        layers = keepsLayers ? try LayerStates(directory: pass.options.temporaryDirectory) : nil
        run = try ForwardPass.Run(pass, texts, nil, keeper: layers)
        states = try run.finalHiddenStates()
    }

    var tokenCount: Int { texts.reduce(0) { $0 + $1.predictions.count } }

    /// How far the predictions of another model are.
    ///
    /// - Parameter layer: the first in which it differs; the number of layers, where it differs in its head alone.
    func divergence(of graph: Graph, from layer: Int = 0, options: PassOptions? = nil) throws(RecastError)
        -> Divergence.Score
    {
        let candidate = try ForwardPass(graph, files: pass.files, options: options ?? pass.options)
        let other = try ForwardPass.Run(
            candidate, texts, nil, keeper: layer > 0 ? layers?.keeper(before: layer) : nil)
        let pair = PairedHeads(
            reference: ModelLogits(run, states), candidate: other, try other.finalHiddenStates())
        let targets = texts.flatMap { text in text.predictions.map { Int(text.tokens[$0 + 1]) } }
        return Divergence.Score(
            name: "held out", tokens: texts.reduce(0) { $0 + $1.tokens.count }, try pair.predictions(of: targets))
    }
}
