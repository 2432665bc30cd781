/// What is known of a weight's codes before they are read.
package struct CodeForm: Sendable, Hashable, Codable {
    package var scheme: Scheme
    /// What the scales, and minima, are stored as.
    package var scaleType: DType
    /// Whether the groups of the columns are not in order.
    package var hasActOrder = false
    package var scales = Scales.plain

    /// What stands in the place of scales.
    package enum Scales: String, Sendable, Hashable, Codable {
        /// The scales themselves.
        case plain
        /// What the highest code stands for: not every scale is a maximum over 127.
        case maxima
        /// Codes of scales: few scales are one of theirs.
        case nested
        /// Whole multiples of units that several groups share: few scales are one of theirs. Their products have more bits than
        /// a unit.
        case multiples
    }

    package init(_ scheme: Scheme, scaleType: DType, hasActOrder: Bool = false, scales: Scales = .plain) {
        self.scheme = scheme
        self.scaleType = scaleType
        self.hasActOrder = hasActOrder
        self.scales = scales
    }

    /// The form of a GGUF block type; nil where it has no scheme.
    package init?(blocksOf dtype: DType) {
        guard let block = dtype.gridBlock else { return nil }
        let hasMultiples = block.multiples != nil
        self.init(
            block.scheme, scaleType: hasMultiples ? .f32 : block.scaleType, scales: hasMultiples ? .multiples : .plain)
    }
}

