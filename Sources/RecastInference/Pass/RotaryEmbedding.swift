import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The cosines and sines by which the pairs of a head are rotated at each position, computed in double precision and rounded
/// once.
struct RotaryEmbedding: Sendable {
    private let pairs: Int
    private let cosines: FloatBuffer
    private let sines: FloatBuffer

    init(_ table: Rope.Table, positions: Int) {
        pairs = table.frequencies.count
        cosines = FloatBuffer(count: positions * pairs)
        sines = FloatBuffer(count: positions * pairs)
        for position in 0..<positions {
            for pair in 0..<pairs {
                let angle = Double(position) * table.frequencies[pair]
                cosines.base[position * pairs + pair] = Float(cos(angle) * table.attentionFactor)
                sines.base[position * pairs + pair] = Float(sin(angle) * table.attentionFactor)
            }
        }
    }

    /// Turns the first elements of every head of consecutive rows in place, `j` with `j + pairs`; the first row stands at
    /// `position`.
    func rotate(_ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, headDimension: Int, position: Int) {
        for row in 0..<rows {
            let (cosines, sines) = (cosines(at: position + row), sines(at: position + row))
            for head in 0..<heads {
                let a = x + (row * heads + head) * headDimension
                Self.rotate(a, a + pairs, cosines, sines, pairs)
            }
        }
    }

    /// Turns one vector in place, `2j` with `2j + 1`.
    func rotateNeighbours(_ x: UnsafeMutablePointer<Float>, position: Int) {
        let (cosines, sines) = (cosines(at: position), sines(at: position))
        for i in 0..<pairs {
            let (a, b) = (x[2 * i], x[2 * i + 1])
            x[2 * i] = a * cosines[i] - b * sines[i]
            x[2 * i + 1] = b * cosines[i] + a * sines[i]
        }
    }

    private func cosines(at position: Int) -> UnsafePointer<Float> { UnsafePointer(cosines.base) + position * pairs }
    private func sines(at position: Int) -> UnsafePointer<Float> { UnsafePointer(sines.base) + position * pairs }

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
