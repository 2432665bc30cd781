/// How the numbers of a tensor are computed from those of others, its children. The result is float32, but for what is
/// converted.
///
/// A window's numbers are the same bits whatever windows are asked for, on every processor: sums are float64, their terms
/// are added in a stated order, and they are rounded once.
package enum Computation: Sendable, Hashable, Codable {
    /// The numbers of a weight stored in several parts: its children, in the order of the encoding's layouts.
    case decoded(PackedEncoding)
    /// Numbers computed from those of the first child, and rounded once to the tensor's type. A second child weights the
    /// columns: float32 of shape `[1, columns]`, or `[batch, columns]` for a row per matrix.
    case converted([Arithmetic])
    /// Numbers minus the mean of their column, in a single matrix.
    case centered
    /// The sum of the children, each times its weight, in their order.
    case linearCombination([Double])
    /// The product of the first child `[rows, terms]` and the second `[terms, columns]`; added to a third, if there is one,
    /// in the order of the terms.
    case matrixProduct
}

// MARK: What a plan must know of each

extension Computation {
    struct Summary {
        /// Whether it makes numbers that may need rounding.
        var rounds: Bool
        var values: Values
        /// As many rows as make a window worth what is read again for each.
        var rows = 1
    }

    /// Where numbers come from fewer values than their type has.
    enum Values {
        /// From the codes of this encoding.
        case decoded(PackedEncoding)
        /// Where those of the children do.
        case inherited
        /// Nowhere: sums have values of their own.
        case any
    }

    func summary(of tensor: LazyTensor, _ children: [LazyTensor]) -> Summary {
        switch self {
        case .decoded(let encoding): Summary(rounds: false, values: .decoded(encoding))
        case .converted(let arithmetic):
            Summary(
                rounds: !arithmetic.isEmpty || !children[0].dtype.widensExactly(to: tensor.dtype), values: .inherited)
        case .centered: Summary(rounds: true, values: .inherited)
        case .linearCombination: Summary(rounds: true, values: .any)
        case .matrixProduct:
            Summary(
                rounds: true, values: .any,
                rows: MatrixProductTiling(terms: children[0].columnCount, columns: tensor.columnCount).rows)
        }
    }
}

// MARK: How each is computed

extension LazyTensor {
    func compute(
        _ computation: Computation, _ children: [LazyTensor], _ window: Window,
        into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        switch computation {
        case .decoded(let encoding):
            try encoding.decode(children, shape: shape, window, into: out.bindMemory(to: Float.self), using: &reader)
        case .converted(let arithmetic):
            try readConverted(children, arithmetic, window, into: out, using: &reader)
        case .centered:
            try readCentered(children[0], window, into: out.bindMemory(to: Float.self), using: &reader)
        case .linearCombination(let weights):
            try readCombination(children, weights, window, into: out.bindMemory(to: Float.self), using: &reader)
        case .matrixProduct:
            try readProduct(children, window, into: out.bindMemory(to: Float.self), using: &reader)
        }
    }
}

extension Reader {
    /// Rounds sums to float32, and counts those that are beyond it.
    mutating func round(_ sums: UnsafePointer<Double>, into out: UnsafeMutableBufferPointer<Float>) {
        var overflowCount = 0
        for index in out.indices {
            let rounded = Float(sums[index])
            out[index] = rounded
            if rounded.isInfinite, sums[index].isFinite { overflowCount += 1 }
        }
        tally.overflowCount += overflowCount
    }
}
