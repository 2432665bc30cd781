/// Multiples of a block's scale, or minimum, that stand for those of its groups.
struct Multiples {
    /// A half.
    var unit: Float
    /// Bytes.
    var multiples: [Int]

    /// By search where groups weigh differently; otherwise the greatest number becomes `highest`, and none are positive where
    /// there is no scale (gguf.md §b.7).
    init(of numbers: [Float], weights: [Float]?, highest: Int) {
        if let weights {
            let fit = LevelSearch.multiples(numbers, weights: weights, highest: highest)
            unit = HalfFloat.rounded(fit.scale)
            multiples = fit.levels
            return
        }
        var greatest: Float = 0
        for number in numbers where number > greatest { greatest = number }
        let inverse = greatest > 0 ? Float(highest) / greatest : 0
        unit = HalfFloat.rounded(greatest / Float(highest))
        multiples = numbers.map { (inverse * $0).nearestInteger.wrapped }
    }
}
