import Recast

/// SentencePiece's BPE: characters joined pair by pair, by merges where the vocabulary has any, otherwise by the scores of
/// the pieces that pairs make.
struct PieceMerges: Sendable {
    /// Scalars to the symbols that merging starts with.
    private var symbols = PairTable()
    private var merges: MergeTable
    private let unknown: UnknownText
    private let tokenCount: Int
    /// Scalars that pieces are made of without being pieces: the symbols from `tokenCount` on.
    private var strays: [[UInt8]] = []

    /// `tokens` are indexed; throws where a merge is not usable.
    init(_ vocabulary: Vocabulary, tokens: TokenBytes, unknown: UnknownText) throws(RecastError) {
        self.unknown = unknown
        tokenCount = vocabulary.tokens.count
        merges = MergeTable(capacity: max(vocabulary.merges.count, 2 * tokenCount))
        for id in tokens.indices where vocabulary.kinds[id] != .byte {
            Array(tokens[id]).withUnsafeBufferPointer { piece in
                guard !piece.isEmpty, piece.scalar(at: 0).next == piece.count, tokens.id(of: piece) == Int32(id) else {
                    return
                }
                symbols[UInt64(piece.scalar(at: 0).value)] = UInt64(id)
            }
        }
        if vocabulary.merges.isEmpty {
            try takeScores(of: vocabulary, tokens)
        } else {
            try takeMerges(of: vocabulary, tokens)
        }
    }

    private mutating func takeMerges(of vocabulary: Vocabulary, _ tokens: TokenBytes) throws(RecastError) {
        var bytes: [UInt8] = []
        for (rank, merge) in vocabulary.merges.enumerated() {
            func id(_ text: String) throws(RecastError) -> Int32 {
                bytes.removeAll(keepingCapacity: true)
                var text = text
                text.withUTF8 { SpacePreparation.append($0, to: &bytes) }
                if let id = bytes.withUnsafeBufferPointer({ tokens.id(of: $0) }) { return id }
                throw RecastError(
                    .malformedInput,
                    "merge \(rank), \"\(merge.left)\" and \"\(merge.right)\": there is no token \"\(text)\"")
            }
            let (left, right) = (try id(merge.left), try id(merge.right))
            merges.insert(left, right, rank: rank, result: try id(merge.left + merge.right))
        }
    }

    /// Every two symbols that make a piece are merged, and the piece of highest score first.
    private mutating func takeScores(of vocabulary: Vocabulary, _ tokens: TokenBytes) throws(RecastError) {
        let scores = vocabulary.scores
        guard scores.count == tokenCount, scores.allSatisfy(\.isFinite) else {
            throw RecastError(.malformedInput, "\(tokenCount) pieces, but not a finite score for each")
        }
        var ranks: [Float: Int] = [:]
        for (rank, score) in Set(scores).sorted(by: >).enumerated() { ranks[score] = rank }
        for id in tokens.indices where vocabulary.isMerged(id) {
            let piece = Array(tokens[id])
            guard piece.count <= Vocabulary.longestPiece else {
                throw .unsupported(Vocabulary.tooLong(id))
            }
            let isMade = piece.withUnsafeBufferPointer { insert($0, Int32(id), rank: ranks[scores[id]]!, tokens) }
            // sentencepiece takes such a piece apart again, in one of several ways.
            if isMade, vocabulary.kinds[id] == .unused {
                throw .unsupported(
                    "piece \(id), \"\(vocabulary.tokens[id])\", is not to be used, but text can be joined to it")
            }
        }
    }

    /// Whether there are two symbols that make the piece.
    private mutating func insert(
        _ piece: UnsafeBufferPointer<UInt8>, _ id: Int32, rank: Int, _ tokens: TokenBytes
    ) -> Bool {
        guard !piece.isEmpty else { return false }
        var isMade = false
        var middle = piece.scalar(at: 0).next
        while middle < piece.count {
            if let left = symbol(piece.part(0..<middle), tokens),
                let right = symbol(piece.part(middle..<piece.count), tokens)
            {
                merges.insert(left, right, rank: rank, result: id)
                isMade = true
            }
            middle = piece.scalar(at: middle).next
        }
        return isMade
    }

    private mutating func symbol(_ part: UnsafeBufferPointer<UInt8>, _ tokens: TokenBytes) -> Int32? {
        let (value, next) = part.scalar(at: 0)
        guard next == part.count else { return tokens.id(of: part) }
        if symbols[UInt64(value)] == PairTable.missing {
            symbols[UInt64(value)] = UInt64(tokenCount + strays.count)
            strays.append(Array(part))
        }
        return Int32(truncatingIfNeeded: symbols[UInt64(value)])
    }

    /// Appends the ids of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: text.count) { found in
            var count = 0
            var offset = 0
            while offset < text.count {
                let (value, next) = text.scalar(at: offset)
                let symbol = symbols[UInt64(value)]
                if symbol != PairTable.missing {
                    found[count] = Int32(truncatingIfNeeded: symbol)
                    count += 1
                } else {
                    unknown.forEachToken(of: text.part(offset..<next), failure: &output.failure) {
                        found[count] = $0
                        count += 1
                    }
                }
                offset = next
            }
            let left = merges.merge(UnsafeMutableBufferPointer(rebasing: found[..<count]))
            for symbol in found[..<left] {
                if symbol < tokenCount {
                    unknown.append(symbol, to: &output)
                } else {
                    strays[Int(symbol) - tokenCount].withUnsafeBufferPointer { unknown.encode($0, into: &output) }
                }
            }
        }
    }
}
