/// The longest of many strings that begins at each place of a text, in a time that grows with the text alone.
///
/// The automaton of Aho and Corasick, run backwards: of the strings spelled from their ends it knows at each place the
/// longest that ends there.
struct StringFinder: Sendable {
    /// Node and byte to node: strings from their ends.
    private var children = PairTable()
    /// The node of the longest end of a node's string that is another node's string.
    private var fallbacks: [Int32] = []
    /// The number of the longest string that ends with a node; -1 for none.
    private var values: [Int32] = []
    /// Whether a string ends with a byte: most bytes of most texts need no more than this.
    private var isLast = [Bool](repeating: false, count: 256)

    struct Match {
        var start: Int
        var value: Int32
    }

    var isEmpty: Bool { values.count < 2 }

    /// - Parameter strings: numbered from 0; empty ones are never found, and of equal ones the first is.
    init(_ strings: some Sequence<String>) {
        values = [-1]
        var parents: [Int32] = [0]
        var bytes: [UInt8] = [0]
        var depths: [Int32] = [0]
        for (number, string) in strings.enumerated() {
            guard let last = string.utf8.last else { continue }
            isLast[Int(last)] = true
            var node = 0
            for byte in string.utf8.reversed() {
                let key = Self.key(node, byte)
                let child = children[key]
                if child != PairTable.missing {
                    node = Int(child)
                } else {
                    children[key] = UInt64(values.count)
                    parents.append(Int32(truncatingIfNeeded: node))
                    depths.append(depths[node] + 1)
                    bytes.append(byte)
                    node = values.count
                    values.append(-1)
                }
            }
            if values[node] < 0 { values[node] = Int32(truncatingIfNeeded: number) }
        }
        fallbacks = [Int32](repeating: 0, count: values.count)
        for node in Self.order(depths) where depths[node] > 1 {
            var fallback = Int(fallbacks[Int(parents[node])])
            while fallback != 0, children[Self.key(fallback, bytes[node])] == PairTable.missing {
                fallback = Int(fallbacks[fallback])
            }
            let child = children[Self.key(fallback, bytes[node])]
            if child != PairTable.missing { fallbacks[node] = Int32(truncatingIfNeeded: child) }
            if values[node] < 0 { values[node] = values[Int(fallbacks[node])] }
        }
    }

    private static func key(_ node: Int, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

    /// Nodes with the shallowest first.
    private static func order(_ depths: [Int32]) -> [Int] {
        var starts = [Int](repeating: 0, count: Int(depths.max() ?? 0) + 2)
        for depth in depths { starts[Int(depth) + 1] += 1 }
        for depth in starts.indices.dropFirst() { starts[depth] += starts[depth - 1] }
        var order = [Int](repeating: 0, count: depths.count)
        for (node, depth) in depths.enumerated() {
            order[starts[Int(depth)]] = node
            starts[Int(depth)] += 1
        }
        return order
    }

    /// The longest string at each place where one begins, the last place first.
    func matches(in text: UnsafeBufferPointer<UInt8>) -> [Match] {
        var matches: [Match] = []
        if isEmpty { return matches }
        var node = 0
        var offset = text.count
        while offset > 0 {
            offset &-= 1
            let byte = text[offset]
            if node == 0, !isLast[Int(byte)] { continue }
            var child = children[Self.key(node, byte)]
            while child == PairTable.missing, node != 0 {
                node = Int(fallbacks[node])
                child = children[Self.key(node, byte)]
            }
            node = child == PairTable.missing ? 0 : Int(truncatingIfNeeded: child)
            if values[node] >= 0 { matches.append(Match(start: offset, value: values[node])) }
        }
        return matches
    }
}
