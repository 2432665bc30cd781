/// bitsandbytes' 4-bit weights: the numbers in runs of 64, or of another power of two, regardless of rows, the first of two in the upper half of a byte
/// (quantization.md §a.4).
extension PackedEncoding {
    /// The length of runs that are written.
    package static let bitsandbytesBlock = 64
    /// Scales that share a scale of their own, where they are nested.
    package static let nestedBlock = 256

    /// - Parameters: the weight seen as runs: `[numbers / 64, 64]`.
    func bitsandbytesLayouts(rows: Int, columns: Int) -> [PartLayout] {
        guard case .table(let book) = scheme.grid else { return [] }
        let codes = CodeLayout(bits: 4, word: .u8, axis: .columns, isTransposed: false, order: [1, 0])
        let state = ".weight.quant_state.bitsandbytes__\(book.rawValue)"
        var parts = [
            PartLayout(".weight", .u8, [rows * columns / 2, 1], .codes(codes)),
            PartLayout(".weight.quant_map", .f32, [16], .fixed(Self.bytes(of: book.values))),
        ]
        guard isDoubleQuantized else {
            parts.append(PartLayout(".weight.absmax", .f32, [rows], .scales(isTransposed: false)))
            let document = document(offset: nil)
            parts.append(PartLayout(state, .u8, [document.count], .fixed(document)))
            return parts
        }
        parts += [
            PartLayout(".weight.absmax", .u8, [rows], .nestedCodes),
            PartLayout(
                ".weight.nested_absmax", .f32, [(rows + Self.nestedBlock - 1) / Self.nestedBlock], .nestedScales),
            PartLayout(".weight.nested_quant_map", .f32, [256], .nestedTable),
            PartLayout(state, .u8, [document(offset: 0).count], .nestedDocument),
        ]
        return parts
    }

    /// What bitsandbytes reads the numbers' type and shape from: JSON, of one length whatever the offset is.
    func document(offset: Float?) -> [UInt8] {
        guard case .table(let book) = scheme.grid else { return [] }
        let type = computeType == .f16 ? "float16" : computeType == .f32 ? "float32" : "bfloat16"
        var text =
            "{\"quant_type\": \"\(book.rawValue)\", \"blocksize\": \(scheme.block.columns), \"dtype\": \"\(type)\", "
        text += "\"shape\": [\((flatShape ?? []).map(String.init).joined(separator: ", "))]"
        guard let offset else { return Array((text + "}").utf8) }
        text += ", \"nested_blocksize\": \(Self.nestedBlock), \"nested_dtype\": \"float32\", \"nested_offset\": "
        let number = "\(Double(offset))"
        return Array((text + number + "}" + String(repeating: " ", count: max(0, 26 - number.count))).utf8)
    }

    static func nestedOffset(of document: [UInt8]) throws(RecastError) -> Float {
        guard let offset = try JSON(parsing: document, file: "quant_state")["nested_offset"]?.number?.double,
            offset.isFinite
        else { throw RecastError(.malformedInput, "the quant_state of a nested weight has no nested_offset") }
        return Float(offset)
    }

    /// The shape that layouts see of a weight `[out, in]`: its own, or that of the runs its numbers are cut into.
    package func shape(ofWeight shape: [Int]) -> (rows: Int, columns: Int) {
        guard flatShape != nil else { return (shape[0], shape[1]) }
        return (shape[0] * shape[1] / scheme.block.columns, scheme.block.columns)
    }

    /// The stored tensors of a weight `[out, in]`.
    package func layouts(ofWeight shape: [Int]) -> [PartLayout] {
        let (rows, columns) = self.shape(ofWeight: shape)
        return layouts(rows: rows, columns: columns)
    }

    package static func bytes(of numbers: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers { bytes.append(littleEndian: number.bitPattern) }
        return bytes
    }
}

/// Scales in a byte each: relative to their mean, in blocks of 256 with a scale of their own, by a table of 256 numbers that
/// is finest around zero.
package struct NestedScales {
    var codes: [UInt8] = []
    var scales: [Float] = []
    package var offset: Float = 0
    /// The numbers of the codes. Those of a file differ in their last bits with the machine that made it.
    var levels = Self.table

    package init() {}

    package init(encoding numbers: [Float], offset: Float) {
        self.offset = offset
        codes.reserveCapacity(numbers.count)
        for first in stride(from: 0, to: numbers.count, by: PackedEncoding.nestedBlock) {
            let block = numbers[first..<min(numbers.count, first + PackedEncoding.nestedBlock)].map { $0 - offset }
            let scale = block.reduce(0) { max($0, abs($1)) }
            scales.append(scale)
            for number in block { codes.append(Self.nearest(scale == 0 ? 0 : number / scale)) }
        }
    }

    var decoded: [Float] {
        codes.enumerated().map { index, code in
            levels[Int(code)] * scales[index / PackedEncoding.nestedBlock] + offset
        }
    }

    /// For each of seven decades the middles of 2^e steps between a tenth and one, in both signs; zero; and one.
    static let table: [Float] = {
        var numbers: [Float] = [0, 1]
        for exponent in 0..<7 {
            let count = 1 << exponent
            let step = 0.9 / Double(count)
            for index in 0..<count {
                let middle = (0.1 + (Double(index) + 0.5) * step) * Self.decade(exponent - 6)
                numbers += [Float(middle), -Float(middle)]
            }
        }
        return numbers.sorted()
    }()

    private static func decade(_ exponent: Int) -> Double { (0..<(-exponent)).reduce(1.0) { value, _ in value / 10 } }

    private static func nearest(_ number: Float) -> UInt8 {
        var (low, high) = (0, table.count - 1)
        while high - low > 1 {
            let middle = (low + high) / 2
            if table[middle] <= number { low = middle } else { high = middle }
        }
        return UInt8(number - table[low] <= table[high] - number ? low : high)
    }
}

extension Tile {
    /// Makes scales those that nested ones can be.
    ///
    /// - Parameter offset: what they are relative to.
    package mutating func nestScales(around offset: Float) {
        let nested = NestedScales(encoding: scales, offset: offset)
        (nestedScales, scales) = (nested, nested.decoded)
    }
}
