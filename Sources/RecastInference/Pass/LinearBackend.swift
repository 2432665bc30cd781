import Recast

/// Where a pass multiplies by the model's weights, whatever keeps them.
///
/// A site is the slot of a weight. Matrices are row-major without gaps.
protocol LinearBackend {
    /// `output[rows, out] = input[rows, in] · weightᵀ + bias`, or that added to what `output` holds.
    ///
    /// - Parameter worker: who asks.
    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker: Int
    ) throws(RecastError)

    /// The weight or bias of a norm, or another vector; nil where there is none.
    func vector(_ slot: Slot) -> UnsafePointer<Float>?

    /// Some columns of an embedding's rows: `[tokens, columns]`.
    func embed(
        _ tokens: ArraySlice<Int32>, _ slot: Slot, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
        worker: Int
    ) throws(RecastError)
}

/// `output[rows, columns] (+)= input[rows, depth] · weight[columns, depth]ᵀ`, where rows of the output are `stride` apart.
func multiply(
    _ input: UnsafePointer<Float>, rows: Int, by weight: UnsafePointer<Float>, columns: Int, depth: Int,
    into output: UnsafeMutablePointer<Float>, stride: Int, accumulating: Bool = false
) {
    let library = MatrixLibrary.current
    if rows == 1 {
        library.sgemv(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, CInt(columns), CInt(depth), 1, weight, CInt(depth), input, 1,
            accumulating ? 1 : 0, output, 1)
    } else {
        library.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, CInt(rows), CInt(columns),
            CInt(depth),
            1, input, CInt(depth), weight, CInt(depth), accumulating ? 1 : 0, output, CInt(stride))
    }
}

/// `output[rows, of the weight] (+)= input[rows, columns] · weightᵀ`, the input being rounded to what the weight is multiplied with.
func multiply(
    _ input: UnsafePointer<Float>, rows: Int, by weight: PanelMatrix, into output: UnsafeMutablePointer<Float>,
    accumulating: Bool, using resources: WorkerResources
) {
    resources.activations.round(weight.type, input, count: rows)
    weight.multiply(
        0..<weight.panelCount, with: resources.activations,
        into: PanelMatrix.Target(output: output, stride: weight.rows, accumulating: accumulating),
        using: resources.products)
}

/// Adds a bias to each row.
func add(
    _ bias: UnsafePointer<Float>, rows: Int, columns: Int, to output: UnsafeMutablePointer<Float>, stride: Int
) {
    for row in 0..<rows {
        let target = output + row * stride
        var i = 0
        while i < columns {
            target[i] += bias[i]
            i = i &+ 1
        }
    }
}
