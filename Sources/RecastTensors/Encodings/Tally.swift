internal import CKernels

/// What happened to numbers on their way, and what was written of them; added up over jobs, in the order of the jobs.
package struct Tally: Sendable, Hashable {
    /// Finite numbers that became infinite because the type cannot hold them.
    package var overflowCount = 0
    /// Numbers that the type holds only after rounding.
    package var roundedCount = 0
    /// Blocks whose scale became infinite, and with it all their numbers.
    package var lostBlockCount = 0
    /// Scales and minima of re-packed weights that are out of their new type's range.
    package var lostScaleCount = 0
    /// NaNs and infinities where an encoding needs numbers.
    package var nonfiniteCount = 0
    /// Scales and minima of re-packed weights that their new type holds only after rounding.
    package var roundedScaleCount = 0
    /// How far quantized numbers are from their source.
    package var error = QuantizationError()
    /// Checksums of what was computed and written, where it was to be checked.
    package var written: [WrittenBytes] = []

    package init() {}

    /// Numbers, blocks and scales that cannot be stored.
    package var failureCount: Int { lostBlockCount + lostScaleCount + nonfiniteCount }

    package static func += (sum: inout Tally, other: Tally) {
        sum.overflowCount += other.overflowCount
        sum.roundedCount += other.roundedCount
        sum.lostBlockCount += other.lostBlockCount
        sum.lostScaleCount += other.lostScaleCount
        sum.nonfiniteCount += other.nonfiniteCount
        sum.roundedScaleCount += other.roundedScaleCount
        sum.error += other.error
        sum.written += other.written
    }
}

/// How far decoded numbers are from those they were encoded from. Source numbers that are not finite, and are kept, do not
/// count; any others that are not finite afterwards make the error infinite.
package struct QuantizationError: Sendable, Hashable {
    /// The sum of the squared differences.
    package var squaredError = 0.0
    /// The sum of the squares of the source.
    package var squaredSource = 0.0
    /// How many finite numbers were measured.
    package var count = 0
    /// The greatest difference.
    package var maximum: Float = 0

    package init() {}

    /// Whether every number that was finite is so still.
    package var isFinite: Bool { squaredError.isFinite }

    package static let notFinite = RecastError(
        .inputOutput, "as they were stored, some of its numbers are not finite, though those of the source are")

    /// The root of the mean squared difference.
    package var rootMeanSquare: Double { count == 0 ? 0 : (squaredError / Double(count)).squareRoot() }

    /// The norm of the difference over that of the source.
    package var relative: Double {
        squaredError == 0 ? 0 : squaredSource == 0 ? .infinity : (squaredError / squaredSource).squareRoot()
    }

    package static func += (sum: inout QuantizationError, other: QuantizationError) {
        sum.squaredError += other.squaredError
        sum.squaredSource += other.squaredSource
        sum.count += other.count
        sum.maximum = max(sum.maximum, other.maximum)
    }

    /// Adds what became of some numbers.
    package mutating func add(
        _ source: UnsafePointer<Float>, _ result: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best
    ) {
        var sums = ck_difference()
        kernels.table.pointee.differences(source, result, count, &sums)
        guard !sums.squared_error.isFinite || !sums.squared_source.isFinite || sums.squared_source == 0 else {
            squaredError += sums.squared_error
            squaredSource += sums.squared_source
            maximum = max(maximum, sums.farthest)
            self.count += count
            return
        }
        // Squares that leave the range of float32 are computed again in double precision.
        for (value, found) in zip(
            UnsafeBufferPointer(start: source, count: count), UnsafeBufferPointer(start: result, count: count))
        {
            if !value.isFinite, value == found || value.isNaN && found.isNaN { continue }
            guard value.isFinite, found.isFinite else {
                (squaredError, maximum) = (.infinity, .infinity)
                if value.isFinite { self.count += 1 }
                continue
            }
            let distance = Double(value) - Double(found)
            squaredSource += Double(value) * Double(value)
            squaredError += distance * distance
            maximum = max(maximum, Float(abs(distance)))
            self.count += 1
        }
    }
}

/// Where computed bytes were written, and their checksum.
package struct WrittenBytes: Sendable, Hashable {
    package var output: Int
    package var offset: Int
    /// Rows of this many bytes, whose beginnings are `stride` apart.
    package var rowByteCount: Int
    package var rowCount: Int
    package var stride: Int
    package var checksum: UInt32

    package init(output: Int, offset: Int, rowByteCount: Int, rowCount: Int, stride: Int, checksum: UInt32) {
        (self.output, self.offset, self.rowByteCount) = (output, offset, rowByteCount)
        (self.rowCount, self.stride, self.checksum) = (rowCount, stride, checksum)
    }
}
