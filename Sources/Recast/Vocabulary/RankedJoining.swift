/// Bytes of a token joined as tiktoken joins them: of all neighbours that make a token, those that make the one of lowest
/// rank, of equals the leftmost.
///
/// A heap of candidates over a list of parts: the time is that of sorting the bytes.
struct RankedJoining {
    private var index: PieceIndex
    /// By the place where a part begins: where it ends, which is where the next begins, and where the one before begins.
    private var ends: [Int32] = []
    private var previous: [Int32] = []
    /// Pairs, by the place of the left part.
    private var candidates = RankQueue()

    /// - Parameter tokens: by rank.
    init(_ tokens: [[UInt8]]) {
        index = PieceIndex(capacity: tokens.count)
        for (rank, token) in tokens.enumerated() {
            token.withUnsafeBufferPointer { index.insert($0, id: Int32(truncatingIfNeeded: rank)) }
        }
    }

    /// Where the second of two parts begins that a token is made of; nil where joining ends with more than two.
    mutating func middle(of token: [UInt8]) -> Int? {
        let count = token.count
        if count == 2 { return 1 }
        token.withUnsafeBufferPointer { index.select($0) }
        ends.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        candidates.removeAll()
        for place in 0..<count {
            ends.append(Int32(truncatingIfNeeded: place + 1))
            previous.append(Int32(truncatingIfNeeded: place - 1))
        }
        for place in 0..<count - 1 { propose(place) }
        var parts = count
        while parts > 2, let (found, place) = candidates.removeFirst() {
            // What was joined meanwhile begins no part, or makes another token with what follows.
            guard ends[place] >= 0, self.rank(at: place) == Int(found) else { continue }
            let middle = Int(ends[place])
            let end = Int(ends[middle])
            ends[place] = Int32(truncatingIfNeeded: end)
            ends[middle] = -1
            parts -= 1
            if end < count {
                previous[end] = Int32(truncatingIfNeeded: place)
                propose(place)
            }
            if previous[place] >= 0 { propose(Int(previous[place])) }
        }
        return parts == 2 ? Int(ends[0]) : nil
    }

    /// The rank of what the part at `place` makes with the next one.
    private func rank(at place: Int) -> Int? {
        let middle = Int(ends[place])
        guard middle < ends.count else { return nil }
        return index.id(of: place..<Int(ends[middle])).map { Int($0) }
    }

    private mutating func propose(_ place: Int) {
        guard let rank = rank(at: place) else { return }
        candidates.insert(rank: UInt64(rank), place: place)
    }
}
