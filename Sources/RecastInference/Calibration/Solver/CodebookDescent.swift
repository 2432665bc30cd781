import Recast

/// Improves rows of codeword blocks: each group's multiple of the unit is moved to where it costs least, and eight elements
/// after the other get the codewords that are best beside all other columns; what is found is taken where the exact output
/// error falls.
struct CodebookDescent {
    let factor: HessianFactor
    let dtype: DType
    private let sweeps: Int
    private let choice: CodewordChoice
    /// Of eight columns each.
    private let eights: GroupFactors
    private let highestMultiple: Int

    init(_ factor: HessianFactor, _ dtype: DType, sweeps: Int) {
        (self.factor, self.dtype, self.sweeps) = (factor, dtype, sweeps)
        let type = dtype.codebookBlock!
        choice = CodewordChoice(type)
        eights = GroupFactors(factor, width: 8)
        highestMultiple = type.multipleCount - 1
    }

    /// Room for one worker.
    final class Room {
        /// `[columns, lanes]` in the columns' own order: source less what is stored.
        fileprivate let errors: FloatBuffer
        /// `[block, lanes]`: what is stored, the errors multiplied with the Hessian's rows, and what a step changes.
        fileprivate let values: FloatBuffer
        fileprivate let gradients: FloatBuffer
        fileprivate let changes: FloatBuffer
        /// `[lanes, block]`
        fileprivate let rows: FloatBuffer

        init(_ descent: CodebookDescent) {
            let (lanes, width) = (GridTile.lanes, descent.dtype.blockElements)
            errors = FloatBuffer(count: descent.factor.columns * lanes)
            values = FloatBuffer(count: width * lanes)
            gradients = FloatBuffer(count: width * lanes)
            changes = FloatBuffer(count: width * lanes)
            rows = FloatBuffer(count: width * lanes)
        }
    }

    /// - Parameters:
    ///   - bytes: the rows' blocks, of at most as many rows as there are lanes.
    ///   - source: `[rows, columns]`.
    func run(_ bytes: inout [UInt8], source: UnsafePointer<Float>, rows: Int, _ room: Room) {
        let (n, lanes, width) = (factor.columns, GridTile.lanes, dtype.blockElements)
        room.errors.base.update(repeating: 0, count: n * lanes)
        for first in stride(from: 0, to: n, by: width) {
            decode(bytes, first, rows, room)
            for column in 0..<width {
                let (error, values) = (room.errors.base + (first + column) * lanes, room.values.base + column * lanes)
                for row in 0..<rows { error[row] = source[row * n + first + column] - values[row] }
            }
        }
        for _ in 0..<sweeps {
            for first in stride(from: 0, to: n, by: width) {
                decode(bytes, first, rows, room)
                improve(&bytes, first, rows, room)
            }
        }
    }

    private func improve(_ bytes: inout [UInt8], _ first: Int, _ rows: Int, _ room: Room) {
        let (n, type) = (factor.columns, choice.type)
        let (width, group) = (type.blockSize, type.groupSize)
        let byteCount = dtype.byteCount(ofBlocks: width)
        let rowBytes = dtype.byteCount(ofBlocks: n)
        let offset = first / width * byteCount
        factor.multiply(rows: first..<first + width, 0..<n, room.errors.base, into: room.gradients.base, adding: false)
        var contents = bytes.withUnsafeBytes { bytes in
            (0..<rows).map { type.read(bytes.baseAddress! + $0 * rowBytes + offset) }
        }
        for start in stride(from: 0, to: width, by: group) {
            moveScales(start..<start + group, first, &contents, rows, room)
            for step in stride(from: start, to: start + group, by: 8) {
                chooseWords(step, first, &contents, rows, room)
            }
        }
        bytes.withUnsafeMutableBytes { bytes in
            for row in 0..<rows {
                let block = bytes.baseAddress! + row * rowBytes + offset
                block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
                type.write(contents[row], into: block)
            }
        }
    }

