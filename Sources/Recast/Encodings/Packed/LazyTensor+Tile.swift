extension LazyTensor {
    /// A quantized weight from its stored tensors; its numbers are float32.
    ///
    /// - Parameter parts: in the order of the encoding's layouts, of the shapes it demands.
    public static func decoded(_ encoding: PackedEncoding, _ shape: [Int], _ parts: [LazyTensor]) -> LazyTensor {
        LazyTensor(dtype: .f32, shape: shape, recipe: .decoded(.packed(encoding), parts))
    }

    /// The form of the codes this tensor is made of, if its rows are nothing but codes of one form.
    var codeForm: CodeForm? {
        switch recipe {
        case .decoded(.packed(let encoding), _): encoding.form
        case .stored: CodeForm(blocksOf: dtype)
        // A block of several rows does not survive their permutation or cutting.
        case .gathered(let base, _): base.codeForm.flatMap { $0.scheme.block.rows == 1 ? $0 : nil }
        case .window(let base, _, _, let column):
            column == 0 && base.columnCount == columnCount && base.shape.count == 2
                && base.codeForm?.scheme.block.rows == 1
                ? base.codeForm : nil
        case .converted(let base, let arithmetic, _):
            arithmetic.isEmpty && dtype == .f32 && base.dtype.isQuantized ? base.codeForm : nil
        default: nil
        }
    }

    /// Some rows of a matrix taken apart; only where there is a `codeForm`.
    func tile(batch: Int = 0, rows: Range<Int>, using reader: inout Reader) throws(RecastError) -> Tile {
        switch recipe {
        case .decoded(.packed(let encoding), let parts):
            return try encoding.tile(of: parts, rows: rows, shape: (rowCount, columnCount), using: &reader)
        case .stored:
            let window = Window(batch: batch, rows: rows, columns: 0..<columnCount)
            return try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                return Tile(
                    blocks: UnsafeRawBufferPointer(buffer), of: dtype, rows: rows.count, columns: columnCount)
            }
        case .gathered(let base, let order):
            // Rows change places within their group only.
            let size = order.groupCount
            let groups = rows.lowerBound / size * size..<(rows.upperBound + size - 1) / size * size
            let tile = try base.tile(batch: batch, rows: groups, using: &reader)
            return tile.picked(rows.map { order.source(of: $0) - groups.lowerBound })
        case .window(let base, _, let row, _):
            return try base.tile(rows: rows.lowerBound + row..<rows.upperBound + row, using: &reader)
        case .converted(let base, _, _): return try base.tile(batch: batch, rows: rows, using: &reader)
        default: preconditionFailure("no codes")
        }
    }
}

extension Tile {
    /// Rows in another order; each has blocks of its own.
    fileprivate func picked(_ order: [Int]) -> Tile {
        var result = Tile(scheme, rows: order.count, columns: columns)
        func picked<T>(_ numbers: [T]) -> [T] {
            let width = numbers.count / max(1, rows)
            return order.flatMap { numbers[$0 * width..<($0 + 1) * width] }
        }
        func picked(_ scales: UnitMultiples) -> UnitMultiples {
            var result = scales
            (result.units, result.multiples) = (picked(scales.units), picked(scales.multiples))
            return result
        }
        result.codes = picked(codes)
        result.scales = picked(scales)
        result.offsets = picked(offsets)
        result.groups = groups
        result.scaleMultiples = scaleMultiples.map(picked)
        result.minimumMultiples = minimumMultiples.map(picked)
        return result
    }
}
