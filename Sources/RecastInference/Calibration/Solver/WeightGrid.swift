import Recast

/// The grid that the rows of a weight are rounded to, as one who rounds column after column sees it: which codes there are,
/// which columns share a scale, and which scales there are.
struct WeightGrid {
    let encoding: Encoding
    let scheme: Scheme
    /// Columns of the weight.
    let columns: Int
    /// Columns that share a scale.
    let groupWidth: Int
    /// Columns whose scales are found together, as they share units.
    let unitWidth: Int
    /// Rows that share a scale; 0 stands for all.
    let groupHeight: Int
    /// Whether scales are stored as codes of a table that many of them share.
    let isNested: Bool
    let codes: Codes
    let scales: Scales
    let offsets: Offsets

    enum Codes {
        /// `(code − shift) · scale + bias` with whole codes from the lowest to the highest.
        case integers(lowest: Float, highest: Float)
        /// `value · scale`
        case table(SortedTable)
    }

    enum Scales {
        case stored(DType)
        /// Whole multiples of a unit, a half, that neighbouring groups share.
        case multiples(ClosedRange<Float>)
    }

    enum Offsets {
        case none
        /// Whole zeros.
        case zeros(ClosedRange<Float>)
        case stored(DType)
        /// Whole multiples of a unit with the other sign.
        case multiples(ClosedRange<Float>)
    }

    /// - Returns: nil for encodings that are no grid whose scales are of a row, and where blocks do not fill the rows.
    init?(_ encoding: Encoding, columns: Int) {
        self.encoding = encoding
        self.columns = columns
        var lowest: Float = 0
        let scaleType: DType
        var range: ClosedRange<Float>?
        var leastZero: Float = 0
        switch encoding {
        case .plain(let dtype):
            guard let block = dtype.gridBlock, dtype.isEncodable, columns.isMultiple(of: block.blockSize) else {
                return nil
            }
            scheme = block.scheme
            scaleType = block.scaleType
            unitWidth = block.blockSize
            if dtype == .q8_0 { lowest = 1 }
            range = block.multiples.map { Float($0.range.lowerBound)...Float($0.range.upperBound) }
        case .packed(let packed):
            scheme = packed.scheme
            // What shares scales, or the table of theirs, is rounded together or known beforehand.
            guard scheme.block.rows == 0 || GridTile.lanes.isMultiple(of: scheme.block.rows) else { return nil }
            if packed.isDoubleQuantized {
                let scales = GridTile.lanes * (columns / PackedEncoding.bitsandbytesBlock)
                guard scales.isMultiple(of: PackedEncoding.nestedBlock) else { return nil }
            }
            scaleType = packed.scaleType
            // Only squares may be larger than a weight.
            var width = scheme.block.columns == 0 ? columns : scheme.block.columns
            if scheme.block.rows > 1 { width = min(width, columns) }
            guard columns.isMultiple(of: width) else { return nil }
            unitWidth = width
            if scheme.origin == .symmetric, !packed.isFullRange { lowest = 1 }
            if packed.format == .gptq { leastZero = 1 }
        }
        groupWidth = scheme.block.columns == 0 ? columns : min(columns, scheme.block.columns)
        groupHeight = scheme.block.rows
        if case .packed(let packed) = encoding { isNested = packed.isDoubleQuantized } else { isNested = false }
        let highest = Float(1 << scheme.bits - 1)
        switch scheme.grid {
        case .integers: codes = .integers(lowest: lowest, highest: highest)
        case .table(let table): codes = .table(SortedTable(table))
        }
        scales = range.map { .multiples($0) } ?? .stored(scaleType)
        switch scheme.origin {
        case .symmetric: offsets = .none
        case .zeroPoint: offsets = .zeros(leastZero...highest)
        case .affineMinimum: offsets = range.map { .multiples($0) } ?? .stored(scaleType)
        }
    }

    var groupCount: Int { columns / groupWidth }
    var unitCount: Int { columns / unitWidth }
    var groupsPerUnit: Int { unitWidth / groupWidth }
    /// Whether each scale belongs to one row, and can be any number of its type.
    var hasScalesOfRows: Bool { groupHeight == 1 && !isNested }

    /// Codes and scales of some rows as a search finds them, block by block; errors in a column weigh what it says.
    ///
    /// - Parameters:
    ///   - numbers: `[rows, columns]` of whole units.
    ///   - weights: of each of the columns; nil weighs all alike.
    ///   - reduced: what must be known of the whole weight; by default that of these rows.
    func search(
        _ numbers: UnsafeBufferPointer<Float>, rows: Int, columns: Int, weights: [Float]?,
        method: QuantizationMethod = .search, reduced: Reduced? = nil
    ) throws(RecastError) -> Tile {
        switch encoding {
        case .plain(let dtype):
            let bytes = try dtype.blocks(of: numbers, columns: columns, weights: weights)
            return bytes.withUnsafeBytes { Tile(blocks: $0, of: dtype, rows: rows, columns: columns) }
        case .packed(let packed):
            var tally = Tally()
            let reduced = packed.reduction == nil ? nil : reduced ?? packed.reduce(numbers)
            var tile = packed.quantize(
                numbers, rows: rows, columns: columns, method: method, importance: weights, reduced: reduced,
                tally: &tally)
            if isNested { tile.nestScales(around: reduced?.meanScale ?? 0) }
            if case .stored(let dtype) = scales, hasRowMaxima {
                for i in tile.scales.indices { tile.scales[i] = rounded(scale: tile.scales[i], dtype) }
            }
            return tile
        }
    }

    private var hasRowMaxima: Bool {
        if case .packed(let packed) = encoding { packed.form.scales == .maxima } else { false }
    }

    /// A scale as it is stored.
    func rounded(scale: Float, _ dtype: DType) -> Float {
        hasRowMaxima ? RowMaximum.scale(of: RowMaximum.of(scale: scale)) : dtype.rounded(scale: scale)
    }
}

/// A table's numbers in their order, with their codes.
struct SortedTable {
    private(set) var values: [Float]
    private(set) var codes: [UInt8]
    /// What lies between two neighbours.
    private(set) var limits: [Float]
    /// The place of each code's value in the order.
    private(set) var places: [Int]

    init(_ table: LevelTable) {
        var seen: Set<Float> = []
        let sorted = table.values.enumerated().filter { !$0.element.isNaN && seen.insert($0.element).inserted }
            .sorted { $0.element < $1.element }
        values = sorted.map(\.element)
        codes = sorted.map { UInt8($0.offset) }
        limits = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
        places = table.values.map { value in sorted.firstIndex { $0.element == value } ?? 0 }
    }
}
