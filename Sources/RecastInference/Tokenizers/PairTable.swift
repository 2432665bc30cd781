/// A map between numbers, open-addressed: the merges of a vocabulary are asked for several times per byte of text.
struct PairTable: Sendable {
    /// What a key that is not there has for a value. `UInt64.max` is not a key.
    static let missing = UInt64.max

    private struct Slot: Sendable {
        var key = UInt64.max
        var value = PairTable.missing
    }

    private var slots: [Slot]
    private var shift: UInt64
    /// Without it, keys could be chosen that all want the same slot.
    private let secret: UInt64
    private static let processSecret = UInt64.random(in: .min ... .max)
    private(set) var count = 0

    init(minimumCapacity: Int = 0) {
        var bits = 4
        while 1 << bits < minimumCapacity * 2 { bits += 1 }
        slots = Array(repeating: Slot(), count: 1 << bits)
        shift = UInt64(64 - bits)
        secret = Self.processSecret
    }

    /// Two ids as one key.
    @inline(__always)
    static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    subscript(key: UInt64) -> UInt64 {
        @inline(__always) get {
            var index = home(of: key)
            while slots[index].key != key {
                if slots[index].key == UInt64.max { return Self.missing }
                index = (index &+ 1) & (slots.count &- 1)
            }
            return slots[index].value
        }
        set {
            if (count + 1) * 2 > slots.count { grow() }
            var index = home(of: key)
            while slots[index].key != key, slots[index].key != UInt64.max {
                index = (index &+ 1) & (slots.count &- 1)
            }
            if slots[index].key != key { count += 1 }
            slots[index] = Slot(key: key, value: newValue)
        }
    }

    @inline(__always)
    private func home(of key: UInt64) -> Int {
        Int(truncatingIfNeeded: UnsafeBufferPointer<UInt8>.mixed(key ^ secret) >> shift)
    }

    private mutating func grow() {
        var larger = PairTable(minimumCapacity: slots.count)
        for slot in slots where slot.key != UInt64.max { larger[slot.key] = slot.value }
        self = larger
    }
}
