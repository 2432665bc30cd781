import TestSupport
import Testing

@testable import Recast

/// Any composition of recipes reads what the same operations do to an array, for any window; and wherever runs are given,
/// they are the same bytes.
struct LazyTensorLaws {
    /// A tensor of 16-bit elements and what it must hold, row-major over [batch][rows][columns].
    struct Sample {
        var tensor: LazyTensor
        var values: [UInt16]

        func value(_ batch: Int, _ row: Int, _ column: Int) -> UInt16 {
            values[(batch * tensor.rowCount + row) * tensor.columnCount + column]
        }

        init(_ tensor: LazyTensor, _ value: (Int, Int, Int) -> UInt16) {
            self.tensor = tensor
            values = (0..<tensor.batchCount).flatMap { batch in
                (0..<tensor.rowCount).flatMap { row in
                    (0..<tensor.columnCount).map { value(batch, row, $0) }
                }
            }
        }
    }

    @Test(arguments: 0..<60)
    func readingIsComposition(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let directory = TemporaryDirectory()
        var files = FileList()
        for _ in 0..<8 {
            let sample = try randomSample(depth: Int.random(in: 0...4, using: &random), directory, &files, &random)
            var reader = Reader(files: FilePool(files.files, capacity: 2))
            let tensor = sample.tensor
            #expect(tensor.elementCount == sample.values.count)
            for _ in 0..<6 {
                let window = Window(
                    batch: Int.random(in: 0..<tensor.batchCount, using: &random),
                    rows: randomRange(tensor.rowCount, &random), columns: randomRange(tensor.columnCount, &random))
                let expected = window.rows.flatMap { row in
                    window.columns.map { sample.value(window.batch, row, $0) }
                }
                let read = try bytes(tensor, window, &reader)
                #expect(read == expected, "\(tensor) \(window)")
                if let runs = tensor.runs(window) {
                    #expect(try bytes(of: runs, &reader) == expected, "\(tensor) \(window)")
                }
            }
        }
    }

    /// A vector is a row of blocks, or rows of one number each: numbers stay where they are when one becomes the other.
    @Test func vectorsOfBlocks() throws {
        // The greatest is 127, so that the scale is 1.
        let numbers = (0..<96).map { Float(127 - $0 % 32 * 8) }
        let vector = LazyTensor.vector(numbers)
        let blocks = vector.converted(to: .q8_0)
        #expect(vector.rowCount == 96 && blocks.rowCount == 1 && blocks.columnCount == 96)
        var reader = Reader(files: FilePool([]))
        let bytes = try blocks.bytes(using: &reader)
        #expect(bytes.count == 3 * 34)
        let stored = LazyTensor.literal(.q8_0, [96], bytes)
        for (tensor, count) in [(stored.converted(to: .f32), 1), (blocks.converted(to: .f32), 7)] {
            #expect(tensor.shape == [96] && tensor.rowCount == 96)
            let found = try stride(from: 0, to: 96, by: count).flatMap { row in
                try tensor.numbers(rows: row..<min(96, row + count), as: Float.self, using: &reader)
            }
            #expect(found == numbers)
        }
    }

    /// Numbers of blocks are read in any runs, once they are numbers.
    @Test(arguments: [DType.q4_k, .q6_k, .iq1_s, .q8_0, .nvfp4]) func runsThatCutBlocks(dtype: DType) throws {
        var random = SeededGenerator(seed: 4)
        let count = 5 * 512
        let bytes = dtype.randomBlocks(count / dtype.blockElements, &random)
        let matrix = LazyTensor.literal(dtype, [5, 512], bytes).converted(to: .f32)
        var reader = Reader(files: FilePool([]))
        let numbers = try matrix.numbers(rows: 0..<5, as: Float.self, using: &reader)
        for width in [64, 5, 320, 1280] {
            let flat = matrix.reshaped([count / width, width])
            for first in 0..<flat.rowCount {
                let rows = first..<min(flat.rowCount, first + 3)
                let found = try flat.numbers(rows: rows, as: Float.self, using: &reader)
                #expect(found == Array(numbers[rows.lowerBound * width..<rows.upperBound * width]))
            }
        }
    }

    // MARK: Samples

