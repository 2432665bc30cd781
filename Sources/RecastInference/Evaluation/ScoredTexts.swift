import Recast

/// Channels cut into windows, and what was found for each scored token given back to its channel.
struct ScoredTexts {
    private let channels: [(name: String, tokens: Int)]
    let windows: [ForwardPass.Text]
    /// Of each window, which of its predictions are scored; nil for all.
    let isScored: [[Bool]?]
    /// Of each channel, the first window after its own.
    private let ends: [Int]

    /// - Throws: `usage` for options that make no sense, and for a channel of which nothing can be scored.
    init(_ channels: [Channel], _ options: PerplexityOptions) throws(RecastError) {
        try options.validate()
        guard !channels.isEmpty else { throw .usage("there is no text to score") }
        var windows: [ScoredWindow] = []
        var ends: [Int] = []
        for channel in channels {
            let own = channel.documents.flatMap(options.windows)
            guard !own.isEmpty else { throw Self.tooShort(channel, options) }
            windows += own
            ends.append(windows.count)
        }
        self.channels = channels.map { ($0.name, $0.tokens.count) }
        self.windows = windows.map(\.text)
        isScored = windows.map(\.isScored)
        self.ends = ends
    }

    /// Texts that were cut before.
    ///
    /// - Parameters:
    ///   - channels: with the number of their windows.
    ///   - isScored: of each window, which of its predictions are scored; nil for all of all.
    init(
        _ channels: [(name: String, tokens: Int, windows: Int)], _ windows: [ForwardPass.Text],
        isScored: [[Bool]?]? = nil
    ) {
        self.channels = channels.map { ($0.name, $0.tokens) }
        self.windows = windows
        self.isScored = isScored ?? windows.map { _ in nil }
        var end = 0
        ends = channels.map { channel in
            end += channel.windows
            return end
        }
    }

    /// The channels, with the number of their windows.
    var parts: [(name: String, tokens: Int, windows: Int)] {
        zip(channels, zip([0] + ends, ends)).map { ($0.name, $0.tokens, $1.1 - $1.0) }
    }

    private static func tooShort(_ channel: Channel, _ options: PerplexityOptions) -> RecastError {
        let needed = options.scored == .all ? 2 - (options.bosToken == nil ? 0 : 1) : options.context
        let documents = channel.documents.count == 1 ? "" : " in \(channel.documents.count) documents"
        return .usage(
            "the text \(channel.name) has \(channel.tokens.count) tokens\(documents), of which none can be scored; "
                + "at least \(needed) are needed\(documents.isEmpty ? "" : " in one")"
        )
    }

    /// The token after each predicting position, window after window.
    var targets: [Int] { windows.flatMap { window in window.predictions.map { Int(window.tokens[$0 + 1]) } } }

    /// A result for each channel, and one for all, from what was found for each target.
    func scores<Value, Score>(
        of values: [Value], _ score: (_ name: String, _ tokens: Int, [Value]) -> Score
    ) -> (channels: [Score], total: Score) {
        precondition(values.count == windows.reduce(0) { $0 + $1.predictions.count })
        var (firstWindow, first) = (0, 0)
        var all: [Value] = []
        all.reserveCapacity(values.count)
        let scores = zip(channels, ends).map { channel, end in
            var own: [Value] = []
            for window in firstWindow..<end {
                let found = values[first..<first + windows[window].predictions.count]
                first = found.endIndex
                if let isScored = isScored[window] {
                    own += zip(found, isScored).lazy.filter(\.1).map(\.0)
                } else {
                    own += found
                }
            }
            firstWindow = end
            all += own
            return score(channel.name, channel.tokens, own)
        }
        return (scores, score("total", channels.reduce(0) { $0 + $1.tokens }, all))
    }
}
