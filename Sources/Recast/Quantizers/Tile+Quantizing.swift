/// How the scales of a packed encoding are chosen. An encoding says how numbers are stored, a method how they are found.
public enum QuantizationMethod: String, Sendable, Hashable, Codable, CaseIterable {
    /// From the extremes of each block.
    case round
    /// The best of several clippings of the extremes: the one with the least squared error.
    case search
}

extension PackedEncoding {
    /// Numbers as codes and scales.
    ///
    /// The scale is rounded to the type it is stored in before the codes are computed from it.
    ///
    /// - Parameters:
    ///   - numbers: `[rows, columns]`; whole blocks, except for the last rows and columns of the tensor.
    ///   - importance: what an error in each column weighs, in a search.
    ///   - reduced: what `reduction` asks for.
    func quantize(
        _ numbers: UnsafeBufferPointer<Float>, rows: Int, columns: Int, method: QuantizationMethod,
        importance: UnsafePointer<Float>? = nil, reduced: Reduced?, tally: inout Tally
    ) -> Tile {
        var tile = Tile(scheme, rows: rows, columns: columns)
        let counts = scheme.blockCounts(rows: rows, columns: columns)
        let height = scheme.block.rows == 0 ? rows : scheme.block.rows
        let width = tile.blockWidth
        var block = BlockQuantizer(self, method: method)
        var index = 0
        for blockRow in 0..<counts.rows {
            let rowRange = blockRow * height..<min(rows, (blockRow + 1) * height)
            for blockColumn in 0..<counts.columns {
                let columnRange = blockColumn * width..<min(columns, (blockColumn + 1) * width)
                let view = BlockView(numbers: numbers, stride: columns, rows: rowRange, columns: columnRange)
                let reducedExtremes = reduction == .extremes ? reduced.map { ($0.lowest, $0.highest) } : nil
                let fit = block.fit(view, extremes: reducedExtremes, importance: importance)
                if !fit.scale.isFinite || !fit.offset.isFinite { tally.lostBlockCount += 1 }
                tile.scales[index] = fit.scale
                if scheme.origin != .center { tile.offsets[index] = fit.offset }
                tile.codes.withUnsafeMutableBufferPointer { block.assign(fit, view, into: $0) }
                index += 1
            }
        }
        return tile
    }

    /// What some rows contribute to the reduction.
    func reduce(_ numbers: UnsafeBufferPointer<Float>) -> Reduced {
        var reduced = Reduced()
        switch reduction {
        case .extremes:
            for number in numbers {
                if number < reduced.lowest { reduced.lowest = number }
                if number > reduced.highest { reduced.highest = number }
            }
        case .meanScale:
            for first in stride(from: 0, to: numbers.count, by: Self.bitsandbytesBlock) {
                var greatest: Float = 0
                for number in numbers[first..<min(numbers.count, first + Self.bitsandbytesBlock)] {
                    greatest = max(greatest, abs(number))
                }
                reduced.scaleSum += Double(greatest)
                reduced.scaleCount += 1
            }
        case nil: break
        }
        return reduced
    }
}

/// A rectangle of numbers that share a scale.
struct BlockView {
    let numbers: UnsafeBufferPointer<Float>
    let stride: Int
    let rows: Range<Int>
    let columns: Range<Int>

    /// The least and the greatest, zero among them.
    var extremes: (lowest: Float, highest: Float) {
        var lowest: Float = 0
        var highest: Float = 0
        for row in rows {
            for index in row * stride + columns.lowerBound..<row * stride + columns.upperBound {
                let number = numbers[index]
                if number < lowest { lowest = number }
                if number > highest { highest = number }
            }
        }
        return (lowest, highest)
    }
}

/// Finds the scale and offset of one block after the other, and the codes that follow from them.
struct BlockQuantizer {
    struct Fit {
        var scale: Float
        /// The zero or the minimum.
        var offset: Float = 0
    }

    let encoding: PackedEncoding
    let method: QuantizationMethod
    private let table: CodeTable?
    private let highestCode: Int

    init(_ encoding: PackedEncoding, method: QuantizationMethod) {
        self.encoding = encoding
        self.method = method
        highestCode = 1 << encoding.scheme.bits - 1
        if case .table(let book) = encoding.scheme.grid { table = CodeTable(book) } else { table = nil }
    }

    /// Fractions of the extremes that a search tries.
    private static let clippings: [Float] = (0...20).map { 1 - 0.02 * Float($0) }

    mutating func fit(
        _ view: BlockView, extremes: (lowest: Float, highest: Float)?, importance: UnsafePointer<Float>?
    ) -> Fit {
        let (lowest, highest) = extremes ?? view.extremes
        let plain = fit(lowest: lowest, highest: highest)
        guard method == .search, extremes == nil, lowest < highest else { return plain }
        var best = plain
        var least = error(of: best, view, importance)
        for clipping in Self.clippings.dropFirst() {
            let candidate = fit(lowest: lowest * clipping, highest: highest * clipping)
            let found = error(of: candidate, view, importance)
            if found < least { (best, least) = (candidate, found) }
        }
        return best
    }

