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
    func validate() throws(RecastError) {
        guard context >= 2 else { throw .usage("a context of \(context) tokens leaves nothing to predict") }
        guard let stride else { return }
        guard scored == .all else { throw .usage("a stride has no meaning where second halves are scored") }
        guard (1...context).contains(stride) else {
            throw .usage("a stride of \(stride) tokens is not between 1 and the context of \(context)")
        }
    }

    /// The windows of a text, and the positions of each whose next token is scored.
    func windows(of tokens: [Int32]) -> [ForwardPass.Text] {
        switch scored {
        case .all: windowsOfAll((bosToken.map { [$0] } ?? []) + tokens)
        case .secondHalf: windowsOfSecondHalves(tokens)
        }
    }

    private func windowsOfAll(_ tokens: [Int32]) -> [ForwardPass.Text] {
        var windows: [ForwardPass.Text] = []
        var start = 0
        // The first token that no window has scored.
        var next = 0
        while start < tokens.count {
            let end = min(tokens.count, start + context)
            let first = max(next, start + 1)
            if first < end {
                windows.append(
                    ForwardPass.Text(
                        tokens: Array(tokens[start..<end]), predictions: first - 1 - start..<end - 1 - start))
            }
            next = end
            if end == tokens.count { break }
            start += stride ?? context
        }
        return windows
    }

    private func windowsOfSecondHalves(_ tokens: [Int32]) -> [ForwardPass.Text] {
        let predictions = context / 2..<context - 1
        guard !predictions.isEmpty else { return [] }
        return ChunkedText.chunks(of: tokens, size: context, bos: bosToken).map {
            ForwardPass.Text(tokens: $0, predictions: predictions)
        }
    }
}
