/// Stepping through UTF-8 that is known to be valid because it is a String's.
extension UnsafeBufferPointer<UInt8> {
    /// The scalar value that starts at `offset`, and the offset of the next one.
    @inline(__always)
    func scalar(at offset: Int) -> (value: UInt32, next: Int) {
        let first = UInt32(self[offset])
        if first < 0x80 { return (first, offset &+ 1) }
        let second = UInt32(self[offset &+ 1]) & 0x3F
        if first < 0xE0 { return ((first & 0x1F) << 6 | second, offset &+ 2) }
        let third = UInt32(self[offset &+ 2]) & 0x3F
        if first < 0xF0 { return ((first & 0x0F) << 12 | second << 6 | third, offset &+ 3) }
        let fourth = UInt32(self[offset &+ 3]) & 0x3F
        return ((first & 0x07) << 18 | second << 12 | third << 6 | fourth, offset &+ 4)
    }

    /// The scalar value that ends at `offset`, which is above 0, and the offset where it starts.
    func scalar(before offset: Int) -> (value: UInt32, start: Int) {
        var start = offset - 1
        while self[start] & 0xC0 == 0x80 { start -= 1 }
        return (scalar(at: start).value, start)
    }

    /// The bytes of a range, numbered from 0.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: self[range])
    }
}
