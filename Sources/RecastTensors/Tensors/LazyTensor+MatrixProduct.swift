/// How much of a matrix product is computed at a time: a few rows of the result with all of their terms, the second factor in
/// bands.
struct MatrixProductTiling {
    /// Rows of the result; each tile reads the second factor again.
    let rows: Int
    /// Rows of the second factor.
    let terms: Int
    /// The memory it takes, in bytes, besides what reading the factors takes.
    let byteCount: Int

    private static let mostRows = 32
    private static let factorBytes = 2 << 20
    private static let sumBytes = 4 << 20
    private static let bandBytes = 1 << 20

    /// - Parameters:
    ///   - columns: of the window.
    ///   - grain: rows of the second factor that are best read together.
    package init(terms: Int, columns: Int, grain: Int = 1) {
        // A power of two goes with most other grains.
        var rows = Self.mostRows
        while rows > 1, rows * 4 * terms > Self.factorBytes || rows * 8 * columns > Self.sumBytes { rows /= 2 }
        self.rows = rows
        self.terms = max(1, min(terms, max(1, Self.bandBytes / 4 / max(1, columns)).aligned(to: grain)))
        byteCount = rows * 8 * columns + rows * 4 * terms + self.terms * 4 * columns
    }
}

extension LazyTensor {
    /// The product of the first two children, added to the third.
    func readProduct(
        _ children: [LazyTensor], _ window: Window, into out: UnsafeMutableBufferPointer<Float>,
        using reader: inout Reader
    ) throws(RecastError) {
        let (first, second) = (children[0], children[1])
        let (columns, termCount) = (window.columns.count, first.columnCount)
        let tiling = MatrixProductTiling(terms: termCount, columns: columns, grain: second.rowGrain)
        if children.count > 2 {
            try children[2].read(window, into: UnsafeMutableRawBufferPointer(out), using: &reader)
        } else {
            out.initialize(repeating: 0)
        }
        try reader.withScratch(tiling.byteCount) { (reader, buffer) throws(RecastError) in
            let sums = buffer.baseAddress!.bindMemory(to: Double.self, capacity: tiling.rows * columns)
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[(8 * tiling.rows * columns)...])
            let factors = UnsafeMutableRawBufferPointer(rebasing: rest[..<(4 * tiling.rows * termCount)])
            let band = UnsafeMutableRawBufferPointer(rebasing: rest[(4 * tiling.rows * termCount)...])
            var loaded = 0..<0
            for part in window.bands(ofElements: tiling.rows * columns, grain: tiling.rows) {
                let begin = (part.rows.lowerBound - window.rows.lowerBound) * columns
                let place = UnsafeMutableBufferPointer(rebasing: out[begin..<begin + part.rows.count * columns])
                for index in place.indices { sums[index] = Double(place[index]) }

                let rows = Window(batch: window.batch, rows: part.rows, columns: 0..<termCount)
                try first.read(
                    rows, into: factors, isCounted: window.columns.lowerBound == 0, using: &reader)
                for start in stride(from: 0, to: termCount, by: tiling.terms) {
                    let terms = start..<min(start + tiling.terms, termCount)
                    if terms != loaded {
                        let wanted = Window(batch: window.batch, rows: terms, columns: window.columns)
                        try second.read(
                            wanted, into: band, isCounted: part.rows.lowerBound == 0, using: &reader)
                        loaded = terms
                    }
                    let numbers = UnsafePointer(band.baseAddress!.assumingMemoryBound(to: Float.self))
                    let row = UnsafePointer(factors.baseAddress!.assumingMemoryBound(to: Float.self)) + start
                    for index in 0..<part.rows.count {
                        add(
                            terms.count, row + index * termCount, numbers, to: sums + index * columns, columns: columns)
                    }
                }
                reader.round(sums, into: place)
            }
        }
    }

    /// Reads a window into the beginning of a buffer. What is read again and again for one result is counted but once: with
    /// that window of the result that begins with the first row, or column.
    private func read(
        _ window: Window, into buffer: UnsafeMutableRawBufferPointer, isCounted: Bool, using reader: inout Reader
    ) throws(RecastError) {
        let tally = reader.tally
        try read(
            window, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount(of: window)]), using: &reader)
        if !isCounted { reader.tally = tally }
    }

    /// Adds products of a row of one factor and a band of the other to a row of sums, one term after the other. Products of
    /// float32 numbers are exact, so that only their order matters: columns may be computed side by side.
    private func add(
        _ terms: Int, _ row: UnsafePointer<Float>, _ band: UnsafePointer<Float>, to sums: UnsafeMutablePointer<Double>,
        columns: Int
    ) {
        var term = 0
        // Four terms for each time that a sum is loaded and stored.
        while term + 4 <= terms {
            let (a, b) = (Double(row[term]), Double(row[term + 1]))
            let (c, d) = (Double(row[term + 2]), Double(row[term + 3]))
            let numbers = band + term * columns
            for column in 0..<columns {
                var sum = sums[column] + a * Double(numbers[column])
                sum += b * Double(numbers[columns + column])
                sum += c * Double(numbers[2 * columns + column])
                sum += d * Double(numbers[3 * columns + column])
                sums[column] = sum
            }
            term += 4
        }
        while term < terms {
            let factor = Double(row[term])
            let numbers = band + term * columns
            for column in 0..<columns { sums[column] += factor * Double(numbers[column]) }
            term += 1
        }
    }
}
