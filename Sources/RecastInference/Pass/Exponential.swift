/// e to the power of `x`, at most 2 ulp off, in a form that loops over it are vectorised.
///
/// The same bits on every machine: only additions, multiplications and shifts, none of them fused. Below the smallest
/// normal number the result stays there, above the largest likewise; a NaN stays one.
@inline(__always)
func exponential(_ x: Float) -> Float {
    // Written so that a comparison with NaN keeps the NaN.
    let above = x < -87.336_54 ? -87.336_54 : x
    let x = above > 88.37 ? 88.37 : above
    // Adding 1.5 · 2^23 rounds to an integer, which is then found in the low bits.
    let shifted = x * 1.442_695_04 + 12_582_912
    let n = shifted - 12_582_912
    // ln 2 in two parts, of which the first has so few bits that its product with n is exact.
    let r = (x - n * 0.693_359_375) - n * -2.121_944_40e-4
    var p: Float = 1.987_569_15e-4
    p = p * r + 1.398_199_951e-3
    p = p * r + 8.333_451_907e-3
    p = p * r + 4.166_579_589e-2
    p = p * r + 1.666_666_546e-1
    p = p * r + 5.000_000_120e-1
    let fraction = p * (r * r) + r + 1
    return fraction * Float(bitPattern: (shifted.bitPattern &- 0x4B40_0000 &+ 127) &<< 23)
}

/// Reductions over float32 numbers. Each runs over several lanes at once, because the order of a floating-point sum is
/// the compiler's to keep and a single accumulator would not be vectorised.
enum Reduction {
    private static let lanes = 16

    /// The largest number; NaNs are passed over.
    static func maximum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: lanes) { buffer in
            let best = buffer.baseAddress!
            for lane in 0..<lanes { best[lane] = -.infinity }
            let whole = count & ~(lanes &- 1)
            var i = 0
            while i < whole {
                for lane in 0..<lanes {
                    let value = x[i &+ lane]
                    best[lane] = value > best[lane] ? value : best[lane]
                }
                i = i &+ lanes
            }
            while i < count {
                if x[i] > best[0] { best[0] = x[i] }
                i = i &+ 1
            }
            var result = best[0]
            for lane in 1..<lanes where best[lane] > result { result = best[lane] }
            return result
        }
    }

    /// The sum, in double precision.
    static func sum(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: lanes) { buffer in
            let sums = buffer.baseAddress!
            for lane in 0..<lanes { sums[lane] = 0 }
            let whole = count & ~(lanes &- 1)
            var i = 0
            while i < whole {
                for lane in 0..<lanes { sums[lane] += Double(x[i &+ lane]) }
                i = i &+ lanes
            }
            while i < count {
                sums[0] += Double(x[i])
                i = i &+ 1
            }
            return total(sums)
        }
    }

    /// The sum of the squared distances from a number, in double precision.
    static func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int, around center: Double = 0) -> Double {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: lanes) { buffer in
            let sums = buffer.baseAddress!
            for lane in 0..<lanes { sums[lane] = 0 }
            let whole = count & ~(lanes &- 1)
            var i = 0
            while i < whole {
                for lane in 0..<lanes {
                    let value = Double(x[i &+ lane]) - center
                    sums[lane] += value * value
                }
                i = i &+ lanes
            }
            while i < count {
                let value = Double(x[i]) - center
                sums[0] += value * value
                i = i &+ 1
            }
            return total(sums)
        }
    }

    private static func total(_ sums: UnsafePointer<Double>) -> Double {
        var total = 0.0
        for lane in 0..<lanes { total += sums[lane] }
        return total
    }
}
