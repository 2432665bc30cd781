#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Finds pieces by parts of other pieces, in a time that does not grow with their length.
///
/// A part is looked up by a fingerprint, a polynomial modulo the prime 2^61 − 1 that comes from sums over prefixes, and then
/// compared byte by byte. Where the polynomial is taken is drawn at random, so that no file can be made of pieces that
/// have the same fingerprint.
package struct PieceIndex {
    private struct Entry {
        var fingerprint: UInt64
        var id: Int32
        var range: Range<Int>
    }

    private let base = UInt64.random(in: 256..<Self.prime)
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// Places in `entries` by fingerprint; -1 where a slot is free.
    private var slots: [Int32]

    /// The piece whose parts are asked for, the fingerprints of its prefixes, and the powers of the base.
    private var whole: [UInt8] = []
    private var prefixes: [UInt64] = [0]
    private var powers: [UInt64] = [1]

    private static let prime: UInt64 = 1 << 61 - 1

    /// - Parameter capacity: how many pieces will be inserted at most.
    package init(capacity: Int) {
        var bits = 4
        while 1 << bits < capacity * 2 { bits += 1 }
        slots = Array(repeating: -1, count: 1 << bits)
        entries.reserveCapacity(capacity)
    }

    /// Adds a piece; the first of equal ones is the one found.
    package mutating func insert(_ piece: UnsafeBufferPointer<UInt8>, id: Int32) {
        let fingerprint = piece.reduce(0) { sum($0, times: base, plus: Self.number($1)) }
        let slot = slot(of: fingerprint, piece)
        guard slots[slot] < 0 else { return }
        slots[slot] = Int32(entries.count)
        entries.append(Entry(fingerprint: fingerprint, id: id, range: bytes.count..<bytes.count + piece.count))
        bytes.append(contentsOf: piece)
    }

    /// Makes `piece` the one that parts are asked of.
    package mutating func select(_ piece: UnsafeBufferPointer<UInt8>) {
        whole.removeAll(keepingCapacity: true)
        whole.append(contentsOf: piece)
        prefixes.removeLast(prefixes.count - 1)
        for byte in piece { prefixes.append(sum(prefixes.last!, times: base, plus: Self.number(byte))) }
        while powers.count <= piece.count { powers.append(sum(powers.last!, times: base, plus: 0)) }
    }

    /// The id of the piece that a part of the selected one is.
    package func id(of part: Range<Int>) -> Int32? {
        let subtrahend = sum(prefixes[part.lowerBound], times: powers[part.count], plus: 0)
        let difference = prefixes[part.upperBound] &+ Self.prime &- subtrahend
        let fingerprint = difference >= Self.prime ? difference &- Self.prime : difference
        let place = whole.withUnsafeBufferPointer {
            slots[slot(of: fingerprint, UnsafeBufferPointer(rebasing: $0[part]))]
        }
        return place < 0 ? nil : entries[Int(place)].id
    }

    /// The slot that holds a piece or would hold it.
    private func slot(of fingerprint: UInt64, _ piece: UnsafeBufferPointer<UInt8>) -> Int {
        var slot = Int(truncatingIfNeeded: (fingerprint &* 0x9E37_79B9_7F4A_7C15) >> 20) & (slots.count - 1)
        while slots[slot] >= 0 {
            let entry = entries[Int(slots[slot])]
            if entry.fingerprint == fingerprint, entry.range.count == piece.count, isEqual(entry.range, piece) {
                return slot
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    private func isEqual(_ range: Range<Int>, _ piece: UnsafeBufferPointer<UInt8>) -> Bool {
        piece.isEmpty
            || bytes.withUnsafeBytes {
                memcmp($0.baseAddress! + range.lowerBound, piece.baseAddress!, piece.count) == 0
            }
    }

    /// Not 0, or any number of such bytes would be alike.
    @inline(__always)
    private static func number(_ byte: UInt8) -> UInt64 { UInt64(byte) + 1 }

    /// a · b + c modulo the prime, for numbers below it.
    @inline(__always)
    private func sum(_ a: UInt64, times b: UInt64, plus c: UInt64) -> UInt64 {
        let (high, low) = a.multipliedFullWidth(by: b)
        // 2^61 is 1 here.
        let folded = (low & Self.prime) &+ (low >> 61 | high << 3) &+ c
        let once = (folded & Self.prime) &+ folded >> 61
        return once >= Self.prime ? once &- Self.prime : once
    }
}
