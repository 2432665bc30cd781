#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Types whose scales follow from the extremes, whatever an element weighs (gguf.md §b.3).

/// The greatest magnitude lies `steps` from the code of zero.
struct AbsmaxSearch: BlockSearch {
    let count: Int
    let steps: Float
    let zero: Int
    let codes: ClosedRange<Int>
    /// The code where the scale is so small that it has no finite inverse.
    let undefined: Int

    func fit(_ block: BlockNumbers) -> BlockFit {
        let scale = abs(Float.farthest(of: block.x, count: count)) / steps
        let inverse = scale == 0 ? 0 : 1 / scale
        let found = (0..<count).map { i in
            let level = (block.x[i] * inverse).rounded(.toNearestOrAwayFromZero)
            return level.isFinite ? (Int(level) + zero).clamped(codes.lowerBound, codes.upperBound) : undefined
        }
        return BlockFit(codes: found, scales: [HalfFloat.rounded(scale)])
    }
}

/// The scale is the mean magnitude.
struct SignSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let mean = (0..<128).reduce(0) { $0 + abs(block.x[$1]) } / 128
        return BlockFit(codes: (0..<128).map { block.x[$0] >= 0 ? 1 : 0 }, scales: [HalfFloat.rounded(mean)])
    }
}

/// The scale is a power of two.
struct MXFP4Search: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let exponent = exponent(for: abs(Float.farthest(of: block.x, count: 32)))
        let step = MXFP4.step(exponent)
        return BlockFit(
            codes: (0..<32).map { DoubledE2M1.nearest(block.x[$0], step: step) }, scales: [E8M0.value(of: exponent)])
    }

    /// The logarithm is rounded to float32 before it is floored, which takes what lies just below a power of two up to it.
    private func exponent(for magnitude: Float) -> UInt8 {
        guard magnitude > 0, magnitude.isFinite else { return 0 }
        let exponent = UInt8(truncatingIfNeeded: Int(Float(log2(Double(magnitude))).rounded(.down)) + 125)
        return exponent == 255 ? 0 : exponent
    }
}

/// The greatest magnitude of a group is six times its scale.
struct NVFP4Search: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        var found = BlockFit(codes: [], scales: [])
        for group in 0..<4 {
            let x = block.x + 16 * group
            let scale = NVFP4.scale(byte(for: abs(Float.farthest(of: x, count: 16)) / 6))
            found.scales.append(scale)
            found.codes += (0..<16).map { DoubledE2M1.nearest(x[$0], step: scale / 2) }
        }
        return found
    }

    /// Rounded with ties upwards; from 256 on the largest, 448.
    private func byte(for value: Float) -> UInt8 {
        if value >= 256 { return NVFP4.largestScale }
        if value < 0x1p-6 { return UInt8(min(7, value * 512 + 0.5)) }
        let mantissa = Int((value.significand - 1) * 8 + 0.5)
        let scale = (Int(value.exponent) + 7) << 3 + mantissa
        return scale < 0x78 ? UInt8(scale) : NVFP4.largestScale
    }
}

extension DoubledE2M1 {
    /// The first of the codes nearest to a value.
    fileprivate static func nearest(_ value: Float, step: Float) -> Int {
        var best = 0
        var least = abs(values[0] * step - value)
        for code in 1..<16 {
            let error = abs(values[code] * step - value)
            if error < least { (best, least) = (code, error) }
        }
        return best
    }
}
