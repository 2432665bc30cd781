internal import CKernels

/// What happened to numbers on their way, and what was written of them; added up over jobs, in the order of the jobs.
public struct Tally: Sendable, Hashable {
    /// Finite numbers that became infinite because the type cannot hold them.
    public var overflowCount = 0
    /// Numbers that the type holds only after rounding.
    public var roundedCount = 0
    /// Blocks whose scale became infinite, and with it all their numbers.
    public var lostBlockCount = 0
    /// Scales and minima of re-packed weights that are out of their new type's range.
    public var lostScaleCount = 0
    /// NaNs and infinities where an encoding needs numbers.
    public var nonfiniteCount = 0
    /// Scales and minima of re-packed weights that their new type holds only after rounding.
    public var roundedScaleCount = 0
    /// How far quantized numbers are from their source.
    public var error = QuantizationError()
    /// Checksums of what was computed and written, where it was to be checked.
    var written: [WrittenBytes] = []

    public init() {}

    public static func += (sum: inout Tally, other: Tally) {
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

/// How far decoded numbers are from those they were encoded from.
public struct QuantizationError: Sendable, Hashable {
    /// The sum of the squared differences.
    public var squaredError = 0.0
    /// The sum of the squares of the source.
    public var squaredSource = 0.0
    public var count = 0
    /// The greatest difference.
    public var maximum: Float = 0

    public init() {}

    /// The root of the mean squared difference.
    public var rootMeanSquare: Double { count == 0 ? 0 : (squaredError / Double(count)).squareRoot() }

    /// The norm of the difference over that of the source.
    public var relative: Double {
        squaredError == 0 ? 0 : squaredSource == 0 ? .infinity : (squaredError / squaredSource).squareRoot()
    }

    public static func += (sum: inout QuantizationError, other: QuantizationError) {
        sum.squaredError += other.squaredError
        sum.squaredSource += other.squaredSource
        sum.count += other.count
        sum.maximum = max(sum.maximum, other.maximum)
    }

    /// Adds what became of some numbers.
    mutating func add(
        _ source: UnsafePointer<Float>, _ result: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best
    ) {
        var sums = ck_difference()
        kernels.table.pointee.differences(source, result, count, &sums)
        // Squares that leave the range of float32 are computed again in double precision.
        if !sums.squared_error.isFinite || !sums.squared_source.isFinite || sums.squared_source == 0 {
            (sums.squared_error, sums.squared_source) = (0, 0)
            for index in 0..<count {
                let (value, distance) = (Double(source[index]), Double(source[index]) - Double(result[index]))
                sums.squared_source += value * value
                sums.squared_error += distance * distance
            }
        }
        squaredError += sums.squared_error
        squaredSource += sums.squared_source
        maximum = max(maximum, sums.farthest)
        self.count += count
    }
}

/// Where computed bytes were written, and their checksum.
struct WrittenBytes: Sendable, Hashable {
    var output: Int
    var offset: Int
    /// Rows of this many bytes, whose beginnings are `stride` apart.
    var rowByteCount: Int
    var rowCount: Int
    var stride: Int
    var checksum: UInt32
}
