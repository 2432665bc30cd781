internal import CKernels

/// The codewords of a codebook type side by side, to look for the nearest ones.
package struct CodewordTable: Sendable {
    package let size: Int
    package let count: Int
    /// `[size, count]`
    let words: [Float]

    package init(_ type: any CodebookBlock.Type) {
        (size, count) = (type.codewordSize, type.entryCount)
        words = (0..<type.codewordSize).flatMap { place in (0..<type.entryCount).map { type.magnitude($0, place) } }
    }

    /// The codewords with the least `Σ (squares[p]·w_p + lines[p])·w_p`, the least first and of equals the first.
    ///
    /// - Parameters:
    ///   - first: where a codeword of four begins in the eight numbers.
    ///   - tried: how many are found, at most eight.
    package func nearest(
        squares: SIMD8<Float>, lines: SIMD8<Float>, first: Int = 0, tried: Int, by kernels: Kernels = .best
    ) -> SIMD8<Int32> {
        precondition(first + size <= 8 && tried <= 8)
        var places = SIMD8<Int32>.zero
        withUnsafeBytes(of: squares) { squares in
            withUnsafeBytes(of: lines) { lines in
                withUnsafeMutableBytes(of: &places) { places in
                    let table = kernels.table.pointee
                    table.nearest_codewords(
                        words, size, count, squares.baseAddress!.assumingMemoryBound(to: Float.self) + first,
                        lines.baseAddress!.assumingMemoryBound(to: Float.self) + first, tried,
                        places.baseAddress!.assumingMemoryBound(to: Int32.self))
                }
            }
        }
        return places
    }
}
