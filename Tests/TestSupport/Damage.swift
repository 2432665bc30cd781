extension [UInt8] {
    /// Appends a number in little-endian order, as all formats store it.
    package mutating func put(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// A damaged copy: cut off, or with a few bytes changed, inserted or left out.
    package func damaged(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = self
        guard !bytes.isEmpty else { return [UInt8.random(in: 0...255, using: &random)] }
        if Int.random(in: 0..<4, using: &random) == 0 {
            bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
            return bytes
        }
        for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes[place] = [0, 0xFF, 0x7F, 0x80].randomElement(using: &random)!
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            default: bytes.remove(at: place)
            }
        }
        return bytes
    }
}
