import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Every packed encoding with the choices it has.
struct PackingCase: CustomTestStringConvertible, Sendable {
    var name: String
    var choices: Packing.Choices
    var packing: Packing

    var testDescription: String {
        var words = [name]
        if let per = choices.per { words.append("per \(per.rawValue)") }
        if let size = choices.groupSize { words.append("g\(size)") }
        if let isSymmetric = choices.isSymmetric { words.append(isSymmetric ? "symmetric" : "asymmetric") }
        return words.joined(separator: " ")
    }

    /// All choices that are accepted.
    static let all: [PackingCase] = {
        var cases: [PackingCase] = []
        for name in Packing.names {
            for isSymmetric in [nil, true, false] as [Bool?] {
                for (per, size) in [
                    (nil, nil), (.tensor, nil), (.channel, nil), (nil, 32), (nil, 64), (nil, -1),
                ] as [(Packing.Choices.Granularity?, Int?)] {
                    var choices = Packing.Choices()
                    (choices.isSymmetric, choices.per, choices.groupSize) = (isSymmetric, per, size)
                    guard let packing = (try? Packing.named(name, choices)).flatMap({ $0 }) else { continue }
                    cases.append(PackingCase(name: name, choices: choices, packing: packing))
                }
            }
        }
        return cases
    }()

    /// How a weight of this shape is stored.
    func encoding(modelType: DType, shape: [Int]) -> PackedEncoding {
        var encoding = packing.encoding(of: .zeros(.f32, shape), modelType: modelType)
        if encoding.format == .bitsandbytes { encoding.flatShape = shape }
        return encoding
    }

    /// The matrix that is packed: bitsandbytes sees runs of numbers.
    func matrix(of shape: [Int]) -> (rows: Int, columns: Int) {
        packing.format == .bitsandbytes ? (shape[0] * shape[1] / 64, 64) : (shape[0], shape[1])
    }
}

extension PackedEncoding {
    /// Codes and scales of every value the encoding has.
    func randomTile(rows: Int, columns: Int, _ random: inout SeededGenerator) -> Tile {
        var tile = Tile(scheme, rows: rows, columns: columns)
        let highest = UInt8(1 << scheme.bits - 1)
        for index in tile.codes.indices {
            var code = UInt8.random(in: 0...highest, using: &random)
            // The two NaNs of E4M3.
            if scheme.grid == .table(.e4m3), code & 0x7F == 0x7F { code &= 0xF0 }
            tile.codes[index] = code
        }
        for index in tile.scales.indices {
            tile.scales[index] = randomScale(&random)
            switch scheme.origin {
            case .symmetric: break
            case .zeroPoint:
                // The first GPTQ format has no zero of 0.
                tile.offsets[index] = Float(
                    UInt8.random(in: format == .gptq ? 1...highest : 0...highest, using: &random))
            case .affineMinimum: tile.offsets[index] = -randomScale(&random)
            }
        }
        return tile
    }

    /// A number that the scales' type has.
    private func randomScale(_ random: inout SeededGenerator) -> Float {
        let exponent = Int.random(in: -10 ... -2, using: &random)
        if scaleType == .f8e8m0 { return Float(sign: .plus, exponent: exponent, significand: 1) }
        // LLM.int8 stores the row's maximum: 127 times, and back, rounds.
        if format == .bitsandbytesInt8 { return Float(sign: .plus, exponent: exponent, significand: 1) }
        let steps = scaleType == .f32 ? 1 << 20 : 1 << 7
        return Float(
            sign: .plus, exponent: exponent,
            significand: 1 + Float(Int.random(in: 0..<steps, using: &random)) / Float(steps))
    }

    /// The bytes of every part of a tile that is stored in several jobs.
    func stored(_ tile: Tile, cuts: [Int], tally: inout Tally) throws -> [LazyTensor] {
        let shape = (rows: tile.rows, columns: tile.columns)
        let layouts = layouts(rows: tile.rows, columns: tile.columns)
        var buffers = layouts.map { [UInt8](repeating: 0xEE, count: $0.shape.reduce($0.dtype.blockBytes, *)) }
        var reduced = Reduced()
        (reduced.scaleSum, reduced.scaleCount) = (tile.scales.reduce(0.0) { $0 + Double(abs($1)) }, tile.scales.count)
        for (first, end) in zip(cuts, cuts.dropFirst()) {
            let pieces = try pieces(
                of: tile.rows(first..<end), rows: first..<end, shape: shape, reduced: reduced, tally: &tally)
            for piece in pieces {
                let width = piece.bytes.count / max(1, piece.window.rows.count)
                let element = piece.window.columns.isEmpty ? 0 : width / piece.window.columns.count
                for row in 0..<piece.window.rows.count {
                    let start =
                        ((piece.window.rows.lowerBound + row) * piece.columnCount + piece.window.columns.lowerBound)
                        * element
                    buffers[piece.part].replaceSubrange(
                        start..<start + width, with: piece.bytes[row * width..<(row + 1) * width])
                }
            }
        }
        return zip(layouts, buffers).map { .literal($0.dtype, $0.shape, $1) }
    }

    /// Where a weight may be cut into jobs.
    func randomCuts(rows: Int, _ random: inout SeededGenerator) -> [Int] {
        let inner = stride(from: rowGrain, to: rows, by: rowGrain).filter { _ in Bool.random(using: &random) }
        return [0] + inner + [rows]
    }
}
