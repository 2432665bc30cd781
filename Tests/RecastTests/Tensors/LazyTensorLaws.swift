import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Any composition of recipes reads what the same operations do to an array, for any window; and wherever runs are given,
/// they are the same bytes.
struct LazyTensorLaws {
    typealias Sample = TensorSample<UInt16>

    @Test(arguments: 0..<60)
    func readingIsComposition(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let files = SampleFiles()
        for _ in 0..<8 {
            let sample = try sample(depth: Int.random(in: 0...4, using: &random), files, &random)
            var reader = Reader(files: FilePool(files.list.files, capacity: 2))
            let tensor = sample.tensor
            var stored: [FileID: [Range<Int>]] = [:]
            tensor.forEachStored { stored[$0, default: []].append($1) }
            for _ in 0..<6 {
                let window = random.window(of: tensor)
                let expected = sample.values(in: window)
                let read = try bytes(tensor, window, &reader)
                #expect(read == expected, "\(tensor) \(window)")
                guard let runs = tensor.runs(window) else { continue }
                #expect(try bytes(of: runs, &reader) == expected, "\(tensor) \(window)")
                for run in runs {
                    guard case .file(let file, let offset) = run.source else { continue }
                    let places = stored[file] ?? []
                    #expect(places.contains { $0.contains(offset) && offset + run.byteCount <= $0.upperBound })
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

    private func sample(depth: Int, _ files: SampleFiles, _ random: inout SeededGenerator) throws -> Sample {
        guard depth > 0 else { return try stored(random.shape(), files, &random) }
        return try sample(depth: depth - 1, files, &random).arranged(&random) { (shape, random) in
            if Bool.random(using: &random) { return Sample(.zeros(.u16, shape)) { _, _, _ in 0 } }
            return try stored(shape, files, &random)
        }
    }

    private func stored(_ shape: [Int], _ files: SampleFiles, _ random: inout SeededGenerator) throws -> Sample {
        let values = (0..<shape.reduce(1, *)).map { _ in UInt16.random(in: 0...UInt16.max, using: &random) }
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: value) }
        guard Int.random(in: 0..<5, using: &random) > 0 else { return Sample(.literal(.u16, shape, bytes), values) }
        return Sample(try files.stored(.u16, shape, bytes, &random), values)
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
