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
    /// Products of some panels with rounded activations.
    ///
    /// - Parameters:
    ///   - output: `[tokens, rows]`, of all panels, tokens `stride` apart; its first column is that of row `first`.
    func multiply(
        _ panels: Range<Int>, with activations: RoundedActivations, into output: UnsafeMutablePointer<Float>,
        stride: Int, first: Int = 0, accumulating: Bool, using scratch: ProductScratch
    ) {
        if type.blocks == nil {
            multiplyPairs(panels, with: activations, scratch) { panel, tile in
                put(scratch.products, panel, tile, into: output, stride, first, accumulating)
            }
        } else {
            multiplyBlocks(panels, with: activations, scratch) { panel, tile in
                put(scratch.products, panel, tile, into: output, stride, first, accumulating)
            }
        }
    }

    /// Panels that stay in the second-level cache while tiles of tokens go by.
    private static let bytesAtOnce = 256 << 10
    /// Numbers of a row that are unpacked at once for few tokens, so that codes stay in the first-level cache.
    private static let columnsAtOnce = 1024

    private func multiplyPairs(
        _ panels: Range<Int>, with x: RoundedActivations, _ scratch: ProductScratch,
        _ put: (_ panel: Int, RoundedActivations.Tile) -> Void
    ) {
        let kernel = type.kernels.bfloat16!.pointee.multiply
        let atOnce = max(1, Self.bytesAtOnce / type.panelByteCount)
        for first in Swift.stride(from: panels.lowerBound, to: panels.upperBound, by: atOnce) {
            for (index, tile) in x.tiles.enumerated() {
                for panel in first..<min(panels.upperBound, first + atOnce) {
                    scratch.clear(tile.width)
                    kernel(
                        (base + panel * type.panelByteCount).assumingMemoryBound(to: UInt16.self), x.pairs(of: index),
                        type.columns, tile.width, scratch.products)
                    put(panel, tile)
                }
            }
        }
    }

    private func multiplyBlocks(
        _ panels: Range<Int>, with x: RoundedActivations, _ scratch: ProductScratch,
        _ put: (_ panel: Int, RoundedActivations.Tile) -> Void
    ) {
        let (kernels, block) = (type.kernels.blocks!, Int(type.form.block))
        let (unpack, kernel) = (kernels.pointee.unpack, kernels.pointee.multiply)
        func packed(_ panel: Int, from block: Int = 0) -> UnsafePointer<UInt8> {
            let offset = panel * type.panelByteCount + block * PanelType.rowsOfPanel * Int(type.form.block_bytes)
            return UnsafePointer((base + offset).assumingMemoryBound(to: UInt8.self))
        }
        if x.tiles.count == 1, x.tiles[0].width == 1 {
            let activations = x.blocks(of: 0, from: 0)
            for panel in panels {
                scratch.clear(1)
                kernels.pointee.multiply_one(
                    type.blocks!, packed(panel), activations, type.blockCount, scratch.products)
                put(panel, x.tiles[0])
            }
            return
        }
        guard x.tiles.count > 1 else {
            let blocksAtOnce = Self.columnsAtOnce / block
            let codes = scratch.codes(1, columns: Self.columnsAtOnce)[0]
            for panel in panels {
                scratch.clear(x.tiles[0].width)
                for first in Swift.stride(from: 0, to: type.blockCount, by: blocksAtOnce) {
                    let count = min(blocksAtOnce, type.blockCount - first)
                    unpack(type.blocks!, packed(panel, from: first), count, codes)
                    kernel(type.form, codes, x.blocks(of: 0, from: first), count, x.tiles[0].width, scratch.products)
                }
                put(panel, x.tiles[0])
            }
            return
        }
        let atOnce = max(1, Self.bytesAtOnce / (PanelType.rowsOfPanel * type.columns))
        let codes = scratch.codes(min(atOnce, panels.count), columns: type.columns)
        for first in Swift.stride(from: panels.lowerBound, to: panels.upperBound, by: atOnce) {
            let group = first..<min(panels.upperBound, first + atOnce)
            for panel in group { unpack(type.blocks!, packed(panel), type.blockCount, codes[panel - first]) }
            for (index, tile) in x.tiles.enumerated() {
                let activations = x.blocks(of: index, from: 0)
                for panel in group {
                    scratch.clear(tile.width)
                    kernel(
                        type.form, codes[panel - first], activations, type.blockCount, tile.width, scratch.products)
                    put(panel, tile)
                }
            }
        }
    }

    private func put(
        _ products: UnsafePointer<Float>, _ panel: Int, _ tile: RoundedActivations.Tile,
        into output: UnsafeMutablePointer<Float>, _ stride: Int, _ first: Int, _ accumulating: Bool
    ) {
        let row = panel * PanelType.rowsOfPanel
        let count = min(PanelType.rowsOfPanel, rows - row)
        for token in 0..<tile.tokens.count {
            let target = output + (tile.tokens.lowerBound + token) * stride + row - first
            let source = products + token * PanelType.rowsOfPanel
            if count == PanelType.rowsOfPanel {
                let all = UnsafeRawPointer(source).loadUnaligned(as: SIMD16<Float>.self)
                let place = UnsafeMutableRawPointer(target)
                let before = accumulating ? place.loadUnaligned(as: SIMD16<Float>.self) : .zero
                place.storeBytes(of: accumulating ? before + all : all, as: SIMD16<Float>.self)
            } else if accumulating {
                for i in 0..<count { target[i] += source[i] }
            } else {
                target.update(from: source, count: count)
            }
        }
    }
}

/// What a worker needs to multiply.
final class ProductScratch {
    /// `[width, 16]`
    let products: UnsafeMutablePointer<Float>
    private let memory: FloatBuffer
    private var unpacked: FloatBuffer?
    private var places: [ck_codes] = []
    private var columns = 0

    init() {
        memory = FloatBuffer(count: 32 * PanelType.rowsOfPanel)
        products = memory.base
    }

    func clear(_ width: Int) {
        let place = UnsafeMutableRawPointer(products)
        for token in 0..<width { place.storeBytes(of: .zero, toByteOffset: 64 * token, as: SIMD16<Float>.self) }
    }

    /// Room for panels in the form in which they are multiplied.
    func codes(_ count: Int, columns: Int) -> [ck_codes] {
        if self.columns == columns, places.count >= count { return places }
        // Codes; scales and minima of 32 each; multiples of 16; their minima in pairs.
        let sizes = [16, 2, 2, 4, 2].map { ($0 * columns).aligned(to: 64) }
        let size = sizes.reduce(0, +)
        let buffer = FloatBuffer(count: count * size / 4)
        unpacked = buffer
        self.columns = columns
        places = (0..<count).map { index in
            var next = UnsafeMutableRawPointer(buffer.base) + index * size
            func take<Number>(_ bytes: Int, _ type: Number.Type) -> UnsafeMutablePointer<Number> {
                defer { next += bytes }
                return next.assumingMemoryBound(to: type)
            }
            return ck_codes(
                codes: take(sizes[0], UInt8.self), scales: take(sizes[1], Float.self),
                minima: take(sizes[2], Float.self),
                multiples: take(sizes[3], Int32.self), lows: take(sizes[4], Int16.self))
        }
        return places
    }
}
