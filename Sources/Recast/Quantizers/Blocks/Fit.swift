/// What a search found for a group of elements: x ≈ scale·level + minimum.
struct Fit {
    var scale: Float = 0
    var minimum: Float = 0
    /// Counted from the lowest.
    var levels: [Int]

    /// Every element at the lowest level, with no scale.
    static func flat(_ count: Int, minimum: Float = 0) -> Fit {
        Fit(minimum: minimum, levels: [Int](repeating: 0, count: count))
    }

    /// The levels that lie nearest on the grid scale·level − minimum; those of the search if the grid has no steps
    /// (gguf.md §b.7, REQ).
    func placed(
        _ x: UnsafePointer<Float>, scale: Float, minimum: Float, lowest: Int, highest: Int
    ) -> [Int] {
        if scale == 0 { return levels }
        return levels.indices.map { ((x[$0] + minimum) / scale).nearestInteger.clamped(lowest, highest) - lowest }
    }
}

/// What errors weigh.
enum Weights {
    /// Elements count for their importance, more where they lie far from zero compared to `variance`.
    static func important(
        _ x: UnsafePointer<Float>, _ importance: UnsafePointer<Float>, variance: Float, count: Int
    ) -> [Float] {
        (0..<count).map { importance[$0] * (variance + x[$0] * x[$0]).squareRoot() }
    }

    static func squares(_ x: UnsafePointer<Float>, count: Int) -> [Float] { (0..<count).map { x[$0] * x[$0] } }

    static func magnitudes(_ x: UnsafePointer<Float>, count: Int) -> [Float] { (0..<count).map { abs(x[$0]) } }

    static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Float {
        (0..<count).reduce(0) { $0 + x[$1] * x[$1] }
    }

    static func sum(_ weights: [Float]) -> Float { weights.reduce(0, +) }
}

extension Float {
    /// The nearest integer, ties to even, for magnitudes below 2^22; defined, if useless, beyond (gguf.md §b, `nint`).
    var nearestInteger: Int { Int((self + 12_582_912).bitPattern & 0x7F_FFFF) - 0x40_0000 }
}

extension Int {
    func clamped(_ lowest: Int, _ highest: Int) -> Int { Swift.max(lowest, Swift.min(highest, self)) }

    /// As a byte would hold it.
    var wrapped: Int { self & 255 }
}
