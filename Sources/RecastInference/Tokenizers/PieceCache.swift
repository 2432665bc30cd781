/// Where pieces of text were encoded before, within one text: most words of a text are not new.
///
/// It remembers positions in the output, which keeps all ids, instead of the ids; and it forgets a piece as soon as
/// another one needs its place.
struct PieceCache {
    /// Longer pieces seldom come back.
    static let longestPiece = 32

    struct Key: Equatable {
        private var words: SIMD4<UInt64>
        private var count: Int32

        /// The key of `range`, which is at most `longestPiece` long.
        @inline(__always)
        init(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
            count = Int32(truncatingIfNeeded: range.count)
            words = .zero
            var offset = range.lowerBound
            var index = 0
            while offset < range.upperBound {
                let rest = range.upperBound &- offset
                var word = text.word(at: offset)
                if rest < 8 { word &= (1 &<< UInt64(rest &* 8)) &- 1 }
                words[index] = word
                offset &+= 8
                index &+= 1
            }
        }

        @inline(__always)
        fileprivate var hash: UInt64 {
            var hash = UnsafeBufferPointer.mixed(words[0] ^ UInt64(truncatingIfNeeded: count))
            if count > 8 {
                hash = UnsafeBufferPointer.mixed(hash ^ words[1])
                if count > 16 { hash = UnsafeBufferPointer.mixed(hash ^ words[2] ^ words[3] &* 0x9E37_79B9_7F4A_7C15) }
            }
            return hash
        }

        fileprivate static let none = Key(UnsafeBufferPointer(start: nil, count: 0), 0..<0)
    }

    private struct Entry {
        var key = Key.none
        var start: Int = 0
        var count: Int = 0
    }

    private var entries: [Entry]

    /// A cache for a text of `byteCount` bytes.
    init(byteCount: Int) {
        var capacity = 16
        while capacity < byteCount / 8, capacity < 1 << 15 { capacity *= 2 }
        entries = Array(repeating: Entry(), count: capacity)
    }

    /// The place of a piece in the output and its place in the cache; nil where it is new or forgotten.
    @inline(__always)
    func place(of key: Key, slot: inout Int) -> Range<Int>? {
        slot = Int(truncatingIfNeeded: key.hash) & (entries.count &- 1)
        let entry = entries[slot]
        return entry.key == key ? entry.start..<(entry.start &+ entry.count) : nil
    }

    /// Remembers where in the output the ids of `key` are.
    mutating func remember(_ key: Key, in slot: Int, at place: Range<Int>) {
        entries[slot] = Entry(key: key, start: place.lowerBound, count: place.count)
    }
}
