import Recast

/// What llama.cpp writes with `--kl-divergence-base`.
///
/// `_logits_`, the context n, the vocabulary's size v and the number of chunks c, as 32-bit integers; c·n tokens; then for each
/// chunk the n − 1 − n/2 positions that second halves score: a scale and a minimum as float32, and v codes of 16 bits, filled up
/// to an even number. Probabilities below e⁻¹⁶ of the largest are cut off, and those below e⁻¹⁶ not counted.
/// Source: llama.cpp, `tools/perplexity/perplexity.cpp`.
enum LlamaPredictionsFile {
    private static let magic = Array("_logits_".utf8)
    private static let floor: Float = -16

    static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        guard source.byteCount >= magic.count else { return false }
        return try source.bytes(0..<magic.count) == magic
    }

    static func read(_ source: any ByteSource) throws(RecastError) -> SavedPredictions {
        let header = magic.count + 12
        guard source.byteCount >= header else { throw .malformed(source.name, "ends within its header") }
        let bytes = try source.bytes(0..<header)
        func number(_ index: Int) -> Int {
            Int(bytes.withUnsafeBytes { $0.integer(at: magic.count + 4 * index, as: Int32.self) })
        }
        let (context, vocabulary, chunks) = (number(0), number(1), number(2))
        guard context >= 4, vocabulary > 0, chunks > 0 else {
            throw .malformed(
                source.name, "a context of \(context), \(vocabulary) tokens and \(chunks) chunks make no sense")
        }
        let scored = context - 1 - context / 2
        let stride = 2 * (2 * ((vocabulary + 1) / 2) + 4)
        guard let tokenBytes = chunks.multiplied(checked: context)?.multiplied(checked: 4),
            let rows = chunks.multiplied(checked: scored), let codeBytes = rows.multiplied(checked: stride),
            let needed = tokenBytes.adding(checked: codeBytes)?.adding(checked: header)
        else { throw .malformed(source.name, "its numbers have no size that fits") }
        guard source.byteCount >= needed else {
            throw .malformed(
                source.name,
                "has \(source.byteCount) of the \(needed) bytes that its header speaks of; was the run that "
                    + "writes it ended before its time?")
        }
        let tokens = try source.bytes(header..<header + tokenBytes).withUnsafeBytes { bytes in
            (0..<chunks * context).map { bytes.integer(at: 4 * $0, as: Int32.self) }
        }
        var scales: [Float] = []
        var minimums: [Float] = []
        for row in 0..<rows {
            let place = header + tokenBytes + row * stride
            let pair = try source.bytes(place..<place + 8).withUnsafeBytes { bytes in
                (0..<2).map { Float(bitPattern: bytes.integer(at: 4 * $0, as: UInt32.self)) }
            }
            guard pair.allSatisfy(\.isFinite), pair[0] >= 0 else {
                throw .malformed(source.name, at: place, "a scale of \(pair[0]) from \(pair[1]) on")
            }
            scales.append(pair[0])
            minimums.append(pair[1])
        }
        return try SavedPredictions(
            source, vocabularySize: vocabulary, context: context, scored: .secondHalf,
            channels: [.init(name: "text", tokens: tokens.count, windows: chunks)],
            windows: (0..<chunks).map {
                ForwardPass.Text(
                    tokens: Array(tokens[$0 * context..<($0 + 1) * context]), predictions: context / 2..<context - 1)
            },
            needsBOS: true, precision: nil,
            storage: .codes(
                offset: header + tokenBytes + 8, stride: stride, scales: scales, minimums: minimums, floor: floor))
    }
}
