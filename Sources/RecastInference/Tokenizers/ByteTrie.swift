/// Strings of bytes with a number each, to be found where they begin in a text.
struct ByteTrie: Sendable {
    /// Node and byte to node.
    private var children = PairTable()
    /// The number of the string that ends at a node; -1 for none.
    private var values: [Int32] = [-1]

    /// Adds a string; the first of equal ones is the one found.
    mutating func insert(_ bytes: some Sequence<UInt8>, _ value: Int32) {
        var node = 0
        for byte in bytes {
            let key = UInt64(node) << 8 | UInt64(byte)
            let child = children[key]
            if child != PairTable.missing {
                node = Int(child)
            } else {
                children[key] = UInt64(values.count)
                node = values.count
                values.append(-1)
            }
        }
        if values[node] < 0 { values[node] = value }
    }

    /// Calls `body` with every string that begins at `start`, and where it ends, shortest first.
    @inline(__always)
    func forEachMatch(
        at start: Int, in text: UnsafeBufferPointer<UInt8>, _ body: (_ value: Int32, _ end: Int) -> Void
    ) {
        var node: UInt64 = 0
        var offset = start
        while offset < text.count {
            node = children[node << 8 | UInt64(text[offset])]
            if node == PairTable.missing { return }
            offset &+= 1
            let value = values[Int(truncatingIfNeeded: node)]
            if value >= 0 { body(value, offset) }
        }
    }
}
