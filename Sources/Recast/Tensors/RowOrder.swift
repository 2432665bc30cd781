/// A permutation of rows that exchanges two axes: rows counted as [outer][first][second][block] come from rows counted
/// as [outer][second][first][block].
///
/// Rotary layouts, interleaved gates and grouped projections are of this form, and so are their inverses.
public struct RowOrder: Sendable, Hashable, Codable {
    public let outer: Int
    public let first: Int
    public let second: Int
    public let block: Int

    public init(outer: Int, first: Int, second: Int, block: Int = 1) {
        self.outer = outer
        self.first = first
        self.second = second
        self.block = block
    }

    public var rowCount: Int { outer * groupCount }
    /// The rows that only change places among themselves.
    public var groupCount: Int { first * second * block }
    public var isIdentity: Bool { first == 1 || second == 1 }
    public var inverse: RowOrder { RowOrder(outer: outer, first: second, second: first, block: block) }

    /// Where row `row` of the result comes from.
    public func source(of row: Int) -> Int {
        let (group, inside) = row.quotientAndRemainder(dividingBy: groupCount)
        let (index, offset) = inside.quotientAndRemainder(dividingBy: block)
        let (i, j) = index.quotientAndRemainder(dividingBy: second)
        return group * groupCount + (j * first + i) * block + offset
    }

    /// Rotary pairs, from halves of a head (Hugging Face: `j` and `j + D/2` turn together) to neighbours (GGUF's llama
    /// architecture: `2j` and `2j + 1`). Source: Specs/gguf.md §d.2.
    public static func rotaryNeighbours(heads: Int, headDimension: Int) -> RowOrder {
        RowOrder(outer: heads, first: headDimension / 2, second: 2)
    }
}
