/// The bytes of every token, one after the other in one array, and the way back from bytes to ids.
///
/// Strings would not do as keys: canonically equivalent ones are equal in Swift, and tokens are bytes.
struct TokenBytes: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// Ids by the hash of their bytes; -1 where a slot is free.
    private var slots: [Int32]
    /// Without it, tokens could be chosen that all want the same slot.
    private let secret = UInt64.random(in: .min ... .max)

    init(capacity: Int) {
        var bits = 4
        while 1 << bits < capacity * 2 { bits += 1 }
        slots = Array(repeating: -1, count: 1 << bits)
        ends.reserveCapacity(capacity)
        bytes.reserveCapacity(capacity * 8)
    }

    var count: Int { ends.count }

    var indices: Range<Int> { ends.indices }

    subscript(id: Int) -> ArraySlice<UInt8> { bytes[(id == 0 ? 0 : ends[id - 1])..<ends[id]] }

    /// Appends the bytes of the next id, which `body` writes.
    mutating func append(_ body: (inout [UInt8]) -> Void) {
        body(&bytes)
        ends.append(bytes.count)
    }

    /// Makes a token be found by its bytes; the first of several with the same bytes is the one found.
    mutating func index(_ id: Int) {
        let slot = self[id].withUnsafeBufferPointer { self.slot(of: $0) }
        if slots[slot] < 0 { slots[slot] = Int32(id) }
    }

    /// The id of the token with these bytes.
    func id(of key: UnsafeBufferPointer<UInt8>) -> Int32? {
        let id = slots[slot(of: key)]
        return id < 0 ? nil : id
    }

    /// The slot that holds these bytes or would hold them.
    private func slot(of key: UnsafeBufferPointer<UInt8>) -> Int {
        var slot = Int(truncatingIfNeeded: key.hash64(secret)) & (slots.count - 1)
        while slots[slot] >= 0, !key.elementsEqual(self[Int(slots[slot])]) {
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// A hash of the bytes, eight at a time.
    func hash64(_ secret: UInt64) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: count) ^ secret
        var offset = 0
        while offset < count {
            hash = Self.mixed(hash ^ word(at: offset))
            offset += 8
        }
        return hash
    }

    /// Up to eight bytes from `offset` on as a number, with zeros for bytes beyond the end.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        if offset &+ 8 <= count {
            return UInt64(
                littleEndian: UnsafeRawPointer(baseAddress!).loadUnaligned(
                    fromByteOffset: offset, as: UInt64.self))
        }
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for index in offset..<count {
            word |= UInt64(self[index]) << shift
            shift &+= 8
        }
        return word
    }

    /// The two halves of a product folded: every bit of the result depends on every bit of `value`.
    @inline(__always)
    static func mixed(_ value: UInt64) -> UInt64 {
        let (high, low) = (value ^ 0xE703_7ED1_A0B4_28DB).multipliedFullWidth(by: 0x8EBC_6AF0_9C88_C6E3)
        return high ^ low
    }
}