    /// Moves the multiple of a group to where its numbers, all together, cost least.
    private func moveScales(
        _ columns: Range<Int>, _ first: Int, _ contents: inout [CodebookContent], _ rows: Int, _ room: Room
    ) {
        let (n, lanes, type) = (factor.columns, GridTile.lanes, choice.type)
        let count = columns.count
        let values = room.values.base + columns.lowerBound * lanes
        let gradients = room.gradients.base + columns.lowerBound * lanes
        let changes = room.changes.base
        changes.update(repeating: 0, count: count * lanes)
        var isMoved = false
        for row in 0..<rows {
            let present = contents[row].multiples[columns.lowerBound / type.groupSize]
            let scale = type.scale(unit: contents[row].unit, multiple: present)
            guard scale != 0, scale.isFinite else { continue }
            // Of x times the values: the error falls by 2 x (v·g) and rises by x² (v·H·v).
            var (line, square): (Float, Float) = (0, 0)
            for i in 0..<count {
                let matrix = factor.matrix.base + (first + columns.lowerBound + i) * n + first + columns.lowerBound
                var sum: Float = 0
                for j in 0..<count { sum += matrix[j] * values[j * lanes + row] }
                square += sum * values[i * lanes + row]
                line += gradients[i * lanes + row] * values[i * lanes + row]
            }
            guard square > 0 else { continue }
            var best: (multiple: Int, part: Float, gain: Float) = (present, 0, 0)
            for multiple in max(0, present - 2)...min(highestMultiple, present + 2) where multiple != present {
                let part = type.scale(unit: contents[row].unit, multiple: multiple) / scale - 1
                let gain = 2 * part * line - part * part * square
                if gain > best.gain { best = (multiple, part, gain) }
            }
            guard best.multiple != present else { continue }
            isMoved = true
            contents[row].multiples[columns.lowerBound / type.groupSize] = best.multiple
            for i in 0..<count {
                let column = columns.lowerBound + i
                let value = type.number(contents[row], column)
                changes[i * lanes + row] = values[i * lanes + row] - value
                values[i * lanes + row] = value
                room.errors.base[(first + column) * lanes + row] += changes[i * lanes + row]
            }
        }
        guard isMoved else { return }
        let rest = first + columns.lowerBound..<first + type.blockSize
        factor.multiply(
            rows: rest, first + columns.lowerBound..<first + columns.upperBound, changes, into: gradients, adding: true)
    }

    /// Chooses the codewords of eight columns anew.
    private func chooseWords(
        _ step: Int, _ first: Int, _ contents: inout [CodebookContent], _ rows: Int, _ room: Room
    ) {
        let (lanes, type) = (GridTile.lanes, choice.type)
        let metric = metric(of: (first + step) / 8)
        let (values, gradients) = (room.values.base + step * lanes, room.gradients.base + step * lanes)
        let changes = room.changes.base
        changes.update(repeating: 0, count: 8 * lanes)
        for row in 0..<rows {
            var (present, gradient) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
            for k in 0..<8 {
                present[k] = values[k * lanes + row]
                gradient[k] = gradients[k * lanes + row]
            }
            // The best numbers beside all others: what is there, plus H_BB⁻¹ g.
            let target = present + metric.solved(gradient)
            guard let found = choice.choose(target, step / 8, metric, of: contents[row]),
                found.cost < metric.cost(target - present)
            else { continue }
            choice.set(found, step / 8, in: &contents[row])
            for k in 0..<8 {
                let change = present[k] - found.values[k]
                changes[k * lanes + row] = change
                values[k * lanes + row] = found.values[k]
                room.errors.base[(first + step + k) * lanes + row] += change
            }
        }
        let rest = first + step + 8..<first + type.blockSize
        factor.multiply(rows: rest, first + step..<first + step + 8, changes, into: gradients + 8 * lanes, adding: true)
    }

    private func metric(of group: Int) -> CodewordChoice.Metric {
        let (upper, diagonal) = (eights.upper.base + group * 64, eights.diagonal.base + group * 8)
        var pivots = SIMD8<Float>.zero
        let rows = (0..<8).map { j in
            pivots[j] = diagonal[j]
            var row = SIMD8<Float>.zero
            for k in j..<8 { row[k] = upper[j * 8 + k] }
            return row
        }
        return CodewordChoice.Metric(rows: rows, diagonal: pivots)
    }

    /// What a block of each row stands for: `[block, lanes]`.
    private func decode(_ bytes: [UInt8], _ first: Int, _ rows: Int, _ room: Room) {
        let (lanes, width) = (GridTile.lanes, dtype.blockElements)
        let byteCount = dtype.byteCount(ofBlocks: width)
        let rowBytes = dtype.byteCount(ofBlocks: factor.columns)
        bytes.withUnsafeBytes { bytes in
            for row in 0..<rows {
                let block = row * rowBytes + first / width * byteCount
                dtype.decodeBlocks(
                    UnsafeRawBufferPointer(rebasing: bytes[block..<block + byteCount]),
                    into: UnsafeMutableBufferPointer(start: room.rows.base + row * width, count: width))
            }
        }
        for column in 0..<width {
            let values = room.values.base + column * lanes
            for row in 0..<rows { values[row] = room.rows.base[row * width + column] }
            for row in rows..<lanes { values[row] = 0 }
        }
    }
}

extension CodewordChoice.Metric {
    /// `H⁻¹ g`, with `H = U D Uᵀ`.
    fileprivate func solved(_ gradient: SIMD8<Float>) -> SIMD8<Float> {
        // U y = g from the last to the first; Uᵀ x = y / D from the first to the last. The diagonal of U is 1.
        var y = gradient
        for j in (0..<7).reversed() {
            for k in j + 1..<8 { y[j] -= rows[j][k] * y[k] }
        }
        var x = y / diagonal
        for j in 0..<7 {
            let value = x[j]
            var row = rows[j]
            row[j] = 0
            x -= value * row
        }
        return x
    }
}
