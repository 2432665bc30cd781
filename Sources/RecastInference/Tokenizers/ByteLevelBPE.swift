import Recast

/// Byte-pair encoding over bytes: text without added tokens in, ids out.
struct ByteLevelBPE: Sendable {
    private let splitter: Splitter
    private let tokens: TokenBytes
    private let isAdded: [Bool]
    /// The token of each byte; where there is none the unknown token, or -1, which is left out.
    private let byteTokens: [Int32]
    private let merges: MergeTable
    private let ignoresMerges: Bool
    private let addsPrefixSpace: Bool

    /// `tokens` are indexed; throws where a merge or the pre-tokenizer is not usable.
    init(_ vocabulary: Vocabulary, tokens: TokenBytes, isAdded: [Bool]) throws(RecastError) {
        splitter = try Splitter(vocabulary.preTokenizer)
        self.tokens = tokens
        self.isAdded = isAdded
        ignoresMerges = vocabulary.ignoresMerges
        addsPrefixSpace = vocabulary.addsPrefixSpace
        let unknown = vocabulary.spellsUnknown ? Int32(vocabulary.special.unknown ?? -1) : -1
        byteTokens = (0...255).map { byte in
            [UInt8(byte)].withUnsafeBufferPointer { tokens.id(of: $0) } ?? unknown
        }
        merges = try Self.merges(of: vocabulary, tokens: tokens)
    }

    private static func merges(of vocabulary: Vocabulary, tokens: TokenBytes) throws(RecastError) -> MergeTable {
        guard vocabulary.merges.count < UInt32.max else {
            throw RecastError(.malformedInput, "\(vocabulary.merges.count) merges")
        }
        var merges = MergeTable(capacity: vocabulary.merges.count)
        var bytes: [UInt8] = []
        for (rank, merge) in vocabulary.merges.enumerated() {
            bytes.removeAll(keepingCapacity: true)
            guard ByteLevelAlphabet.appendBytes(spelledBy: merge.left, to: &bytes) else { continue }
            let middle = bytes.count
            // Text is made of bytes, so a merge of anything else can never apply.
            guard ByteLevelAlphabet.appendBytes(spelledBy: merge.right, to: &bytes) else { continue }
            let (left, right, result) = bytes.withUnsafeBufferPointer {
                (tokens.id(of: $0.part(0..<middle)), tokens.id(of: $0.part(middle..<$0.count)), tokens.id(of: $0))
            }
            guard let left, let right, let result else {
                let absent = left == nil ? merge.left : right == nil ? merge.right : merge.left + merge.right
                throw RecastError(
                    .malformedInput,
                    "merge \(rank), \"\(merge.left)\" and \"\(merge.right)\": there is no token \"\(absent)\"")
            }
            merges.insert(left, right, rank: rank, result: result)
        }
        return merges
    }

    /// Appends the ids of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        if addsPrefixSpace, let first = text.first, first != UInt8(ascii: " ") {
            ([UInt8(ascii: " ")] + text).withUnsafeBufferPointer { encodePieces(of: $0, into: &output) }
        } else {
            encodePieces(of: text, into: &output)
        }
    }

    private func encodePieces(of text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        var start = 0
        if let pattern = splitter.onlyPattern {
            while start < text.count {
                let end = pattern.pieceEnd(from: start, in: text)
                if output.hasEnded(before: end &- start) { return }
                output.encodePiece(text, start..<end) { encodeNewPiece($0, into: &$1) }
                start = end
            }
        } else {
            do {
                for end in try splitter.pieceEnds(in: text, within: &output.allowance) {
                    if output.hasEnded(before: end - start) { return }
                    output.encodePiece(text, start..<end) { encodeNewPiece($0, into: &$1) }
                    start = end
                }
            } catch {
                output.failure = error
            }
        }
    }

    private func encodeNewPiece(_ piece: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        // An added token is only ever matched as such, or text could smuggle in a special one.
        if ignoresMerges, let id = tokens.id(of: piece), !isAdded[Int(id)] {
            output.ids.append(id)
            return
        }
        guard output.isMergeable(piece.count) else { return }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: piece.count) { symbols in
            var known = 0
            for byte in piece where byteTokens[Int(byte)] >= 0 {
                symbols[known] = byteTokens[Int(byte)]
                known += 1
            }
            let count = merges.merge(UnsafeMutableBufferPointer(rebasing: symbols[..<known]))
            output.ids.append(contentsOf: symbols[..<count])
            output.endMerging(of: piece.count)
        }
    }
}
