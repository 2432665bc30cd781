import Recast

/// Texts to calibrate on: channels, of which each has its share of the tokens.
public struct CalibrationTexts: Sendable {
    public struct Channel: Sendable {
        public var name: String
        /// Its share of the tokens, beside the others'.
        public var weight: Double
        /// Tokens of each document, without any beginning-of-text token.
        public var documents: [[Int32]]

        public init(name: String, weight: Double = 1, documents: [[Int32]]) {
            self.name = name
            self.weight = weight
            self.documents = documents
        }
    }

    /// What is taken of the texts.
    public struct Selection: Sendable {
        /// Windows of tokens.
        public var chunks: [[Int32]] = []
        /// What is taken of each channel, and how much there is.
        public var channels: [(name: String, used: Int, total: Int)] = []
        /// How many of the windows are of each channel.
        var chunkCounts: [Int] = []

        /// Tokens of all chunks.
        public var tokenCount: Int { chunks.reduce(0) { $0 + $1.count } }

        /// Keeps some windows of each channel apart, evenly spread.
        ///
        /// - Parameter part: of the windows, 0…0.5; 0 keeps none.
        /// - Throws: `usage` where there are too few.
        public func holdingOut(_ part: Double) throws(RecastError) -> (rest: Selection, heldOut: [[Int32]]) {
            guard part > 0 else { return (self, []) }
            var rest = Selection()
            var heldOut: [[Int32]] = []
            var first = 0
            for (channel, count) in zip(channels, chunkCounts) {
                let windows = chunks[first..<first + count]
                first += count
                let held = max(1, Int((part * Double(count)).rounded()))
                guard held < count else {
                    throw .usage(
                        "the calibration text \(channel.name) has \(count) windows, too few to keep some apart; more text or "
                            + "a smaller --calibration-context is needed")
                }
                // The middle of each of so many equal parts.
                let places = Set((0..<held).map { (2 * $0 + 1) * count / (2 * held) })
                var used = 0
                for (place, window) in windows.enumerated() {
                    if places.contains(place) {
                        heldOut.append(window)
                    } else {
                        rest.chunks.append(window)
                        used += window.count
                    }
                }
                rest.channels.append((channel.name, used, channel.total))
                rest.chunkCounts.append(count - held)
            }
            return (rest, heldOut)
        }
    }

    public var channels: [Channel]

    public init(_ channels: [Channel]) { self.channels = channels }

    /// Cuts the documents into windows, each with the BOS token before it where the tokenizer puts one before a text, and
    /// takes of each channel its share, evenly spread over its length.
    ///
    /// - Parameters:
    ///   - context: the most tokens of a window.
    ///   - limit: about how many tokens are taken in all.
    ///   - keepsShares: whether a channel that is too short for its share shortens the others as well.
    /// - Throws: `usage` where there is nothing to take.
    public func selection(
        context: Int, bos: Int32?, limit: Int, keepsShares: Bool
    ) throws(RecastError) -> Selection {
        let prefix = bos.map { [$0] } ?? []
        guard context > prefix.count + 1 else { throw .usage("a context of \(context) tokens leaves nothing to see") }
        let cut = channels.map { channel in channel.documents.flatMap { Self.windows($0, context, prefix) } }
        for (channel, windows) in zip(channels, cut) where windows.isEmpty {
            throw .usage("the calibration text \(channel.name) has no tokens to calibrate on")
        }
        guard !channels.isEmpty else { throw .usage("there is no text to calibrate on") }
        let sizes = cut.map { Double($0.reduce(0) { $0 + $1.count }) }
        let weight = channels.reduce(0) { $0 + $1.weight }
        var total = Double(limit)
        if keepsShares {
            for (channel, size) in zip(channels, sizes) { total = min(total, size * weight / channel.weight) }
        }
        // What a channel is too short for, the others may take.
        var shares = channels.map { $0.weight / weight * total }
        if !keepsShares { shares = Self.filled(shares, sizes, total) }
        var selection = Selection()
        for (index, channel) in channels.enumerated() {
            let windows = cut[index]
            let part = min(1, shares[index] / sizes[index])
            let count = max(1, Int((part * Double(windows.count)).rounded()))
            let taken = (0..<count).map { windows[$0 * windows.count / count] }
            selection.chunks += taken
            selection.chunkCounts.append(count)
            selection.channels.append((channel.name, taken.reduce(0) { $0 + $1.count }, Int(sizes[index])))
        }
        return selection
    }

    private static func filled(_ shares: [Double], _ sizes: [Double], _ total: Double) -> [Double] {
        var shares = shares
        for _ in shares {
            let free = total - zip(shares, sizes).reduce(0) { $0 + min($1.0, $1.1) }
            let open = shares.indices.filter { shares[$0] < sizes[$0] }
            guard free > 1, !open.isEmpty else { break }
            let sum = open.reduce(0) { $0 + shares[$1] }
            for index in open { shares[index] += free * shares[index] / sum }
        }
        return shares
    }

    private static func windows(_ tokens: [Int32], _ context: Int, _ prefix: [Int32]) -> [[Int32]] {
        let width = context - prefix.count
        return stride(from: 0, to: tokens.count, by: width).compactMap { first in
            let window = tokens[first..<min(tokens.count, first + width)]
            // One token alone says nothing of what goes on between tokens.
            return window.count < 2 ? nil : prefix + window
        }
    }
}
