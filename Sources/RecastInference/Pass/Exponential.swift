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
