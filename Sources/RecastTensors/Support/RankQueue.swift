/// Places by rank, the lowest first, of equals the leftmost: a binary heap of ranks and places below 2^32.
package struct RankQueue: Sendable {
    /// Rank in the high half, place in the low half.
    @usableFromInline var items: [UInt64] = []

    package init() {}

    /// Adds without regard to order; `order()` must follow.
    @inlinable package mutating func append(rank: UInt64, place: Int) { items.append(rank << 32 | UInt64(place)) }

    @inlinable package mutating func order() {
        // Sorted is a heap too.
        items.sort()
    }

    @inlinable package mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    @inlinable package mutating func insert(rank: UInt64, place: Int) {
        let item = rank << 32 | UInt64(place)
        var index = items.count
        items.append(item)
        while index > 0, items[(index - 1) / 2] > item {
            items[index] = items[(index - 1) / 2]
            index = (index - 1) / 2
        }
        items[index] = item
    }

    @inlinable package mutating func removeFirst() -> (rank: UInt64, place: Int)? {
        guard let first = items.first, let last = items.popLast() else { return nil }
        var index = 0
        while items.count > 2 * index + 1 {
            var child = 2 * index + 1
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            if items[child] >= last { break }
            items[index] = items[child]
            index = child
        }
        if !items.isEmpty { items[index] = last }
        return (first >> 32, Int(first & 0xFFFF_FFFF))
    }
}
