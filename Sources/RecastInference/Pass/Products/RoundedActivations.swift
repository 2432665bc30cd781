internal import CKernels
import Recast

/// Hidden states rounded to what a type of weights is multiplied with, in tiles of tokens.
final class RoundedActivations {
    /// Some tokens side by side; more of them than there are for the last tile's sake.
    struct Tile {
        var tokens: Range<Int>
        var width: Int
        /// From the beginning of the memory.
        fileprivate var offset: Int
    }

    private(set) var tiles: [Tile] = []
    private var type: PanelType?
    private var memory = FloatBuffer(count: 0)

    private static let widths = [1, 2, 4, 8, 12, 24]

    /// Makes room for `rows` tokens; each tile is then to be rounded.
    func prepare(_ type: PanelType, rows: Int) {
        self.type = type
        tiles = []
        var offset = 0
        var first = 0
        while first < rows {
            let count = min(type.tileWidth, rows - first)
            let width = min(type.tileWidth, Self.widths.first { $0 >= count } ?? type.tileWidth)
            tiles.append(Tile(tokens: first..<first + count, width: width, offset: offset))
            offset += (width * Self.byteCount(type)).aligned(to: 64)
            first += count
        }
        if memory.count * 4 < offset { memory = FloatBuffer(count: offset.dividedRoundingUp(by: 4)) }
    }

    /// Rounds all tokens.
    func round(_ type: PanelType, _ rows: UnsafePointer<Float>, count: Int) {
        prepare(type, rows: count)
        for tile in tiles.indices { round(tile: tile, of: rows) }
    }

    /// Rounds the tokens of a tile.
    ///
    /// - Parameter rows: `[tokens, columns]`, of all tiles.
    func round(tile index: Int, of rows: UnsafePointer<Float>) {
        let (type, tile) = (type!, tiles[index])
        let source = rows + tile.tokens.lowerBound * type.columns
        if type.blocks == nil {
            type.kernels.bfloat16!.pointee.round(
                source, tile.tokens.count, type.columns, type.columns, tile.width, pairs(of: index))
        } else {
            type.kernels.blocks!.pointee.round_blocks(
                type.form.block, source, tile.tokens.count, type.columns, type.blockCount, tile.width, type.form.offset,
                blocks(of: index, from: 0))
        }
    }

    // MARK: Places

    /// Bytes of a token: codes, and of blocks of 32 a scale and two sums each, of 256 a scale and sixteen sums of 16 bits.
    private static func byteCount(_ type: PanelType) -> Int {
        guard type.blocks != nil else { return 2 * type.columns }
        return type.columns + type.blockCount * (type.form.block == 32 ? 12 : 36)
    }

    /// Pairs of bfloat16 numbers of a tile: `[columns / 2, width, 2]`.
    func pairs(of tile: Int) -> UnsafeMutablePointer<UInt16> {
        (UnsafeMutableRawPointer(memory.base) + tiles[tile].offset).assumingMemoryBound(to: UInt16.self)
    }

    /// The blocks of a tile from one on.
    func blocks(of tile: Int, from block: Int) -> ck_activations {
        let (type, width) = (type!, tiles[tile].width)
        let base = UnsafeMutableRawPointer(memory.base) + tiles[tile].offset
        let scales = base + type.columns * width
        let next = scales + 4 * type.blockCount * width
        func place<Number>(_ base: UnsafeMutableRawPointer, _ type: Number.Type, _ each: Int) -> UnsafeMutablePointer<
            Number
        > {
            (base + MemoryLayout<Number>.stride * each * block * width).assumingMemoryBound(to: Number.self)
        }
        return ck_activations(
            codes: place(base, Int8.self, Int(type.form.block)), scales: place(scales, Float.self, 1),
            offsets: place(next, Int32.self, 1), sums: place(next + 4 * type.blockCount * width, Float.self, 1),
            pairs: place(next, Int16.self, 16))
    }
}
