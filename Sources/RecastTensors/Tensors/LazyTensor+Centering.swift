extension LazyTensor {
    func readCentered(
        _ base: LazyTensor, _ window: Window, into out: UnsafeMutableBufferPointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        let means = try base.columnMeans(&reader)
        try base.read(window, into: UnsafeMutableRawBufferPointer(out), using: &reader)
        let columns = window.columns.count
        for row in 0..<window.rows.count {
            for column in 0..<columns {
                let value = Double(out[row * columns + column])
                out[row * columns + column] = Float(value - means[window.columns.lowerBound + column])
            }
        }
    }

    /// The mean of each column of a float32 matrix. Jobs of one matrix come one after the other, so that the last means
    /// are kept.
    private func columnMeans(_ reader: inout Reader) throws(RecastError) -> [Double] {
        if let (tensor, means) = reader.columnMeans, tensor == self { return means }
        // What happens to the numbers is counted where they are read for themselves.
        let tally = reader.tally
        var sums = [Double](repeating: 0, count: columnCount)
        for window in windows(of: 256 << 10) {
            let (rows, columns) = (window.rows.count, columnCount)
            try reader.withScratch(4 * rows * columns) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                let numbers = buffer.bindMemory(to: Float.self)
                for row in 0..<rows {
                    for column in 0..<columns { sums[column] += Double(numbers[row * columns + column]) }
                }
            }
        }
        let means = sums.map { $0 / Double(rowCount) }
        reader.tally = tally
        reader.columnMeans = (self, means)
        return means
    }
}