    private func randomSample(
        depth: Int, _ directory: TemporaryDirectory, _ files: inout FileList, _ random: inout SeededGenerator
    ) throws -> Sample {
        guard depth > 0 else { return try stored(directory, &files, &random) }
        let base = try randomSample(depth: depth - 1, directory, &files, &random)
        let tensor = base.tensor
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            let rows = randomRange(tensor.rowCount, &random)
            return Sample(tensor.rows(rows)) { base.value($0, $1 + rows.lowerBound, $2) }
        case 1 where tensor.shape.count > 1:
            let columns = randomRange(tensor.columnCount, &random)
            return Sample(tensor.columns(columns)) { base.value($0, $1, $2 + columns.lowerBound) }
        case 2 where tensor.shape.count < 3:
            let parts = try (0..<2).map { _ in try like(tensor, directory, &files, &random) } + [base]
            let rows = tensor.rowCount
            return Sample(.concatenatedRows(parts.map(\.tensor))) { parts[$1 / rows].value($0, $1 % rows, $2) }
        case 3 where tensor.shape.count == 2:
            let parts = try (0..<2).map { _ in try like(tensor, directory, &files, &random) } + [base]
            let columns = tensor.columnCount
            return Sample(.concatenatedColumns(parts.map(\.tensor))) { parts[$2 / columns].value($0, $1, $2 % columns) }
        case 4 where tensor.shape.count == 2:
            let parts = try [base] + (0..<2).map { _ in try like(tensor, directory, &files, &random) }
            return Sample(.stackedMatrices(parts.map(\.tensor))) { parts[$0].value(0, $1, $2) }
        case 5:
            let order = randomOrder(tensor.rowCount, &random)
            return Sample(tensor.gathered(order)) { base.value($0, order.source(of: $1), $2) }
        case 6 where tensor.shape.count > 1:
            return Sample(tensor.transposed()) { base.value($0, $2, $1) }
        case 7 where tensor.shape.count > 2:
            let batch = Int.random(in: 0..<tensor.batchCount, using: &random)
            return Sample(tensor.matrix(batch)) { base.value(batch, $1, $2) }
        default:
            let factors = (1...tensor.elementCount).filter(tensor.elementCount.isMultiple(of:))
            let columns = factors.randomElement(using: &random)!
            let shape = [tensor.elementCount / columns, columns]
            return Sample(tensor.reshaped(shape)) { _, row, column in base.values[row * columns + column] }
        }
    }

    private func stored(
        _ directory: TemporaryDirectory, _ files: inout FileList, _ random: inout SeededGenerator
    ) throws -> Sample {
        let rank = Int.random(in: 1...3, using: &random)
        return try stored((0..<rank).map { _ in Int.random(in: 1...6, using: &random) }, directory, &files, &random)
    }

    private func like(
        _ tensor: LazyTensor, _ directory: TemporaryDirectory, _ files: inout FileList,
        _ random: inout SeededGenerator
    ) throws -> Sample {
        if Bool.random(using: &random) { return Sample(.zeros(.u16, tensor.shape)) { _, _, _ in 0 } }
        return try stored(tensor.shape, directory, &files, &random)
    }

    private func stored(
        _ shape: [Int], _ directory: TemporaryDirectory, _ files: inout FileList, _ random: inout SeededGenerator
    ) throws -> Sample {
        let values = (0..<shape.reduce(1, *)).map { _ in UInt16.random(in: 0...UInt16.max, using: &random) }
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: value) }
        guard Int.random(in: 0..<5, using: &random) > 0 else {
            return Sample(.literal(.u16, shape, bytes)) { batch, row, column in
                value(values, shape, batch, row, column)
            }
        }
        let offset = Int.random(in: 0...9, using: &random)
        let path = directory.write("\(files.files.count)", [UInt8](repeating: 0xAA, count: offset) + bytes)
        let file = try files.add(FileSource(path: path))
        return Sample(.stored(.u16, shape, in: file, at: offset)) { batch, row, column in
            value(values, shape, batch, row, column)
        }
    }

    private func value(_ values: [UInt16], _ shape: [Int], _ batch: Int, _ row: Int, _ column: Int) -> UInt16 {
        let rows = shape.count > 1 ? shape[shape.count - 2] : shape[0]
        let columns = shape.count > 1 ? shape[shape.count - 1] : 1
        return values[(batch * rows + row) * columns + column]
    }

    private func randomRange(_ count: Int, _ random: inout SeededGenerator) -> Range<Int> {
        let lower = Int.random(in: 0..<count, using: &random)
        return lower..<Int.random(in: lower + 1...count, using: &random)
    }

    private func randomOrder(_ rows: Int, _ random: inout SeededGenerator) -> RowOrder {
        func factor(of count: Int) -> Int {
            (1...count).filter(count.isMultiple(of:)).randomElement(using: &random)!
        }
        let outer = factor(of: rows)
        let rest = Bool.random(using: &random) ? 0 : Int.random(in: 0..<rows / outer, using: &random)
        let moving = rows / outer - rest
        let first = factor(of: moving)
        let second = factor(of: moving / first)
        return RowOrder(outer: outer, first: first, second: second, block: moving / first / second, rest: rest)
    }

    // MARK: Bytes

    private func bytes(_ tensor: LazyTensor, _ window: Window, _ reader: inout Reader) throws -> [UInt16] {
        var bytes = [UInt8](repeating: 0, count: tensor.byteCount(of: window))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
        defer { buffer.deallocate() }
        try tensor.read(window, into: buffer, using: &reader)
        bytes = Array(buffer)
        return bytes.words
    }

    private func bytes(of runs: [Run], _ reader: inout Reader) throws -> [UInt16] {
        try runs.flatMap { run in
            switch run.source {
            case .zeros: [UInt8](repeating: 0, count: run.byteCount)
            case .bytes(let bytes): Array(bytes)
            case .file(let file, let offset):
                try reader.files.source(file).bytes(offset..<offset + run.byteCount)
            }
        }.words
    }
}

extension [UInt8] {
    fileprivate var words: [UInt16] {
        withUnsafeBytes { bytes in (0..<count / 2).map { bytes.integer(at: 2 * $0) } }
    }
}
