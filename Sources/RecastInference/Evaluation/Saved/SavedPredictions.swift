import Recast

/// What a reference predicts on some texts, kept in a file, so that many candidates need one pass of it.
///
/// Two kinds are read: those that `PredictionWriter` writes, and what llama.cpp writes with `--kl-divergence-base`.
public struct SavedPredictions: Sendable {
    /// A text, as far as results are told of it.
    struct SavedChannel: Sendable, Equatable {
        var name: String
        /// Of the text, without any beginning-of-text token.
        var tokens: Int
        var windows: Int
    }

    /// How the logits of a position are stored.
    enum Storage: Sendable {
        /// Float32 logits: `[positions, vocabulary]` from an offset.
        case logits(offset: Int)
        /// 16-bit codes from an offset, rows so many bytes apart, and what they count for: `log p = minimum + scale · code`.
        case codes(offset: Int, stride: Int, scales: [Float], minimums: [Float], floor: Float?)
    }

    public let path: String
    public let vocabularySize: Int
    /// Tokens of a window.
    public let context: Int
    /// How texts were cut, where that is one of the methods known.
    public let scored: PerplexityOptions.Scored
    let channels: [SavedChannel]
    let windows: [ForwardPass.Text]
    /// Of each window, which of its predictions are scored; nil for all.
    let isScored: [[Bool]?]
    /// Whether a window's first token gives way to the candidate's beginning-of-text token, where it has one.
    public let needsBOS: Bool
    /// How the reference was run; nil where that is not known.
    public let precision: Precision?
    let source: any ByteSource
    let storage: Storage

    var positionCount: Int { windows.reduce(0) { $0 + $1.predictions.count } }

    /// Whether a file is one of these.
    public static func recognizes(_ path: String) throws(RecastError) -> Bool {
        guard try POSIX.target(path)?.isRegular == true else { return false }
        let source = try FileSource(path: path)
        if try LlamaPredictionsFile.recognizes(source) { return true }
        return try PredictionsFile.recognizes(source)
    }

    /// - Throws: `malformedInput` for a file that is not what it says it is.
    public init(path: String) throws(RecastError) {
        let source = try FileSource(path: path)
        self =
            try LlamaPredictionsFile.recognizes(source)
            ? LlamaPredictionsFile.read(source) : PredictionsFile.read(source)
    }

    init(
        _ source: any ByteSource, vocabularySize: Int, context: Int, scored: PerplexityOptions.Scored,
        channels: [SavedChannel], windows: [ForwardPass.Text], isScored: [[Bool]?]? = nil, needsBOS: Bool,
        precision: Precision?, storage: Storage
    ) throws(RecastError) {
        path = source.name
        for window in windows {
            for token in window.tokens where token < 0 || Int(token) >= vocabularySize {
                throw .malformed(path, "token \(token) is not among the \(vocabularySize) of its vocabulary")
            }
        }
        self.vocabularySize = vocabularySize
        self.context = context
        self.scored = scored
        self.channels = channels
        self.windows = windows
        self.isScored = isScored ?? windows.map { _ in nil }
        self.needsBOS = needsBOS
        self.precision = precision
        self.source = source
        self.storage = storage
    }

    /// The texts, cut as they were.
    ///
    /// - Parameter bosToken: of the candidate's tokenizer, which llama.cpp puts in the place of each window's first token.
    func scoredTexts(bosToken: Int32?) -> ScoredTexts {
        var windows = windows
        if needsBOS, let bosToken { for index in windows.indices { windows[index].tokens[0] = bosToken } }
        return ScoredTexts(channels.map { ($0.name, $0.tokens, $0.windows) }, windows, isScored: isScored)
    }
}

/// The logits that a file holds.
struct SavedLogits: ReferenceLogits {
    let saved: SavedPredictions

    var rows: Int { saved.positionCount }
    var vocabularySize: Int { saved.vocabularySize }
    var tileSize: Int { .max }
    var areLogProbabilities: Bool { if case .codes(_, _, _, _, .some) = saved.storage { true } else { false } }

    func load(_ tokens: Range<Int>) throws(RecastError) {}

    func logits(
        _ rows: Range<Int>, _ tokens: Range<Int>, into target: FloatBuffer, worker: Int
    ) throws(RecastError) {
        let count = tokens.count
        switch saved.storage {
        case .logits(let offset):
            for row in rows {
                try saved.source.read(
                    into: UnsafeMutableRawBufferPointer(
                        start: target.base + (row - rows.lowerBound) * count, count: count * 4),
                    at: offset + (row * vocabularySize + tokens.lowerBound) * 4)
            }
        case .codes(let offset, let stride, let scales, let minimums, let floor):
            try withCodes(count) { (codes) throws(RecastError) in
                for row in rows {
                    try saved.source.read(
                        into: UnsafeMutableRawBufferPointer(codes), at: offset + row * stride + tokens.lowerBound * 2)
                    let place = target.base + (row - rows.lowerBound) * count
                    let (scale, minimum) = (scales[row], minimums[row])
                    for i in 0..<count { place[i] = minimum + scale * Float(UInt16(littleEndian: codes[i])) }
                    guard let floor else { continue }
                    // What was cut off has no probability.
                    for i in 0..<count where place[i] <= floor { place[i] = Self.nothing }
                }
            }
        }
    }

    /// The logarithm of what is too small for float32.
    private static let nothing: Float = -1000

    private func withCodes(
        _ count: Int, _ body: (UnsafeMutableBufferPointer<UInt16>) throws(RecastError) -> Void
    ) throws(RecastError) {
        let codes = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: count)
        defer { codes.deallocate() }
        try body(codes)
    }
}

extension SavedPredictions {
    /// How some texts differ from those of the file; nil where they do not.
    ///
    /// - Parameter options: by which they are cut; a context and a method of the file's own.
    public func difference(
        from channels: [Channel], _ options: PerplexityOptions
    ) throws(RecastError) -> String? {
        let texts = try ScoredTexts(channels, options)
        let own = scoredTexts(bosToken: options.bosToken).windows
        let place = zip(own, texts.windows).enumerated().first { $1.0 != $1.1 }?.offset
        guard let place = place ?? zip(isScored, texts.isScored).enumerated().first(where: { $1.0 != $1.1 })?.offset
        else {
            return own.count <= texts.windows.count
                ? nil : "it has \(own.count) windows of \(context) tokens, and the texts make \(texts.windows.count)"
        }
        return "its window \(place) of \(context) tokens is not what the texts make"
    }

    /// Windows of tokens.
    public var windowCount: Int { windows.count }
    /// Names of its texts.
    public var channelNames: [String] { channels.map(\.name) }
}
