import TestSupport

@testable import Recast

/// A tensor and what it must hold, row-major over [batch][rows][columns].
struct TensorSample<Element> {
    var tensor: LazyTensor
    var values: [Element]

    init(_ tensor: LazyTensor, _ values: [Element]) {
        precondition(values.count == tensor.elementCount)
        self.tensor = tensor
        self.values = values
    }

    init(_ tensor: LazyTensor, _ value: (Int, Int, Int) -> Element) {
        self.tensor = tensor
        values = (0..<tensor.batchCount).flatMap { batch in
            (0..<tensor.rowCount).flatMap { row in
                (0..<tensor.columnCount).map { value(batch, row, $0) }
            }
        }
    }

    func value(_ batch: Int, _ row: Int, _ column: Int) -> Element {
        values[(batch * tensor.rowCount + row) * tensor.columnCount + column]
    }

    func values(in window: Window) -> [Element] {
        window.rows.flatMap { row in window.columns.map { value(window.batch, row, $0) } }
    }
}

/// Where the stored tensors of samples are.
final class SampleFiles {
    private let directory = TemporaryDirectory()
    private(set) var list = FileList()

    /// The bytes in a file of their own, at a random offset.
    func stored(
        _ dtype: DType, _ shape: [Int], _ bytes: [UInt8], _ random: inout SeededGenerator
    ) throws -> LazyTensor {
        let offset = Int.random(in: 0...9, using: &random)
        let path = directory.write("\(list.files.count)", [UInt8](repeating: 0xAA, count: offset) + bytes)
        return .stored(dtype, shape, in: try list.add(FileSource(path: path)), at: offset)
    }
}

// MARK: Arrangements

extension TensorSample {
    /// The same bytes in other places, beside those of others.
    ///
    /// - Parameter another: a sample of the given shape.
    func arranged(
        _ random: inout SeededGenerator, another: ([Int], inout SeededGenerator) throws -> TensorSample
    ) throws -> TensorSample {
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            let rows = random.range(within: tensor.rowCount)
            return TensorSample(tensor.rows(rows)) { value($0, $1 + rows.lowerBound, $2) }
        case 1 where tensor.shape.count > 1:
            let columns = random.range(within: tensor.columnCount)
            return TensorSample(tensor.columns(columns)) { value($0, $1, $2 + columns.lowerBound) }
        case 2 where tensor.shape.count < 3:
            let parts = try (0..<2).map { _ in try another(tensor.shape, &random) } + [self]
            let rows = tensor.rowCount
            return TensorSample(.concatenatedRows(parts.map(\.tensor))) { parts[$1 / rows].value($0, $1 % rows, $2) }
        case 3 where tensor.shape.count == 2:
            let parts = try (0..<2).map { _ in try another(tensor.shape, &random) } + [self]
            let columns = tensor.columnCount
            return TensorSample(.concatenatedColumns(parts.map(\.tensor))) {
                parts[$2 / columns].value($0, $1, $2 % columns)
            }
        case 4 where tensor.shape.count == 2:
            let parts = try [self] + (0..<2).map { _ in try another(tensor.shape, &random) }
            return TensorSample(.stackedMatrices(parts.map(\.tensor))) { parts[$0].value(0, $1, $2) }
        case 5:
            let order = random.order(ofRows: tensor.rowCount)
            return TensorSample(tensor.gathered(order)) { value($0, order.source(of: $1), $2) }
        case 6 where tensor.shape.count > 1:
            return TensorSample(tensor.transposed()) { value($0, $2, $1) }
        case 7 where tensor.shape.count > 2:
            let batch = Int.random(in: 0..<tensor.batchCount, using: &random)
            return TensorSample(tensor.matrix(batch)) { value(batch, $1, $2) }
        default:
            let columns = random.factor(of: tensor.elementCount)
            return TensorSample(tensor.reshaped([tensor.elementCount / columns, columns]), values)
        }
    }
}

extension SeededGenerator {
    mutating func shape() -> [Int] {
        let rank = Int.random(in: 1...3, using: &self)
        return (0..<rank).map { _ in Int.random(in: 1...6, using: &self) }
    }

    /// Any window, none of them empty.
    mutating func window(of tensor: LazyTensor) -> Window {
        Window(
            batch: Int.random(in: 0..<tensor.batchCount, using: &self), rows: range(within: tensor.rowCount),
            columns: range(within: tensor.columnCount))
    }

    mutating func range(within count: Int) -> Range<Int> {
        let lower = Int.random(in: 0..<count, using: &self)
        return lower..<Int.random(in: lower + 1...count, using: &self)
    }

    mutating func factor(of count: Int) -> Int {
        (1...count).filter(count.isMultiple(of:)).randomElement(using: &self)!
    }

    mutating func order(ofRows rows: Int) -> RowOrder {
        let outer = factor(of: rows)
        let rest = Bool.random(using: &self) ? 0 : Int.random(in: 0..<rows / outer, using: &self)
        let moving = rows / outer - rest
        let first = factor(of: moving)
        let second = factor(of: moving / first)
        return RowOrder(outer: outer, first: first, second: second, block: moving / first / second, rest: rest)
    }
}
