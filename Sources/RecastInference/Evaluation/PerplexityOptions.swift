import Recast

/// How a text is cut into windows, and which of their tokens are scored.
public struct PerplexityOptions: Sendable, Hashable {
    public enum Scored: String, Sendable, Hashable, Codable {
        /// Every token but a window's first; a tail shorter than two tokens is dropped.
        case all
        /// llama.cpp's method: only whole windows, and of each only the tokens that have half a window before them
        /// (255 of 512). Source: Specs/gguf.md §e.1.
        case secondHalf = "second-half"
    }

    /// Tokens of a window.
    public var context: Int
    /// Tokens from the beginning of one window to that of the next; nil for `context`. A token that stands in several
    /// windows is scored in the first.
    public var stride: Int?
    public var scored: Scored
    /// Put once before each text; where second halves are scored, also in the place of each window's first token.
    public var bosToken: Int32?

    public init(context: Int = 512, stride: Int? = nil, scored: Scored = .all, bosToken: Int32? = nil) {
        self.context = context
        self.stride = stride
        self.scored = scored
        self.bosToken = bosToken
    }

    /// - Throws: `usage` for numbers that make no sense.
    package func validate() throws(RecastError) {
        guard context >= 2 else { throw .usage("a context of \(context) tokens leaves nothing to predict") }
        guard let stride else { return }
        guard scored == .all else { throw .usage("a stride has no meaning where second halves are scored") }
        guard (1...context).contains(stride) else {
            throw .usage("a stride of \(stride) tokens is not between 1 and the context of \(context)")
        }
    }

    /// The windows of a document, and the positions of each whose next token is scored.
    func windows(of document: Channel.Document) -> [ScoredWindow] {
        let bos = document.isWhole ? nil : bosToken
        let windows =
            switch scored {
            case .all: windowsOfAll((bos.map { [$0] } ?? []) + document.tokens)
            case .secondHalf: windowsOfSecondHalves(document.tokens, bos)
            }
        guard let answers = document.answers else { return windows.map { ScoredWindow(text: $0.text) } }
        let places = answers.map { $0.lowerBound + (bos == nil ? 0 : 1)..<$0.upperBound + (bos == nil ? 0 : 1) }
        return windows.compactMap { ScoredWindow($0.text, at: $0.start, scoring: places) }
    }

    private func windowsOfAll(_ tokens: [Int32]) -> [(text: ForwardPass.Text, start: Int)] {
        var windows: [(text: ForwardPass.Text, start: Int)] = []
        var start = 0
        // The first token that no window has scored.
        var next = 0
        while start < tokens.count {
            let end = min(tokens.count, start + context)
            let first = max(next, start + 1)
            if first < end {
                let predictions = first - 1 - start..<end - 1 - start
                windows.append((ForwardPass.Text(tokens: Array(tokens[start..<end]), predictions: predictions), start))
            }
            next = end
            if end == tokens.count { break }
            start += stride ?? context
        }
        return windows
    }

    private func windowsOfSecondHalves(_ tokens: [Int32], _ bos: Int32?) -> [(text: ForwardPass.Text, start: Int)] {
        let predictions = context / 2..<context - 1
        guard !predictions.isEmpty else { return [] }
        return ChunkedText.chunks(of: tokens, size: context, bos: bos).enumerated().map { index, chunk in
            (ForwardPass.Text(tokens: chunk, predictions: predictions), index * context)
        }
    }
}

/// A window, and which of its predictions are scored.
struct ScoredWindow {
    var text: ForwardPass.Text
    /// One for each prediction; nil for all.
    var isScored: [Bool]?

    init(text: ForwardPass.Text) { self.text = text }

    /// The part of a window that the scored tokens need; nil where it has none of them.
    ///
    /// - Parameters:
    ///   - start: the place of the window's first token.
    ///   - places: of tokens that alone are scored, in order and apart.
    init?(_ window: ForwardPass.Text, at start: Int, scoring places: [Range<Int>]) {
        // A prediction is of the token after it.
        let targets = window.predictions.lowerBound + start + 1..<window.predictions.upperBound + start + 1
        let scored = places.map { $0.clamped(to: targets) }.filter { !$0.isEmpty }
        guard let first = scored.first?.lowerBound, let end = scored.last?.upperBound else { return nil }
        let predictions = first - 1 - start..<end - 1 - start
        text = ForwardPass.Text(tokens: Array(window.tokens[..<(end - start)]), predictions: predictions)
        guard scored.count > 1 else { return }
        var isScored = [Bool](repeating: false, count: predictions.count)
        for range in scored { for place in range { isScored[place - first] = true } }
        self.isScored = isScored
    }
}