/// Moving codes from one form to another without touching them: only scales are repeated, and zeros become minima or the
/// other way round.
package struct Repacking: Sendable, Hashable, Codable {
    package let source: CodeForm
    package let target: CodeForm
    /// Whether nothing is taken apart: the stored tensors are the target's already.
    package let movesParts: Bool

    /// Of a weight that stays what it is.
    package init(moving form: CodeForm) {
        (source, target, movesParts) = (form, form, true)
    }

    /// nil where the grids do not agree.
    package init?(from source: CodeForm, to target: CodeForm) {
        (self.source, self.target, movesParts) = (source, target, false)
        // The scales would have to be quantized: so are the numbers, then.
        guard target.scales != .nested, target.scales != .multiples else { return nil }
        guard source.scheme.grid == target.scheme.grid, Self.refines(source.scheme.block, target.scheme.block) else {
            return nil
        }
        // Columns that are not in order keep their groups only where the target can say so.
        guard !source.hasActOrder || target.hasActOrder && source.scheme.block == target.scheme.block else {
            return nil
        }
        // Powers of two are numbers of any type with their exponents; other scales are no powers of two.
        if source.scaleType == .f8e8m0 {
            guard [.f8e8m0, .bf16, .f32].contains(target.scaleType) else { return nil }
        } else if target.scaleType == .f8e8m0 {
            return nil
        }
        switch (source.scheme.origin, target.scheme.origin) {
        case (.symmetric, _), (.zeroPoint, .zeroPoint), (.zeroPoint, .affineMinimum), (.affineMinimum, .affineMinimum),
            (.affineMinimum, .zeroPoint):
            break
        case (.zeroPoint, .symmetric), (.affineMinimum, .symmetric): return nil
        }
        // Rounded products would be neither the numbers of the one type nor what a search finds for the other.
        if source.scales == .multiples, !isExact { return nil }
    }

    /// Whether each block of the target lies in one block of the source.
    private static func refines(_ source: Scheme.Block, _ target: Scheme.Block) -> Bool {
        if source == target || source == .tensor { return true }
        guard source.rows < 2, target.rows == 1 else { return false }
        if source.columns == 0 { return true }
        return source.rows == 1 && target.columns > 0 && source.columns.isMultiple(of: target.columns)
    }

    package static let notExact = RecastError(
        .inputOutput, "its codes were to move as they are, but read back they stand for other numbers")

    /// Whether every number stays what it was, whatever the scales are.
    package var isExact: Bool {
        if movesParts { return true }
        let keepsScales =
            source.scaleType == target.scaleType || source.scaleType == .f8e8m0
            || source.scaleType.widensExactly(to: target.scaleType)
        // 127 times a short scale has no more bits than a float32, and dividing gives the scale again.
        guard target.scales != .maxima || source.scales == .maxima || source.scaleType != .f32 else { return false }
        switch (source.scheme.origin, target.scheme.origin) {
        case (let a, let b) where a == b: return keepsScales
        case (.symmetric, .zeroPoint): return keepsScales
        // The minimum is a power of two times the scale, and a short scale times a code has no more bits than a float32.
        case (.symmetric, .affineMinimum): return keepsScales && source.scaleType != .f32
        default: return false
        }
    }

    /// Whether the zeros must turn out to be whole, which only the data says.
    package var needsWholeZeros: Bool { source.scheme.origin == .affineMinimum && target.scheme.origin == .zeroPoint }

    /// How far from a whole number, relative to it, a zero may lie whose minimum and scale were rounded.
    private var tolerance: Float {
        switch source.scaleType {
        case .bf16: 0x1p-7
        case .f16: 0x1p-10
        default: 0x1p-16
        }
    }

    /// Whether the minima of a tile are whole multiples of their scales that codes can have.
    package func hasWholeZeros(_ tile: Tile) -> Bool { hasWholeZeros(scales: tile.scales, minima: tile.offsets) }

    package func hasWholeZeros(scales: [Float], minima: [Float]) -> Bool {
        let highest = Float(1 << source.scheme.bits - 1)
        return zip(scales, minima).allSatisfy { scale, minimum in
            // Without a scale all codes stand for the minimum.
            if scale == 0 { return minimum == 0 }
            let zero = -minimum / scale
            let whole = zero.rounded(.toNearestOrEven)
            return abs(zero - whole) <= min(0.25, tolerance * max(1, whole)) && (0...highest).contains(whole)
        }
    }

    /// The tile in the target's form, its scales rounded to the type they are to be stored in.
    package func repacked(_ tile: Tile, tally: inout Tally) -> Tile {
        var result = Tile(target.scheme, rows: tile.rows, columns: tile.columns)
        result.codes = tile.codes
        result.groups = tile.groups
        let width = result.blockWidth
        let center = Float(tile.scheme.center)
        for row in 0..<result.scales.count / result.blockColumns {
            let first = tile.firstBlock(ofRow: row * max(1, target.scheme.block.rows))
            for column in 0..<result.blockColumns {
                let from = first + min(tile.blockColumns - 1, column * width / tile.blockWidth)
                let to = row * result.blockColumns + column
                let scale = tile.scales[from]
                result.scales[to] = rounded(scale, &tally)
                switch (tile.scheme.origin, target.scheme.origin) {
                case (_, .symmetric): break
                case (.symmetric, .zeroPoint): result.offsets[to] = center
                case (.symmetric, .affineMinimum): result.offsets[to] = rounded(-center * scale, &tally)
                case (.zeroPoint, .affineMinimum): result.offsets[to] = rounded(-tile.offsets[from] * scale, &tally)
                case (.affineMinimum, .zeroPoint):
                    result.offsets[to] = scale == 0 ? 0 : (-tile.offsets[from] / scale).rounded(.toNearestOrEven)
                case (.zeroPoint, .zeroPoint): result.offsets[to] = tile.offsets[from]
                case (.affineMinimum, .affineMinimum): result.offsets[to] = rounded(tile.offsets[from], &tally)
                }
            }
        }
        return result
    }

    private func rounded(_ number: Float, _ tally: inout Tally) -> Float {
        let value =
            switch target.scaleType {
            case _ where target.scales == .maxima: RowMaximum.scale(of: RowMaximum.of(scale: number))
            case .f16: HalfFloat.value(of: HalfFloat.bits(of: number))
            case .bf16: BrainFloat.value(of: BrainFloat.bits(of: number))
            default: number
            }
        if value != number { tally.roundedScaleCount += 1 }
        if !value.isFinite || value == 0 && number != 0 { tally.lostScaleCount += 1 }
        return value
    }
}

/// LLM.int8's absmax of a row, which is 127 times its scale (quantization.md §a.4).
package enum RowMaximum {
    /// bitsandbytes multiplies by the reciprocal of 127 too.
    package static func scale(of maximum: Float) -> Float { maximum * (1 / 127) }

    /// The maximum that is read as this scale; where there is none, the nearest. Both products are rounded, so that it may lie
    /// beside the one that is computed.
    package static func of(scale: Float) -> Float {
        let product = scale * 127
        let candidates = [product, product.nextUp, product.nextDown, product.nextUp.nextUp, product.nextDown.nextDown]
        return candidates.first { Self.scale(of: $0) == scale } ?? product
    }
}
