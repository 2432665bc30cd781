import Recast

/// Byte-pair merges by rank, on ids.
struct MergeTable: Sendable {
    /// Pairs of ids to rank (high half) and merged id (low half): the merge of lowest rank is made first, of equals the
    /// leftmost.
    private var values: PairTable

    init(capacity: Int) { values = PairTable(minimumCapacity: capacity) }

    mutating func insert(_ left: Int32, _ right: Int32, rank: Int, result: Int32) {
        values[PairTable.key(left, right)] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: result))
    }

    @inline(__always)
    private func value(_ left: Int32, _ right: Int32) -> UInt64 { values[PairTable.key(left, right)] }

    /// Up to this many symbols it is quicker to look at all of them for every merge than to keep a queue.
    private static let longestScanned = 96

    /// Merges symbols in place and returns how many are left, at the front.
    func merge(_ symbols: UnsafeMutableBufferPointer<Int32>) -> Int {
        if symbols.count < 2 { return symbols.count }
        if symbols.count > Self.longestScanned { return mergeQueued(symbols) }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: symbols.count) {
            mergeScanned(symbols, pairs: $0)
        }
    }

    private func mergeScanned(
        _ symbols: UnsafeMutableBufferPointer<Int32>, pairs: UnsafeMutableBufferPointer<UInt64>
    ) -> Int {
        var pairCount = symbols.count &- 1
        for index in 0..<pairCount { pairs[index] = value(symbols[index], symbols[index &+ 1]) }
        while pairCount > 0 {
            var best = PairTable.missing >> 32
            var place = 0
            for index in 0..<pairCount where pairs[index] >> 32 < best {
                best = pairs[index] >> 32
                place = index
            }
            if best == PairTable.missing >> 32 { break }
            symbols[place] = Int32(truncatingIfNeeded: pairs[place])
            var index = place &+ 1
            while index < pairCount {
                symbols[index] = symbols[index &+ 1]
                pairs[index &- 1] = pairs[index]
                index &+= 1
            }
            pairCount &-= 1
            if place > 0 { pairs[place &- 1] = value(symbols[place &- 1], symbols[place]) }
            if place < pairCount { pairs[place] = value(symbols[place], symbols[place &+ 1]) }
        }
        return pairCount &+ 1
    }

    /// More symbols than places can be numbered here.
    static let mostSymbols = Int(Int32.max) - 1

    /// The same with a queue of pairs and a list of symbols, for pieces so long that scans would be quadratic.
    ///
    /// After Ctrl-C it ends before all is merged.
    func mergeQueued(_ symbols: UnsafeMutableBufferPointer<Int32>) -> Int {
        let count = symbols.count
        var next = (1...count).map { Int32(truncatingIfNeeded: $0) }
        var previous = (-1..<(count - 1)).map { Int32(truncatingIfNeeded: $0) }
        var queue = RankQueue()
        func rank(_ left: Int32, _ right: Int32) -> UInt64? {
            let pair = value(left, right)
            return pair == PairTable.missing ? nil : pair >> 32
        }
        for index in 0..<(count - 1) {
            if let rank = rank(symbols[index], symbols[index + 1]) { queue.append(rank: rank, place: index) }
        }
        queue.order()
        var untilCheck = 0
        while let (lowest, place) = queue.removeFirst() {
            untilCheck &-= 1
            if untilCheck < 0 {
                if Interruption.hasCome { break }
                untilCheck = 1 << 16
            }
            let right = Int(next[place])
            // A symbol that was merged away is -1; a pair that changed since has another rank.
            guard symbols[place] >= 0, right < count else { continue }
            let pair = value(symbols[place], symbols[right])
            guard pair != PairTable.missing, pair >> 32 == lowest else { continue }
            symbols[place] = Int32(truncatingIfNeeded: pair)
            symbols[right] = -1
            let after = Int(next[right])
            next[place] = Int32(truncatingIfNeeded: after)
            if after < count {
                previous[after] = Int32(truncatingIfNeeded: place)
                if let rank = rank(symbols[place], symbols[after]) { queue.insert(rank: rank, place: place) }
            }
            let before = Int(previous[place])
            if before >= 0, let rank = rank(symbols[before], symbols[place]) {
                queue.insert(rank: rank, place: before)
            }
        }
        var kept = 0
        for index in 0..<count where symbols[index] >= 0 {
            symbols[kept] = symbols[index]
            kept += 1
        }
        return kept
    }
}
