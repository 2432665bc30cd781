extension PackedEncoding {
    /// Numbers as codes and scales.
    ///
    /// The scale is rounded to the type it is stored in before the codes are computed from it.
    ///
    /// - Parameters:
    ///   - numbers: `[rows, columns]`; whole blocks, except for the last rows and columns of the tensor.
    ///   - importance: what an error in each column weighs, in a search.
    ///   - reduced: what `reduction` asks for.
    package func quantize(
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
                if !block.isHeld(fit) { tally.lostBlockCount += 1 }
                tile.scales[index] = fit.scale
                if scheme.origin != .symmetric { tile.offsets[index] = fit.offset }
                tile.codes.withUnsafeMutableBufferPointer { block.assign(fit, view, into: $0) }
                index += 1
            }
        }
        return tile
    }

    /// What some rows contribute to the reduction.
    package func reduce(_ numbers: UnsafeBufferPointer<Float>) -> Reduced {
        var reduced = Reduced()
        switch reduction {
        case .extremes:
            for number in numbers {
                if number < reduced.lowest { reduced.lowest = number }
                if number > reduced.highest { reduced.highest = number }
            }
        case .meanScale:
            for first in stride(from: 0, to: numbers.count, by: scheme.block.columns) {
                var greatest: Float = 0
                for number in numbers[first..<min(numbers.count, first + scheme.block.columns)] {
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

    var first: Float { numbers[rows.lowerBound * stride + columns.lowerBound] }

    /// The least and the greatest.
    ///
    /// - Parameter first: one to begin with.
    func extremes(with first: Float) -> (lowest: Float, highest: Float) {
        var lowest = first
        var highest = first
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
    /// Of powers of two there are just the neighbours.
    private static let octaves: [Float] = [1, 0.5, 2]

    mutating func fit(
        _ view: BlockView, extremes: (lowest: Float, highest: Float)?, importance: UnsafePointer<Float>?
    ) -> Fit {
        // All but minima reach zero, whether there are numbers so close to it or not.
        let first = encoding.scheme.origin == .affineMinimum ? view.first : 0
        let (lowest, highest) = extremes ?? view.extremes(with: first)
        let plain = fit(lowest: lowest, highest: highest)
        guard method == .search, extremes == nil, lowest < highest else { return plain }
        var best = plain
        var least = error(of: best, view, importance)
        let clippings = encoding.scheme.grid == .table(.e2m1) ? Self.octaves : Self.clippings
        for clipping in clippings.dropFirst() {
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
        case (.integers(let bits), .symmetric):
            // Absmax reaches the same code on both sides; the packed 4-bit formats use the one code more below zero.
            let steps = encoding.isFullRange ? Float((1 << bits) - 1) / 2 : Float(1 << (bits - 1) - 1)
            return Fit(scale: stored(greatest / steps))
        case (.integers, .zeroPoint):
            // The first GPTQ format stores zeros less one: 0 would wrap into its neighbours, so one code is left for
            // numbers below zero where there are none.
            let least: Float = encoding.format == .gptq ? 1 : 0
            let steps = Float(highestCode)
            let scale = stored(max((highest - lowest) / steps, highest / (steps - least)))
            return Fit(
                scale: scale, offset: max(least, min(steps, (-lowest / scale).rounded(.toNearestOrEven))))
        case (.integers, .affineMinimum):
            // The larger edge is met exactly, and zero has a code: the scale may be negative.
            let fromBelow = -lowest > highest
            let edge = fromBelow ? lowest : highest
            guard lowest < highest else { return Fit(scale: 1, offset: rounded(edge)) }
            let step = (highest - lowest) / Float(highestCode) * (fromBelow ? 1 : -1)
            let steps = (edge / step).rounded(.toNearestOrEven)
            return steps == 0
                ? Fit(scale: stored(step), offset: 0) : Fit(scale: stored(edge / steps), offset: rounded(edge))
        }
    }

    /// Whether every code stands for a finite number.
    func isHeld(_ fit: Fit) -> Bool {
        let highest = Float(highestCode)
        let ends: [Float]
        switch (encoding.scheme.grid, encoding.scheme.origin) {
        case (.table(let book), _): ends = [fit.scale * (book == .e4m3 ? 448 : book == .e2m1 ? 6 : 1)]
        case (_, .symmetric): ends = [fit.scale * Float(encoding.scheme.center)]
        case (_, .zeroPoint): ends = [fit.scale * fit.offset, fit.scale * (highest - fit.offset)]
        case (_, .affineMinimum): ends = [fit.offset, fit.scale * highest, fit.scale * highest + fit.offset]
        }
        return ends.allSatisfy(\.isFinite)
    }

    /// 2^k with the extreme in the grid's last octave, or in the next one's reach where it would lose more than the step to
    /// the grid's end: the rule of compressed-tensors and of PyTorch's microscaling casts.
    private static func powerOfTwo(_ greatest: Float) -> Float {
        guard greatest > 0, greatest.isFinite else { return greatest > 0 ? .infinity : 1 }
        let isClipped = greatest.significand >= 1.75
        return Float(sign: .plus, exponent: max(-127, Int(greatest.exponent) - (isClipped ? 1 : 2)), significand: 1)
    }

    /// As the type of the scales has it. A scale that would vanish becomes the smallest there is: the numbers would be lost.
    private func stored(_ scale: Float) -> Float {
        if scale == 0 { return encoding.scheme.origin == .symmetric && encoding.isTable ? 0 : 1 }
        let value = rounded(scale)
        if value != 0 { return value }
        let smallest: Float =
            switch encoding.scaleType {
            case .f16: 0x1p-24
            case .bf16: 0x1p-133
            default: .leastNonzeroMagnitude
            }
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
        let width = view.columns.count
        for row in view.rows {
            let first = row * view.stride + view.columns.lowerBound
            let source = view.numbers.baseAddress! + first
            let target = codes.baseAddress! + first
            if let table {
                table.assign(source, scale: fit.scale, into: target, count: width)
            } else {
                Levels(encoding, fit).assign(source, into: target, count: width)
            }
        }
    }

    private func error(of fit: Fit, _ view: BlockView, _ importance: UnsafePointer<Float>?) -> Float {
        var sum: Float = 0
        for row in view.rows {
            let source = view.numbers.baseAddress! + row * view.stride + view.columns.lowerBound
            let weights = importance.map { $0 + view.columns.lowerBound }
            if let table {
                sum += table.error(source, scale: fit.scale, weights, count: view.columns.count)
            } else {
                sum += Levels(encoding, fit).error(source, weights, count: view.columns.count)
            }
        }
        return sum
    }
}

/// Numbers to evenly spaced levels: a loop without branches or traps, which the vectoriser understands.
private struct Levels {
    /// Adding 1.5·2^23 rounds to the nearest integer, ties to even, and leaves it in the lowest bits.
    private static let magic: Float = 12_582_912

    private let scale: Float
    /// Taken off before the division.
    private let base: Float
    /// The code of what is zero after that.
    private let zero: Float
    private let lowest: Float
    private let highest: Float

    init(_ encoding: PackedEncoding, _ fit: BlockQuantizer.Fit) {
        scale = fit.scale
        switch encoding.scheme.origin {
        case .symmetric: (base, zero) = (0, Float(encoding.scheme.center))
        case .zeroPoint: (base, zero) = (0, fit.offset)
        case .affineMinimum: (base, zero) = (fit.offset, 0)
        }
        // Absmax keeps its range symmetric.
        let least: Float = encoding.scheme.origin == .symmetric && !encoding.isFullRange ? 1 : 0
        lowest = least - zero
        highest = Float(1 << encoding.scheme.bits - 1) - zero
    }

    @inline(__always)
    private func level(_ number: Float) -> Float {
        var level = (number - base) / scale
        level = level > lowest ? level : lowest
        level = level < highest ? level : highest
        return level + Self.magic - Self.magic
    }

    func assign(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<UInt8>, count: Int) {
        for i in 0..<count {
            target[i] = UInt8(truncatingIfNeeded: (level(source[i]) + (zero + Self.magic)).bitPattern)
        }
    }

    /// The weighted sum of the squared differences, in eight lanes.
    func error(_ source: UnsafePointer<Float>, _ weights: UnsafePointer<Float>?, count: Int) -> Float {
        var sums = SIMD8<Float>.zero
        for first in stride(from: 0, to: count, by: 8) {
            for lane in 0..<min(8, count - first) {
                let number = source[first + lane]
                let distance = number - (level(number) * scale + base)
                sums[lane] += distance * distance * (weights?[first + lane] ?? 1)
            }
        }
        return sums.sum()
    }
}

extension PackedEncoding {
    var isTable: Bool { if case .table = scheme.grid { true } else { false } }
}

/// The nearest number of a table.
struct CodeTable {
    private let isByteFloat: Bool
    /// What lies between two neighbours.
    private var limits: [Float] = []
    private var codes: [UInt8] = []
    private var values: [Float] = []

    init(_ table: LevelTable) {
        isByteFloat = table.bits == 8
        if isByteFloat { return }
        var seen: Set<Float> = []
        let sorted = table.values.enumerated().filter { seen.insert($0.element).inserted }
            .sorted { $0.element < $1.element }
        codes = sorted.map { UInt8($0.offset) }
        values = sorted.map(\.element)
        limits = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
    }

    /// The places in order of the nearest numbers; of two that are equally near, the lower. Limit by limit, so that the
    /// inner loop is one comparison and one addition for many numbers at once.
    private func findPlaces(
        _ source: UnsafePointer<Float>, divisor: Float, into places: UnsafeMutablePointer<Int32>, count: Int
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
            let scaled = buffer.baseAddress!
            for i in 0..<count {
                scaled[i] = source[i] / divisor
                places[i] = 0
            }
            for limit in limits {
                for i in 0..<count { places[i] &+= scaled[i] > limit ? 1 : 0 }
            }
        }
    }

    func assign(_ source: UnsafePointer<Float>, scale: Float, into target: UnsafeMutablePointer<UInt8>, count: Int) {
        let divisor = scale == 0 ? 1 : scale
        if isByteFloat {
            withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { scaled in
                for i in 0..<count { scaled[i] = source[i] / divisor }
                E4M3.encode(
                    UnsafePointer(scaled.baseAddress!), into: UnsafeMutableRawPointer(target), rows: 1, columns: count,
                    importance: nil, with: .best)
            }
            return
        }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { places in
            findPlaces(source, divisor: divisor, into: places.baseAddress!, count: count)
            for i in 0..<count { target[i] = codes[Int(places[i])] }
        }
    }

    func error(_ source: UnsafePointer<Float>, scale: Float, _ weights: UnsafePointer<Float>?, count: Int) -> Float {
        // An FP8 number has the same relative precision whatever the scale is: there is nothing to search for.
        if isByteFloat { return 0 }
        let divisor = scale == 0 ? 1 : scale
        var sum: Float = 0
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { places in
            findPlaces(source, divisor: divisor, into: places.baseAddress!, count: count)
            for i in 0..<count {
                let distance = source[i] - values[Int(places[i])] * scale
                sum += distance * distance * (weights?[i] ?? 1)
            }
        }
        return sum
    }
}
