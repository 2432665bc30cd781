internal import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Turns scores into probabilities.
enum Softmax {
    /// Normalises some of the numbers of a row in place, and zeroes the rest of its `width`.
    ///
    /// - Parameter sink: a score that has its share, and no place; nil for none.
    static func normalize(
        _ row: UnsafeMutablePointer<Float>, _ range: Range<Int>, width: Int, beside sink: Float? = nil
    ) {
        let first = row + range.lowerBound
        var maximum = Reduction.maximum(first, range.count)
        if let sink { maximum = max(maximum, sink) }
        var sum = exponentials(first, range.count, minus: maximum)
        if let sink { sum += Double(exponential(sink - maximum)) }
        let scale = Float(1 / sum)
        var i = 0
        while i < range.lowerBound {
            row[i] = 0
            i = i &+ 1
        }
        while i < range.upperBound {
            row[i] *= scale
            i = i &+ 1
        }
        while i < width {
            row[i] = 0
            i = i &+ 1
        }
    }

    /// Replaces each number by `exp(x - offset)`, and returns their sum.
    static func exponentials(_ row: UnsafeMutablePointer<Float>, _ count: Int, minus offset: Float) -> Double {
        ck_kernels_best().pointee.exponentials(row, count, offset)
    }
}

/// The logarithm of a sum of exponentials whose terms come in pieces.
struct RunningLogSumExp {
    private(set) var maximum = -Float.infinity
    private(set) var sum = 0.0

    /// Adds the terms `exp(x)` of a piece, whose content is lost.
    mutating func add(_ piece: UnsafeMutablePointer<Float>, _ count: Int) {
        raise(to: Reduction.maximum(piece, count))
        sum += Softmax.exponentials(piece, count, minus: maximum)
    }

    /// Takes note of the largest of the exponents that come next.
    ///
    /// - Returns: its place, the first of equals; nil where it is no larger than those before.
    mutating func raise(to piece: UnsafePointer<Float>, _ count: Int) -> Int? {
        let largest = Reduction.maximum(piece, count)
        guard raise(to: largest) else { return nil }
        return (0..<count).first { piece[$0] == largest }
    }

    @discardableResult
    private mutating func raise(to largest: Float) -> Bool {
        guard largest > maximum else { return false }
        sum *= Double(exponential(maximum - largest))
        maximum = largest
        return true
    }

    /// `-log p` of the term with this exponent.
    func negativeLogLikelihood(of logit: Float) -> Double { log(sum) - (Double(logit) - Double(maximum)) }
}
