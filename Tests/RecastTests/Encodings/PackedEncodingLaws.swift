import TestSupport
import Testing

@testable import Recast

/// What a weight is taken apart into is what it was put together from.
struct PackedEncodingLaws {
    private static let shapes = [
        [32, 64], [64, 128], [96, 192], [160, 320], [128, 256], [33, 100], [7, 64], [520, 64],
    ]

    /// Tile to stored tensors to tile, cut into any jobs and read in any windows.
    @Test(arguments: PackingCase.all) func storingIsLossless(_ each: PackingCase) throws {
        var random = SeededGenerator(seed: 1)
        var count = 0
        for shape in Self.shapes {
            for modelType in [DType.bf16, .f16, .f32] {
                let encoding = each.encoding(modelType: modelType, shape: shape)
                guard encoding.obstacle(rows: shape[0], columns: shape[1]) == nil else { continue }
                count += 1
                let (rows, columns) = each.matrix(of: shape)
                let tile = encoding.randomTile(rows: rows, columns: columns, &random)
                var tally = Tally()
                let parts = try encoding.stored(tile, cuts: encoding.randomCuts(rows: rows, &random), tally: &tally)
                #expect(tally.roundedCount == 0 && tally.overflowCount == 0)
                var reader = Reader(files: FilePool([]))
                let grain = max(1, encoding.scheme.block.rows)
                for _ in 0..<4 {
                    let first = Int.random(in: 0..<rows, using: &random) / grain * grain
                    let end = min(rows, Int.random(in: first + 1...rows, using: &random).aligned(to: grain))
                    let range = encoding.scheme.block.rows == 0 ? 0..<rows : first..<end
                    let found = try encoding.tile(of: parts, rows: range, shape: (rows, columns), using: &reader)
                    let expected = tile.rows(range)
                    #expect(found.codes == expected.codes)
                    #expect(found.offsets == expected.offsets)
                    #expect(found.groups == nil)
                    if encoding.isDoubleQuantized {
                        // A scale in a byte: within the widest gap of the table, half of it, and rounding.
                        let farthest = tile.scales.map { abs($0 - tile.scales.reduce(0, +) / Float(tile.scales.count)) }
                            .max()!
                        #expect(zip(found.scales, expected.scales).allSatisfy { abs($0 - $1) <= 0.008 * farthest })
                    } else {
                        #expect(found.scales == expected.scales)
                    }
                }
            }
        }
        #expect(count > 2, "no shape fits")
    }

    /// What a weight decodes to is what its codes stand for, in any window of rows and columns.
    @Test(arguments: PackingCase.all) func windowsDecodeAlike(_ each: PackingCase) throws {
        var random = SeededGenerator(seed: 2)
        // Rows of bitsandbytes do not begin with a block.
        for shape in [[64, 192], [128, 96]] {
            let encoding = each.encoding(modelType: .f16, shape: shape)
            guard encoding.obstacle(rows: shape[0], columns: shape[1]) == nil else { continue }
            let (rows, columns) = each.matrix(of: shape)
            let tile = encoding.randomTile(rows: rows, columns: columns, &random)
            var tally = Tally()
            let parts = try encoding.stored(tile, cuts: [0, rows], tally: &tally)
            let weight = LazyTensor.decoded(encoding, [rows, columns], parts).reshaped(shape)
            var reader = Reader(files: FilePool([]))
            let whole = try weight.numbers(rows: 0..<shape[0], as: Float.self, using: &reader)
            if !encoding.isDoubleQuantized { #expect(whole == tile.numbers) }
            for _ in 0..<8 {
                let top = Int.random(in: 0..<shape[0], using: &random)
                let left = Int.random(in: 0..<shape[1], using: &random)
                let window = Window(
                    rows: top..<Int.random(in: top + 1...shape[0], using: &random),
                    columns: left..<Int.random(in: left + 1...shape[1], using: &random))
                let found = try weight.numbers(in: window, using: &reader)
                #expect(
                    found
                        == window.rows.flatMap {
                            whole[$0 * shape[1] + window.columns.lowerBound..<$0 * shape[1] + window.columns.upperBound]
                        })
            }
        }
    }
}

extension Tile {
    /// By the definition of the scheme, one number after the other.
    var numbers: [Float] {
        (0..<rows * columns).map { index in
            let (row, column) = (index / columns, index % columns)
            let blockRow = scheme.block.rows == 0 ? 0 : row / scheme.block.rows
            let width = scheme.block.columns == 0 ? columns : scheme.block.columns
            let block = blockRow * ((columns + width - 1) / width) + (groups.map { Int($0[column]) } ?? column / width)
            let code = codes[index]
            if case .table(let levels) = scheme.grid { return levels.values[Int(code)] * scales[block] }
            switch scheme.origin {
            case .symmetric: return (Float(code) - Float(1 << (scheme.bits - 1))) * scales[block]
            case .zeroPoint: return (Float(code) - offsets[block]) * scales[block]
            case .affineMinimum: return Float(code) * scales[block] + offsets[block]
            }
        }
    }
}

extension LazyTensor {
    func numbers(in window: Window, using reader: inout Reader) throws -> [Float] {
        let count = byteCount(of: window)
        return try reader.withScratch(count) { (reader, buffer) throws(RecastError) in
            try read(window, into: buffer, using: &reader)
            return Array(buffer.bindMemory(to: Float.self))
        }
    }
}
