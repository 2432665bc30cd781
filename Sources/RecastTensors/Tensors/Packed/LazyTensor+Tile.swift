extension LazyTensor {
    /// The form of the codes this tensor is made of, if its rows are nothing but codes of one form.
    package var codeForm: CodeForm? {
        switch recipe {
        case .stored: return CodeForm(blocksOf: dtype)
        case .computed(.decoded(let encoding), _): return encoding.form
        case .arranged(.concatenated(.matrices), let children):
            guard let form = children[0].codeForm, form.scheme.block.rows == 1,
                children.allSatisfy({ $0.codeForm == form })
            else { return nil }
            return form
        default:
            // A block of several rows does not survive their permutation or cutting.
            guard let form = rowSource?.codeForm, form.scheme.block.rows == 1 else { return nil }
            return form
        }
    }

    /// The same without a factor that is multiplied with afterwards: codes and scales alone, and the factor of each matrix.
    package var withoutFactor: (codes: LazyTensor, factors: [Float])? {
        switch recipe {
        case .computed(.converted(let arithmetic), let children):
            guard dtype == .f32, arithmetic.count == 1, children.count == 1, children[0].codeForm != nil else {
                return nil
            }
            switch arithmetic[0] {
            case .scaling(let factor): return (children[0], [factor])
            case .dividing(let divisor): return (children[0], [1 / divisor])
            default: return nil
            }
        case .arranged(let arrangement, let children):
            let parts = children.compactMap(\.withoutFactor)
            guard parts.count == children.count, parts.allSatisfy({ $0.codes.dtype == dtype }) else { return nil }
            switch arrangement {
            case .gathered, .window(batch: 0, row: _, column: 0): guard parts[0].factors.count == 1 else { return nil }
            case .concatenated(.matrices): break
            default: return nil
            }
            let codes = LazyTensor(dtype: dtype, shape: shape, recipe: .arranged(arrangement, parts.map(\.codes)))
            return (codes, parts.flatMap(\.factors))
        default: return nil
        }
    }

    /// The tensor that whole rows come from with all their numbers, in whatever order.
    private var rowSource: LazyTensor? {
        switch recipe {
        case .arranged(.gathered, let children): children[0]
        case .arranged(.window(_, _, column: 0), let children):
            children[0].columnCount == columnCount && children[0].shape.count == 2 ? children[0] : nil
        case .computed(.converted(let arithmetic), let children):
            arithmetic.isEmpty && dtype == .f32 && children[0].dtype.isQuantized ? children[0] : nil
        default: nil
        }
    }

    /// Some rows of a matrix taken apart; only where there is a `codeForm`.
    package func tile(batch: Int = 0, rows: Range<Int>, using reader: inout Reader) throws(RecastError) -> Tile {
        let window = Window(batch: batch, rows: rows, columns: 0..<columnCount)
        switch recipe {
        case .computed(.decoded(let encoding), let parts):
            return try encoding.tile(of: parts, rows: rows, shape: (rowCount, columnCount), using: &reader)
        case .stored:
            return try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                return Tile(
                    blocks: UnsafeRawBufferPointer(buffer), of: dtype, rows: rows.count, columns: columnCount)
            }
        case .arranged(.concatenated(.matrices), let children):
            return try children[batch].tile(rows: rows, using: &reader)
        case .arranged(let arrangement, let children):
            var sources: [Int] = []
            forEachPiece(of: window, arrangement, children) { piece in
                sources += piece.window.rows
                return true
            }
            guard let first = sources.min(), let last = sources.max() else { preconditionFailure("no rows") }
            let tile = try children[0].tile(batch: batch, rows: first..<last + 1, using: &reader)
            return sources.elementsEqual(first...last) ? tile : tile.picked(sources.map { $0 - first })
        case .computed(_, let children): return try children[0].tile(batch: batch, rows: rows, using: &reader)
        default: preconditionFailure("no codes")
        }
    }
}

extension Tile {
    /// Rows in another order; each has blocks of its own.
    package func picked(_ order: [Int]) -> Tile {
        func picked<T>(_ numbers: [T]) -> [T] {
            let width = numbers.count / max(1, rows)
            var picked: [T] = []
            picked.reserveCapacity(order.count * width)
            for row in order { picked += numbers[row * width..<(row + 1) * width] }
            return picked
        }
        func picked(_ scales: UnitMultiples) -> UnitMultiples {
            var result = scales
            (result.units, result.multiples) = (picked(scales.units), picked(scales.multiples))
            return result
        }
        return Tile(
            scheme, rows: order.count, columns: columns, codes: picked(codes), scales: picked(scales),
            offsets: picked(offsets), groups: groups, scaleMultiples: scaleMultiples.map(picked),
            minimumMultiples: minimumMultiples.map(picked))
    }
}
