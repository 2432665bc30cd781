internal import CKernels

/// Reductions over float32 numbers. Each runs over several lanes at once, because the order of a floating-point sum is
/// the compiler's to keep and a single accumulator would not be vectorised.
enum Reduction {
    private static let lanes = 16

    /// Lane `i mod 16` takes in number `i` by `step`, except that the first lane takes what is left over; then `join` brings
    /// the lanes together in their order. Inlined with its closures, so that none is called.
    @inline(__always)
    private static func fold<Result>(
        _ count: Int, from initial: Result, _ step: (Result, Int) -> Result, join: (Result, Result) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(of: Result.self, capacity: lanes) { buffer in
            let results = buffer.baseAddress!
            for lane in 0..<lanes { results[lane] = initial }
            let whole = count & ~(lanes &- 1)
            var i = 0
            while i < whole {
                for lane in 0..<lanes { results[lane] = step(results[lane], i &+ lane) }
                i = i &+ lanes
            }
            while i < count {
                results[0] = step(results[0], i)
                i = i &+ 1
            }
            var result = initial
            for lane in 0..<lanes { result = join(result, results[lane]) }
            return result
        }
    }

    /// The largest number; NaNs are passed over.
    static func maximum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
        ck_kernels_best().pointee.maximum(x, count)
    }

    /// The sum, in double precision.
    static func sum(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
        fold(count, from: 0, { $0 + Double(x[$1]) }, join: +)
    }

    /// The sum of the squared distances from a number, in double precision.
    static func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int, around center: Double = 0) -> Double {
        let square = { (i: Int) in
            let value = Double(x[i]) - center
            return value * value
        }
        return fold(count, from: 0, { $0 + square($1) }, join: +)
    }

    /// The squared distance of two vectors, in double precision.
    static func squaredDistance(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
        let square = { (i: Int) in
            let value = Double(a[i]) - Double(b[i])
            return value * value
        }
        return fold(count, from: 0, { $0 + square($1) }, join: +)
    }

    /// The product of two vectors, in double precision.
    static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
        fold(count, from: 0, { $0 + Double(a[$1]) * Double(b[$1]) }, join: +)
    }

    /// The product of a vector of bfloat16 numbers with one of float32 numbers.
    static func dot(bfloat16 a: UnsafePointer<UInt16>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        fold(count, from: 0, { $0 + Float(bitPattern: UInt32(a[$1]) &<< 16) * b[$1] }, join: +)
    }
}
