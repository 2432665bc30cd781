// Blocks of 32 codes with one scale, and perhaps a minimum (gguf.md §b.3; with an importance §b.7).

/// Codes around the middle one; without importance, the farthest element has the code 0.
struct CenteredSearch: BlockSearch {
    let middle: Int

    func fit(_ block: BlockNumbers) -> BlockFit {
        let fit =
            block.weights(count: 32).map { ScaleSearch(highest: middle).fit(block.x, weights: $0) } ?? plain(block.x)
        return BlockFit(codes: fit.levels, scales: [HalfFloat.rounded(fit.scale)])
    }

    private func plain(_ x: UnsafePointer<Float>) -> Fit {
        let scale = Float.farthest(of: x, count: 32) / Float(-middle)
        let inverse = scale == 0 ? 0 : 1 / scale
        return Fit(
            scale: scale,
            levels: (0..<32).map { Fit.level(x[$0] * inverse + (Float(middle) + 0.5), highest: 2 * middle - 1) })
    }
}

/// Codes from a minimum on; without importance, the least element has the code 0, the greatest the highest.
struct RangeSearch: BlockSearch {
    let highest: Int

    func fit(_ block: BlockNumbers) -> BlockFit {
        let fit =
            block.weights(count: 32).map { AffineSearch(highest: highest).fit(block.x, weights: $0) } ?? plain(block.x)
        return BlockFit(
            codes: fit.levels, scales: [HalfFloat.rounded(fit.scale)], minima: [HalfFloat.rounded(fit.minimum)])
    }

    private func plain(_ x: UnsafePointer<Float>) -> Fit {
        var least = Float.greatestFiniteMagnitude
        var greatest = -Float.greatestFiniteMagnitude
        for i in 0..<32 {
            if x[i] < least { least = x[i] }
            if x[i] > greatest { greatest = x[i] }
        }
        let scale = (greatest - least) / Float(highest)
        let inverse = scale == 0 ? 0 : 1 / scale
        return Fit(
            scale: scale, minimum: least,
            levels: (0..<32).map { Fit.level((x[$0] - least) * inverse + 0.5, highest: highest) })
    }
}

extension BlockNumbers {
    /// What the elements weigh beside the whole row.
    fileprivate func weights(count: Int) -> [Float]? {
        importance.map { Weights.important(x, $0, variance: meanSquare, count: count) }
    }
}

extension Fit {
    /// Truncated, and cut off at the top. The inverse of a subnormal scale may be infinite: that makes level 0.
    fileprivate static func level(_ shifted: Float, highest: Int) -> Int {
        shifted.isFinite ? Int(shifted).clamped(0, highest) : 0
    }
}
