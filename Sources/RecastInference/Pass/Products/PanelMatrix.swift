internal import CKernels
import Recast

/// A weight `[rows, columns]` as it is stored, in panels of 16 rows, in memory that somebody else keeps.
struct PanelMatrix {
    let type: PanelType
    let rows: Int
    let base: UnsafeMutableRawPointer

    init(_ type: PanelType, rows: Int, at base: UnsafeMutableRawPointer) {
        self.type = type
        self.rows = rows
        self.base = base
    }

    static func panelCount(rows: Int) -> Int { rows.dividedRoundingUp(by: PanelType.rowsOfPanel) }
    static func byteCount(_ type: PanelType, rows: Int) -> Int { panelCount(rows: rows) * type.panelByteCount }

    var panelCount: Int { Self.panelCount(rows: rows) }

    /// Puts rows as they are stored into their panels.
    ///
    /// - Parameter range: of the rows; it begins with a panel, and ends with one or with the last row.
    func fill(_ range: Range<Int>, from bytes: UnsafePointer<UInt8>) {
        for first in stride(from: range.lowerBound, to: range.upperBound, by: PanelType.rowsOfPanel) {
            let count = min(PanelType.rowsOfPanel, range.upperBound - first)
            let source = bytes + (first - range.lowerBound) * type.rowByteCount
            let panel = base + first / PanelType.rowsOfPanel * type.panelByteCount
            if let blocks = type.blocks {
                ck_make_panel(
                    blocks, source, count, type.rowByteCount, type.blockCount,
                    panel.assumingMemoryBound(to: UInt8.self))
            } else {
                ck_make_bf16_panel(
                    source, count, type.rowByteCount, type.columns, panel.assumingMemoryBound(to: UInt16.self))
            }
        }
    }

    /// A row as it is stored.
    func copyRow(_ row: Int, into bytes: UnsafeMutablePointer<UInt8>) {
        let panel = base + row / PanelType.rowsOfPanel * type.panelByteCount
        let place = row % PanelType.rowsOfPanel
        if let blocks = type.blocks {
            ck_read_panel(blocks, panel.assumingMemoryBound(to: UInt8.self), place, type.blockCount, bytes)
        } else {
            ck_read_bf16_panel(panel.assumingMemoryBound(to: UInt16.self), place, type.columns, bytes)
        }
    }
}

extension PanelMatrix {
    /// Where products go: `[tokens, rows]`, tokens `stride` apart.
    struct Target {
        var output: UnsafeMutablePointer<Float>
        var stride: Int
        /// The row of the weight that is the output's first column.
        var first = 0
        var accumulating: Bool
    }

    /// Products of some panels with rounded activations.
    func multiply(
        _ panels: Range<Int>, with activations: RoundedActivations, into target: Target, using scratch: ProductScratch
    ) {
        if type.blocks == nil {
            multiplyPairs(panels, with: activations, into: target, scratch)
        } else if activations.tiles.count > 1 {
            multiplyTiles(panels, with: activations, into: target, scratch)
        } else {
            multiplyTile(panels, with: activations, into: target, scratch)
        }
    }

    /// Panels that stay in the second-level cache while tiles of tokens go by.
    private static let bytesAtOnce = 256 << 10
    /// Numbers of a row that are unpacked at once for few tokens, so that codes stay in the first-level cache.
    private static let columnsAtOnce = 1024

    private func multiplyPairs(
        _ panels: Range<Int>, with x: RoundedActivations, into target: Target, _ scratch: ProductScratch
    ) {
        let kernel = type.kernels.bfloat16!.pointee.multiply
        for group in panels.pieces(of: max(1, Self.bytesAtOnce / type.panelByteCount)) {
            for (index, tile) in x.tiles.enumerated() {
                for panel in group {
                    scratch.clear(tile.width)
                    kernel(
                        (base + panel * type.panelByteCount).assumingMemoryBound(to: UInt16.self), x.pairs(of: index),
                        type.columns, tile.width, scratch.products)
                    put(scratch.products, panel, tile, into: target)
                }
            }
        }
    }

    /// A panel as it is stored, from a block on.
    private func stored(_ panel: Int, from block: Int = 0) -> UnsafePointer<UInt8> {
        let offset = panel * type.panelByteCount + block * PanelType.rowsOfPanel * Int(type.form.block_bytes)
        return UnsafePointer((base + offset).assumingMemoryBound(to: UInt8.self))
    }

    /// One tile, for which nothing is unpacked longer than it is needed; of a single token nothing at all.
    private func multiplyTile(
        _ panels: Range<Int>, with x: RoundedActivations, into target: Target, _ scratch: ProductScratch
    ) {
        let (kernels, tile) = (type.kernels.blocks!.pointee, x.tiles[0])
        let blocks = (0..<type.blockCount).pieces(of: Self.columnsAtOnce / Int(type.form.block))
        let codes = tile.width == 1 ? nil : scratch.codes(1, columns: Self.columnsAtOnce)[0]
        for panel in panels {
            scratch.clear(tile.width)
            if let codes {
                for piece in blocks {
                    kernels.unpack(type.blocks!, stored(panel, from: piece.lowerBound), piece.count, codes)
                    kernels.multiply(
                        type.form, codes, x.blocks(of: 0, from: piece.lowerBound), piece.count, tile.width,
                        scratch.products)
                }
            } else {
                kernels.multiply_one(
                    type.blocks!, stored(panel), x.blocks(of: 0, from: 0), type.blockCount, scratch.products)
            }
            put(scratch.products, panel, tile, into: target)
        }
    }

    /// Many tiles, for which panels are unpacked once.
    private func multiplyTiles(
        _ panels: Range<Int>, with x: RoundedActivations, into target: Target, _ scratch: ProductScratch
    ) {
        let kernels = type.kernels.blocks!.pointee
        let atOnce = min(panels.count, max(1, Self.bytesAtOnce / (PanelType.rowsOfPanel * type.columns)))
        let codes = scratch.codes(atOnce, columns: type.columns)
        for group in panels.pieces(of: atOnce) {
            for panel in group {
                kernels.unpack(type.blocks!, stored(panel), type.blockCount, codes[panel - group.lowerBound])
            }
            for (index, tile) in x.tiles.enumerated() {
                let activations = x.blocks(of: index, from: 0)
                for panel in group {
                    scratch.clear(tile.width)
                    kernels.multiply(
                        type.form, codes[panel - group.lowerBound], activations, type.blockCount, tile.width,
                        scratch.products)
                    put(scratch.products, panel, tile, into: target)
                }
            }
        }
    }

    private func put(
        _ products: UnsafePointer<Float>, _ panel: Int, _ tile: RoundedActivations.Tile, into target: Target
    ) {
        let row = panel * PanelType.rowsOfPanel
        let count = min(PanelType.rowsOfPanel, rows - row)
        for token in 0..<tile.tokens.count {
            let place = target.output + (tile.tokens.lowerBound + token) * target.stride + row - target.first
            let source = products + token * PanelType.rowsOfPanel
            if count == PanelType.rowsOfPanel {
                let all = UnsafeRawPointer(source).loadUnaligned(as: SIMD16<Float>.self)
                let bytes = UnsafeMutableRawPointer(place)
                let before = target.accumulating ? bytes.loadUnaligned(as: SIMD16<Float>.self) : .zero
                bytes.storeBytes(of: target.accumulating ? before + all : all, as: SIMD16<Float>.self)
            } else if target.accumulating {
                for i in 0..<count { place[i] += source[i] }
            } else {
                place.update(from: source, count: count)
            }
        }
    }
}
