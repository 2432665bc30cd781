extension LazyTensor {
    /// Numbers added up at a time, at least: enough that what is read for each child is no small matter.
    private static let elementsCombinedAtOnce = 64 << 10

    private func combinationBands(_ window: Window) -> WindowBands {
        window.bands(ofElements: Self.elementsCombinedAtOnce, grain: rowGrain)
    }

    /// The memory that adding up a window takes, in bytes, besides what reading the children takes.
    func combinationByteCount(_ window: Window) -> Int {
        12 * min(combinationBands(window).rowCount, window.rows.count) * window.columns.count
    }

    /// The sum of the children, each times its weight.
    func readCombination(
        _ children: [LazyTensor], _ weights: [Double], _ window: Window,
        into out: UnsafeMutableBufferPointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        for part in combinationBands(window) {
            let count = part.rows.count * part.columns.count
            let first = (part.rows.lowerBound - window.rows.lowerBound) * part.columns.count
            try reader.withScratch(12 * count) { (reader, buffer) throws(RecastError) in
                let sums = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(8 * count)])
                    .bindMemory(to: Double.self).baseAddress!
                let raw = UnsafeMutableRawBufferPointer(rebasing: buffer[(8 * count)...])
                for (child, weight) in zip(children.indices, weights) {
                    try children[child].read(part, into: raw, using: &reader)
                    let numbers = UnsafePointer(raw.bindMemory(to: Float.self).baseAddress!)
                    if child == 0 {
                        for index in 0..<count { sums[index] = weight * Double(numbers[index]) }
                    } else {
                        for index in 0..<count { sums[index] += weight * Double(numbers[index]) }
                    }
                }
                reader.round(sums, into: UnsafeMutableBufferPointer(rebasing: out[first..<first + count]))
            }
        }
    }
}