    private func fit(lowest: Float, highest: Float) -> Fit {
        let greatest = max(-lowest, highest)
        switch (encoding.scheme.grid, encoding.scheme.origin) {
        case (.table(.e2m1), _): return Fit(scale: Self.powerOfTwo(greatest))
        case (.table(let book), _): return Fit(scale: stored(book == .e4m3 ? greatest / 448 : greatest))
        case (.integers(let bits), .center):
            // Absmax reaches the same code on both sides; the packed 4-bit formats use the one code more below zero.
            let steps = encoding.isFullRange ? Float((1 << bits) - 1) / 2 : Float(1 << (bits - 1) - 1)
            return Fit(scale: stored(greatest / steps))
        case (.integers, .zeroPoint):
            let scale = stored((highest - lowest) / Float(highestCode))
            // The first GPTQ format stores zeros less one: 0 would wrap into its neighbours.
            let least: Float = encoding.format == .gptq ? 1 : 0
            let zero =
                scale > 0 ? max(least, min(Float(highestCode), (-lowest / scale).rounded(.toNearestOrEven))) : least
            return Fit(scale: scale, offset: zero)
        case (.integers, .minimum):
            // The larger edge is met exactly, and zero has a code: the scale may be negative.
            let fromBelow = -lowest > highest
            let edge = fromBelow ? lowest : highest
            guard lowest < highest else { return Fit(scale: 1) }
            let step = (highest - lowest) / Float(highestCode) * (fromBelow ? 1 : -1)
            let steps = (edge / step).rounded(.toNearestOrEven)
            return steps == 0
                ? Fit(scale: stored(step), offset: 0) : Fit(scale: stored(edge / steps), offset: rounded(edge))
        }
    }

    /// 2^k with the extreme in the grid's last octave: the OCP microscaling rule.
    private static func powerOfTwo(_ greatest: Float) -> Float {
        guard greatest > 0, greatest.isFinite else { return greatest > 0 ? .infinity : 1 }
        return Float(sign: .plus, exponent: max(-127, Int(greatest.exponent) - 2), significand: 1)
    }

    /// As the type of the scales has it. A scale that would vanish becomes the smallest there is: the numbers would be lost.
    private func stored(_ scale: Float) -> Float {
        if scale == 0 { return encoding.scheme.origin == .center && encoding.isTable ? 0 : 1 }
        let value = rounded(scale)
        if value != 0 { return value }
        let smallest: Float = encoding.scaleType == .f16 ? 0x1p-24 : .leastNonzeroMagnitude
        return scale < 0 ? -smallest : smallest
    }

    private func rounded(_ number: Float) -> Float {
        switch encoding.scaleType {
        case .f16: HalfFloat.value(of: HalfFloat.bits(of: number))
        case .bf16: BrainFloat.value(of: BrainFloat.bits(of: number))
        default: number
        }
    }

    // MARK: Codes

    func assign(_ fit: Fit, _ view: BlockView, into codes: UnsafeMutableBufferPointer<UInt8>) {
        for row in view.rows {
            for index in row * view.stride + view.columns.lowerBound..<row * view.stride + view.columns.upperBound {
                codes[index] = code(of: view.numbers[index], fit)
            }
        }
    }

    private func error(of fit: Fit, _ view: BlockView, _ importance: UnsafePointer<Float>?) -> Float {
        var sum: Float = 0
        for row in view.rows {
            for column in view.columns {
                let number = view.numbers[row * view.stride + column]
                let distance = number - value(of: code(of: number, fit), fit)
                sum += distance * distance * (importance?[column] ?? 1)
            }
        }
        return sum
    }

    @inline(__always)
    private func code(of number: Float, _ fit: Fit) -> UInt8 {
        if let table { return table.nearest(fit.scale == 0 ? 0 : number / fit.scale) }
        let level: Float =
            switch encoding.scheme.origin {
            case .center: (number / fit.scale).rounded(.toNearestOrEven) + Float(encoding.scheme.center)
            case .zeroPoint: (number / fit.scale).rounded(.toNearestOrEven) + fit.offset
            case .minimum: ((number - fit.offset) / fit.scale).rounded(.toNearestOrEven)
            }
        // Absmax keeps its range symmetric.
        let least: Float = encoding.scheme.origin == .center && !encoding.isFullRange ? 1 : 0
        return UInt8(max(least, min(Float(highestCode), level.isNaN ? 0 : level)))
    }

    @inline(__always)
    private func value(of code: UInt8, _ fit: Fit) -> Float {
        if let table { return table.values[Int(code)] * fit.scale }
        return switch encoding.scheme.origin {
        case .center: (Float(code) - Float(encoding.scheme.center)) * fit.scale
        case .zeroPoint: (Float(code) - fit.offset) * fit.scale
        case .minimum: Float(code) * fit.scale + fit.offset
        }
    }
}

extension PackedEncoding {
    var isTable: Bool { if case .table = scheme.grid { true } else { false } }
}

/// The nearest number of a table.
struct CodeTable {
    let values: [Float]
    private let sorted: [(value: Float, code: UInt8)]

    init(_ book: LevelTable) {
        values = book.values
        var seen: Set<Float> = []
        sorted = values.enumerated().filter { !$0.element.isNaN && seen.insert($0.element).inserted }
            .map { ($0.element, UInt8($0.offset)) }.sorted { $0.0 < $1.0 }
    }

    /// - Returns: of two that are equally near, the one with the even code.
    func nearest(_ number: Float) -> UInt8 {
        var (low, high) = (0, sorted.count - 1)
        while high - low > 1 {
            let middle = (low + high) / 2
            if sorted[middle].value <= number { low = middle } else { high = middle }
        }
        let (below, above) = (number - sorted[low].value, sorted[high].value - number)
        if below == above { return sorted[low].code % 2 == 0 ? sorted[low].code : sorted[high].code }
        return below < above ? sorted[low].code : sorted[high].code
    }
}
