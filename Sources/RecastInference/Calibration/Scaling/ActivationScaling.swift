import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// AWQ: scales for the columns of weights that share their input, by which columns with large inputs are rounded more finely.
///
/// `W x = (W diag(s)) (x / s)`: the weights are rounded with their columns multiplied, and the operation before takes the
/// division. Of the scales `s = X^r / A^(1−r)`, and `X^r`, with the root mean square X of the inputs and the mean A of a
/// column's magnitudes as parts of the greatest of their groups, those are taken whose exact output error is the least on some
/// of the rows. Source: Lin et al., "AWQ"; Specs/quantization.md §b.5.
struct ActivationScaling {
    let factor: HessianFactor
    /// Root mean squares of the columns.
    let inputs: [Float]
    /// How many neighbouring columns-of-heads have the same scale.
    let sharing: Sharing
    let workers: Workers

    /// Which columns must have one scale: those that have the same place in each head of a group.
    struct Sharing {
        /// Columns of a head.
        var width: Int
        /// Heads of a group.
        var heads: Int

        static let none = Sharing(width: 1, heads: 1)

        /// The row behind a column.
        func row(of column: Int) -> Int { column / (width * heads) * width + column % width }
    }

    /// A weight among those that share the input.
    struct Weight {
        var numbers: UnsafePointer<Float>
        var rows: Int
        var target: WeightTarget
    }

    /// Rows of each weight that are tried.
    private static let rowsTried = 256
    private static let steps = 20

    /// - Returns: a scale for each column; ones where nothing is better.
    func scales(of weights: [Weight]) throws(RecastError) -> [Float] {
        let columns = factor.columns
        let samples = weights.map { sample($0, columns) }
        let magnitudes = magnitudes(samples, columns)
        let shared = shared(inputs, columns)
        var candidates: [[Float]] = [[Float](repeating: 1, count: columns)]
        for step in 1...Self.steps {
            let r = Float(step) / Float(Self.steps)
            candidates.append(normalized((0..<columns).map { powf(max(shared[$0], 1e-6), r) }))
            candidates.append(
                normalized(
                    (0..<columns).map {
                        powf(max(shared[$0], 1e-6), r) / powf(max(magnitudes[$0], 1e-4), 1 - r)
                    }))
        }
        var errors = [Double](repeating: 0, count: candidates.count)
        try errors.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            nonisolated(unsafe) let errors = buffer
            let tried = candidates
            try workers.run(tried.count) { (_, job) throws(RecastError) in
                for sample in samples { errors[job] += try error(sample, tried[job]) }
            }
        }
        let best = errors.indices.min { (errors[$0], $0) < (errors[$1], $1) }!
        return candidates[best]
    }

    private struct Sample {
        var numbers: [Float]
        var rows: Int
        var target: WeightTarget
        /// The output of these rows.
        var output: Double
    }

    /// Some rows, evenly spread.
    private func sample(_ weight: Weight, _ columns: Int) -> Sample {
        let count = min(weight.rows, Self.rowsTried)
        var numbers: [Float] = []
        numbers.reserveCapacity(count * columns)
        for index in 0..<count {
            let row = weight.numbers + index * weight.rows / count * columns
            numbers += UnsafeBufferPointer(start: row, count: columns)
        }
        let output = factor.losses(of: numbers, rows: count).reduce(0, +)
        return Sample(numbers: numbers, rows: count, target: weight.target, output: output)
    }

    /// The mean magnitude of each column, as a part of the greatest of its group.
    private func magnitudes(_ samples: [Sample], _ columns: Int) -> [Float] {
        var sums = [Float](repeating: 0, count: columns)
        for sample in samples {
            let width = min(sample.target.groupWidth, columns)
            for row in 0..<sample.rows {
                for first in stride(from: 0, to: columns, by: width) {
                    let range = row * columns + first..<row * columns + first + width
                    let greatest = sample.numbers[range].reduce(0) { max($0, abs($1)) }
                    guard greatest > 0 else { continue }
                    for i in range { sums[i - row * columns] += abs(sample.numbers[i]) / greatest }
                }
            }
        }
        let rows = Float(samples.reduce(0) { $0 + $1.rows })
        return shared(sums.map { $0 / rows }, columns)
    }

    /// Columns that must have one scale get the root mean square of theirs.
    private func shared(_ values: [Float], _ columns: Int) -> [Float] {
        guard sharing.heads > 1 else { return values }
        var sums = [Float](repeating: 0, count: columns / sharing.heads)
        for column in 0..<columns { sums[sharing.row(of: column)] += values[column] * values[column] }
        return (0..<columns).map { (sums[sharing.row(of: $0)] / Float(sharing.heads)).squareRoot() }
    }

    /// With the middle of the range at one.
    private func normalized(_ scales: [Float]) -> [Float] {
        let middle = (scales.max()! * scales.min()!).squareRoot()
        guard middle > 0, middle.isFinite else { return scales.map { _ in 1 } }
        return scales.map { min(max($0 / middle, 1e-4), 1e4) }
    }

    /// The output error of a sample with its columns scaled, as a part of its output.
    private func error(_ sample: Sample, _ scales: [Float]) throws(RecastError) -> Double {
        let columns = scales.count
        var numbers = sample.numbers
        for i in numbers.indices { numbers[i] *= scales[i % columns] }
        let weights = (0..<columns).map { inputs[$0] * inputs[$0] / (scales[$0] * scales[$0]) }
        let outcome = numbers.withUnsafeBufferPointer { buffer in
            Result { () throws(RecastError) in
                try sample.target.search(buffer, rows: sample.rows, columns: columns, weights: weights)
            }
        }
        let rounded = try outcome.get()
        numbers.withUnsafeMutableBufferPointer { rounded.decode(into: $0) }
        for i in numbers.indices { numbers[i] = sample.numbers[i] - numbers[i] / scales[i % columns] }
        let loss = factor.losses(of: numbers, rows: sample.rows).reduce(0, +)
        return sample.output > 0 ? loss / sample.output : loss
    }
}
