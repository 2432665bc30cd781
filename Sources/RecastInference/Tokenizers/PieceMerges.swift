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
        let order = tokens.indices.filter { vocabulary.isMerged($0) }
        var pieces = PieceIndex(capacity: order.count)
        for id in order { tokens[id].withUnsafeBufferPointer { pieces.insert($0, id: Int32(id)) } }
        var pairs = 0
        for id in order {
            guard tokens[id].count <= Vocabulary.longestPiece else {
                throw .unsupported(Vocabulary.tooLong(id))
            }
            let made = tokens[id].withUnsafeBufferPointer { insert($0, Int32(id), rank: ranks[scores[id]]!, &pieces) }
            pairs += made
            guard pairs <= vocabulary.mostPairs else { throw .unsupported(vocabulary.tooManyPairs) }
            // sentencepiece takes such a piece apart again, in one of several ways.
            if made > 0, vocabulary.kinds[id] == .unused {
                throw .unsupported(
                    "piece \(id), \"\(vocabulary.tokens[id])\", is not to be used, but text can be joined to it")
            }
        }
    }

    /// How many pairs of symbols make the piece.
    private mutating func insert(
        _ piece: UnsafeBufferPointer<UInt8>, _ id: Int32, rank: Int, _ pieces: inout PieceIndex
    ) -> Int {
        guard !piece.isEmpty else { return 0 }
        pieces.select(piece)
        var made = 0
        var middle = piece.scalar(at: 0).next
        while middle < piece.count {
            if let left = symbol(0..<middle, of: piece, pieces),
                let right = symbol(middle..<piece.count, of: piece, pieces)
            {
                merges.insert(left, right, rank: rank, result: id)
                made += 1
            }
            middle = piece.scalar(at: middle).next
        }
        return made
    }

    private mutating func symbol(
        _ range: Range<Int>, of piece: UnsafeBufferPointer<UInt8>, _ pieces: PieceIndex
    ) -> Int32? {
        let (value, next) = piece.scalar(at: range.lowerBound)
        guard next == range.upperBound else { return pieces.id(of: range) }
        if symbols[UInt64(value)] == PairTable.missing {
            symbols[UInt64(value)] = UInt64(tokenCount + strays.count)
            strays.append(Array(piece[range]))
        }
        return Int32(truncatingIfNeeded: symbols[UInt64(value)])
    }

    /// Appends the ids of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        guard output.isMergeable(text.count) else { return }
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
            output.endMerging(of: text.count)
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
