/// A permutation of rows that exchanges two axes: rows counted as [outer][first][second][block] come from rows counted
/// as [outer][second][first][block]. Each of the outermost may be followed by rows that stay where they are.
///
/// Rotary layouts, interleaved gates and grouped projections are of this form, and so are their inverses.
package struct RowOrder: Sendable, Hashable, Codable {
    package let outer: Int
    package let first: Int
    package let second: Int
    package let block: Int
    /// Rows after those of each group, which stay.
    package let rest: Int

    package init(outer: Int, first: Int, second: Int, block: Int = 1, rest: Int = 0) {
        self.outer = outer
        self.first = first
        self.second = second
        self.block = block
        self.rest = rest
    }

    package var rowCount: Int { outer * groupCount }
    /// The rows that only change places among themselves.
    package var groupCount: Int { first * second * block + rest }
    package var isIdentity: Bool { first == 1 || second == 1 }
    package var inverse: RowOrder { RowOrder(outer: outer, first: second, second: first, block: block, rest: rest) }

    /// Where row `row` of the result comes from.
    package func source(of row: Int) -> Int {
        let (group, inside) = row.quotientAndRemainder(dividingBy: groupCount)
        if inside >= groupCount - rest { return row }
        let (index, offset) = inside.quotientAndRemainder(dividingBy: block)
        let (i, j) = index.quotientAndRemainder(dividingBy: second)
        return group * groupCount + (j * first + i) * block + offset
    }

    /// How many rows from this one on have their sources one after the other.
    func run(at row: Int) -> Int {
        let inside = row % groupCount
        let resting = groupCount - rest
        return inside < resting ? block - inside % block : groupCount - inside
    }

    /// Rotary pairs of the first `rotaryDimension` elements of each head, from half-split (Hugging Face: `j` with
    /// `j + rotaryDimension/2`) to interleaved (GGUF's llama architecture: `2j` and `2j + 1`). Source:
    /// Specs/gguf.md §d.2.
    package static func rotaryInterleaved(heads: Int, headDimension: Int, rotaryDimension: Int) -> RowOrder {
        RowOrder(outer: heads, first: rotaryDimension / 2, second: 2, rest: headDimension - rotaryDimension)
    }
}
