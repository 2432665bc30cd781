import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The cosines and sines by which the pairs (`j`, `j + dimensions / 2`) of a head turn at each position, computed in
/// double precision and rounded once.
struct RotaryEmbedding: Sendable {
    private let pairs: Int
    private let cosines: FloatBuffer
    private let sines: FloatBuffer

    /// - Throws: `unsupported` for a scaling that cannot be computed.
    init(_ rope: Rope, positions: Int) throws(RecastError) {
        guard let factors = rope.frequencyFactors else {
            throw .unsupported("cannot compute rotary embeddings of the type \(rope.scaling.name)")
        }
        pairs = rope.pairCount
        cosines = FloatBuffer(count: positions * pairs)
        sines = FloatBuffer(count: positions * pairs)
        let frequencies = zip(rope.baseFrequencies, factors).map { $0 / $1 }
        for position in 0..<positions {
            for pair in 0..<pairs {
                let angle = Double(position) * frequencies[pair]
                cosines.base[position * pairs + pair] = Float(cos(angle))
                sines.base[position * pairs + pair] = Float(sin(angle))
            }
        }
    }

    /// Turns every head of consecutive rows in place; the first row stands at `position`.
    func rotate(_ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, headDimension: Int, position: Int) {
        for row in 0..<rows {
            let cosines = UnsafePointer(cosines.base) + (position + row) * pairs
            let sines = UnsafePointer(sines.base) + (position + row) * pairs
            for head in 0..<heads {
                let a = x + (row * heads + head) * headDimension
                Self.rotate(a, a + pairs, cosines, sines, pairs)
            }
        }
    }

    private static func rotate(
        _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ cosines: UnsafePointer<Float>,
        _ sines: UnsafePointer<Float>, _ pairs: Int
    ) {
        var i = 0
        while i < pairs {
            let (x, y) = (a[i], b[i])
            a[i] = x * cosines[i] - y * sines[i]
            b[i] = y * cosines[i] + x * sines[i]
            i = i &+ 1
        }
    }
}
