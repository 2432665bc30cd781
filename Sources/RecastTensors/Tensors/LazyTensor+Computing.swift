extension LazyTensor {
    private static func computed(
        _ computation: Computation, _ shape: [Int], _ children: [LazyTensor], as dtype: DType = .f32
    ) -> LazyTensor {
        LazyTensor(dtype: dtype, shape: shape, recipe: .computed(computation, children))
    }

    /// A quantized weight from its stored tensors; its numbers are float32.
    ///
    /// - Parameter parts: in the order of the encoding's layouts, of the shapes it demands.
    package static func decoded(_ encoding: PackedEncoding, _ shape: [Int], _ parts: [LazyTensor]) -> LazyTensor {
        computed(.decoded(encoding), shape, parts)
    }

    /// The same of a weight `[out, in]` that the encoding may see as another matrix.
    package static func decoded(_ encoding: PackedEncoding, weight: [Int], _ parts: [LazyTensor]) -> LazyTensor {
        let (rows, columns) = encoding.shape(ofWeight: weight)
        return decoded(encoding, [rows, columns], parts).reshaped(weight)
    }

    /// The numbers under another type, rounded once where it cannot hold them.
    ///
    /// - Parameter importance: what an error in each column weighs, where the type is chosen by a search: float32, one
    ///   row, or one for each matrix.
    package func converted(
        to dtype: DType, _ arithmetic: [Arithmetic] = [], importance: LazyTensor? = nil
    ) -> LazyTensor {
        if dtype == self.dtype, arithmetic.isEmpty { return self }
        if let importance {
            precondition(
                importance.dtype == .f32 && importance.shape.count == 2 && importance.columnCount == columnCount)
            precondition(importance.rowCount == 1 || importance.rowCount == batchCount)
        }
        // A vector is rows of one number each, or one row of blocks: rows and columns are others under the other type.
        if shape.count == 1, (self.dtype.blockElements > 1) != (dtype.blockElements > 1) {
            return reshaped([1, shape[0]]).converted(to: dtype, arithmetic, importance: importance).reshaped(shape)
        }
        return Self.computed(.converted(arithmetic), shape, [self] + (importance.map { [$0] } ?? []), as: dtype)
    }

    /// The numbers in float32 without the mean of their column, which is taken in float64.
    package func centered() -> LazyTensor {
        precondition(batchCount == 1)
        return Self.computed(.centered, shape, [converted(to: .f32)])
    }

    /// The sum of tensors of one shape, each times its weight: `w₀·x₀ + w₁·x₁ + …`, in float64 from left to right, and
    /// rounded once to float32.
    ///
    /// Weights are float64, as most that are computed (a scale over a root, shares of an average) are no float32; products
    /// and sums are rounded each for itself, never fused, so that they are the same on every processor.
    package static func linearCombination(_ terms: [(tensor: LazyTensor, weight: Double)]) -> LazyTensor {
        let shape = terms[0].tensor.shape
        precondition(terms.allSatisfy { $0.tensor.shape == shape && $0.weight.isFinite })
        return computed(.linearCombination(terms.map(\.weight)), shape, terms.map { $0.tensor.converted(to: .f32) })
    }

    /// The product of matrices `[m, k]` and `[k, n]`, or of each two of a batch, in float32: sums are float64, in the order
    /// of `k`, and rounded once.
    ///
    /// As the product of two float32 numbers is a float64 number, the order is all that the result depends on.
    package func product(with other: LazyTensor) -> LazyTensor {
        precondition(shape.count > 1 && shape.dropLast(2) == other.shape.dropLast(2) && columnCount == other.rowCount)
        return Self.computed(
            .matrixProduct, shape.dropLast() + [other.columnCount], [converted(to: .f32), other.converted(to: .f32)])
    }

    /// The product with a vector, and another vector added: `[rows]` in float32, from sums in float64 that begin with what is
    /// added.
    package func product(with vector: LazyTensor, plus bias: LazyTensor?) -> LazyTensor {
        precondition(shape.count == 2 && vector.shape == [columnCount] && bias.map { $0.shape == [rowCount] } ?? true)
        let children = [self, vector] + (bias.map { [$0] } ?? [])
        return Self.computed(.matrixProduct, [rowCount], children.map { $0.converted(to: .f32) })
    }
}
