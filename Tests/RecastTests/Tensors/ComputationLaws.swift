import Foundation
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// What is computed of tensors is what the same operations make of arrays, bit for bit: for any composition, any window, any
/// jobs.
struct ComputationLaws {
    typealias Sample = TensorSample<Float>

    @Test(arguments: 0..<60)
    func computingIsComposition(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let files = SampleFiles()
        for _ in 0..<6 {
            let sample = try sample(depth: Int.random(in: 1...4, using: &random), files, &random)
            let copy = try JSONDecoder().decode(LazyTensor.self, from: JSONEncoder().encode(sample.tensor))
            #expect(copy == sample.tensor && copy.hashValue == sample.tensor.hashValue)
            var reader = Reader(files: FilePool(files.list.files, capacity: 3))
            for _ in 0..<6 {
                let window = random.window(of: sample.tensor)
                let found = try copy.numbers(in: window, using: &reader)
                let expected = sample.values(in: window)
                #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(sample.tensor) \(window)")
            }
        }
    }

    /// Windows that take several tiles and bands of both factors, from the whole down to single numbers.
    @Test func largeProducts() throws {
        var random = SeededGenerator(seed: 3)
        let files = SampleFiles()
        for (rows, terms, columns) in [(75, 1030, 530), (3, 70_000, 5), (40, 9, 9_000), (1, 1, 1)] {
            let a = try stored([rows, terms], .f32, files, &random)
            let b = try stored([columns, terms], .bf16, files, &random).transposed
            let sample = a.product(b)
            var reader = Reader(files: FilePool(files.list.files))
            let whole = try sample.tensor.numbers(in: sample.tensor.window(), using: &reader)
            #expect(whole.map(\.bitPattern) == sample.values.map(\.bitPattern))
            for _ in 0..<5 {
                let window = random.window(of: sample.tensor)
                #expect(try sample.tensor.numbers(in: window, using: &reader) == sample.values(in: window))
            }
        }
    }

    /// A product with a vector begins with what is added.
    @Test func productsWithVectors() throws {
        var random = SeededGenerator(seed: 5)
        let files = SampleFiles()
        let matrix = try stored([70, 300], .f16, files, &random)
        let vector = try stored([300], .f32, files, &random)
        let bias = try stored([70], .bf16, files, &random)
        var reader = Reader(files: FilePool(files.list.files))
        for added in [bias, nil] {
            let tensor = matrix.tensor.product(with: vector.tensor, plus: added?.tensor)
            #expect(tensor.shape == [70])
            let expected = (0..<70).map { row in
                var sum = Double(added?.values[row] ?? 0)
                for term in 0..<300 { sum += Double(matrix.value(0, row, term)) * Double(vector.values[term]) }
                return Float(sum)
            }
            #expect(try tensor.numbers(rows: 0..<70, as: Float.self, using: &reader) == expected)
        }
    }

    // MARK: What a plan knows

    @Test func summaries() throws {
        let matrix = LazyTensor.zeros(.bf16, [64, 64])
        let quantized = LazyTensor.zeros(.q8_0, [64, 64])
        let sum = LazyTensor.linearCombination([(matrix, 1), (quantized, 0.5)])
        let product = matrix.product(with: quantized)
        for tensor in [sum, product, sum.transposed(), product.rows(2..<4)] {
            #expect(tensor.dtype == .f32 && tensor.changesNumbers && !tensor.isQuantized)
            #expect(tensor.runs(tensor.window()) == nil && tensor.codeForm == nil)
            #expect(Encoding.plain(.f32).exactness(of: tensor) == .rounded)
            #expect(Encoding.plain(.q8_0).exactness(of: tensor) == .quantized)
        }
        for tensor in [quantized.converted(to: .f32).transposed(), .concatenatedRows([quantized, quantized])] {
            #expect(tensor.isQuantized && !tensor.changesNumbers && tensor.encodingName == "Q8_0")
        }
        // Rows of a product are worth reading many at a time, unless they are very long.
        #expect(product.rowGrain == 32 && product.converted(to: .bf16).rowGrain == 32)
        #expect(LazyTensor.zeros(.f32, [9, 8]).product(with: .zeros(.f32, [8, 1 << 20])).rowGrain == 1)
    }

    /// The memory that a window takes is what is stated, and that is bounded whatever matrices there are.
    @Test func memory() throws {
        var random = SeededGenerator(seed: 9)
        let files = SampleFiles()
        let a = try stored([200, 900], .f32, files, &random).tensor
        let b = try stored([900, 800], .f32, files, &random).tensor
        let product = a.product(with: b)
        for window in [
            product.window(), Window(rows: 3..<170, columns: 0..<800), Window(rows: 0..<1, columns: 0..<800),
        ] {
            var reader = Reader(files: FilePool(files.list.files))
            let count = product.byteCount(of: window)
            _ = try product.numbers(in: window, using: &reader)
            let stated = MatrixProductTiling(terms: 900, columns: window.columns.count).byteCount
            #expect(reader.scratch.peakByteCount == count + stated)
        }
        let sum = LazyTensor.linearCombination([(a, 1), (a, 2)])
        for window in [sum.window(), Window(rows: 1..<150, columns: 0..<900), Window(rows: 7..<9, columns: 0..<900)] {
            var reader = Reader(files: FilePool(files.list.files))
            let count = sum.byteCount(of: window)
            _ = try sum.numbers(in: window, using: &reader)
            #expect(reader.scratch.peakByteCount == count + sum.combinationByteCount(window))
            #expect(sum.combinationByteCount(window) <= 12 * (64 << 10) + 12 * 900)
        }
        for terms in [1, 7, 4096, 28_672, 1 << 18, 1 << 22] {
            for columns in [1, 128, 4096, 28_672, 1 << 18, 1 << 22] {
                // Sums, rows of one factor, a band of the other: so much, or one row of it.
                let bound = max(4 << 20, 8 * columns) + max(2 << 20, 4 * terms) + max(1 << 20, 4 * columns)
                #expect(MatrixProductTiling(terms: terms, columns: columns).byteCount <= bound)
            }
        }
    }

    // MARK: Jobs and tallies

    /// An adapter's weight, W + α·B·A, written by jobs of any size by any number of workers: the same bytes and tallies, and
    /// they are those of the numbers.
    @Test(arguments: [DType.f32, .f16, .bf16, .q8_0, .q4_k]) func jobs(dtype: DType) throws {
        var random = SeededGenerator(seed: 11)
        let files = SampleFiles()
        let (rows, columns, rank) = (96, 512, 8)
        let weight = try stored([rows, columns], .bf16, files, &random)
        let b = try stored([rank, rows], .f16, files, &random).transposed
        let doubles = (0..<rank * columns).map { _ in Double.random(in: -1...1, using: &random) }
        let a = Sample(
            try files.stored(.f64, [rank, columns], doubles.bytes, &random).converted(to: .f32), doubles.map(Float.init)
        )
        let order = RowOrder(outer: 3, first: 16, second: 2)
        let merged = combination([(weight, 1), (b.product(a), 40_000.3)])
        let sample = Sample(merged.tensor.gathered(order)) { merged.value($0, order.source(of: $1), $2) }

        var plan = Plan(sources: files.list.files, form: .file)
        plan.transfers = [
            Transfer(name: "w", source: sample.tensor, encoding: .plain(dtype), output: 0, offset: 0)
        ]
        plan.outputs = [OutputFile(name: "w", byteCount: rows * dtype.byteCount(of: columns)!)]
        #expect(try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan)) == plan)

        var reader = Reader(files: FilePool([]))
        let numbers = LazyTensor.literal(.f32, [rows, columns], sample.values.bytes)
        let expected = try numbers.converted(to: dtype).bytes(using: &reader)
        #expect((reader.tally.overflowCount > 0) == (dtype == .f16))
        // Each number of the factor is rounded once, however often it is read.
        let roundedCount = reader.tally.roundedCount + doubles.count { Double(Float($0)) != $0 }
        let directory = TemporaryDirectory()
        for workers in [1, 3] {
            for jobByteCount in [1 << 10, 1 << 14, 1 << 22] {
                let path = directory.file("\(workers)-\(jobByteCount)")
                var executor = Executor(plan, stagedPaths: [path], workers: workers, jobByteCount: jobByteCount)
                try executor.prepare()
                let tallies = try executor.run(journal: nil, progress: nil)
                #expect(try FileSource.contents(of: path) == expected, "\(workers) workers, jobs of \(jobByteCount)")
                #expect(tallies[0].roundedCount == roundedCount)
                #expect(tallies[0].overflowCount == reader.tally.overflowCount)
            }
        }
    }

    /// Numbers beyond a type are counted once, where they are lost.
    @Test func overflows() throws {
        func tally(_ tensor: LazyTensor) throws -> Tally {
            var reader = Reader(files: FilePool([]))
            _ = try tensor.bytes(using: &reader)
            return reader.tally
        }
        func matrix(_ shape: [Int], _ values: [Float]) -> LazyTensor { .literal(.f32, shape, values.bytes) }
        let large = matrix([2, 2], [3e38, 1, -3e38, .infinity])
        let sum = LazyTensor.linearCombination([(large, 1), (large, 1)])
        // 6e38 and -6e38 are lost; the infinity was one before.
        #expect(try tally(sum).overflowCount == 2)
        #expect(try tally(sum.converted(to: .f16)).overflowCount == 2)
        #expect(try tally(LazyTensor.linearCombination([(large, 1), (large, -0.5)])).overflowCount == 0)
        #expect(
            try tally(LazyTensor.linearCombination([(matrix([1, 2], [40_000, 7]), 2)]).converted(to: .f16))
                .overflowCount == 1)
        // Sums that come back from beyond float32 are not lost.
        let row = matrix([1, 3], [3e38, 3e38, -3e38])
        #expect(try tally(row.product(with: matrix([3, 1], [1, 1, 1]))).overflowCount == 0)
        #expect(try tally(row.product(with: matrix([3, 1], [1, 1, 0]))).overflowCount == 1)
        #expect(
            try tally(row.product(with: matrix([3, 2], [1e-30, 1, 0, 1, 0, 0])).converted(to: .bf16)).overflowCount == 1
        )
    }

    // MARK: Samples

    private func sample(depth: Int, _ files: SampleFiles, _ random: inout SeededGenerator) throws -> Sample {
        guard depth > 0 else { return try leaf(random.shape(), files, &random) }
        let base = try sample(depth: depth - 1, files, &random)
        let shape = base.tensor.shape
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            let terms =
                try (0..<Int.random(in: 0...2, using: &random)).map { _ in try leaf(shape, files, &random) } + [base]
            return combination(terms.map { ($0, Double.random(in: -2...2, using: &random)) })
        case 1 where shape.count > 1:
            let other = try leaf(
                shape.dropLast(2) + [base.tensor.columnCount, Int.random(in: 1...6, using: &random)], files, &random)
            return base.product(other)
        case 2 where shape.count > 1:
            let other = try leaf(
                shape.dropLast(2) + [Int.random(in: 1...6, using: &random), base.tensor.rowCount], files, &random)
            return other.product(base)
        case 3:
            let rounded = base.tensor.converted(to: .bf16).converted(to: .f32)
            return Sample(rounded, base.values.map(\.roundedToBrainFloat))
        default:
            return try base.arranged(&random) { (shape, random) in try leaf(shape, files, &random) }
        }
    }

    /// Numbers in float32, stored as something else.
    private func leaf(_ shape: [Int], _ files: SampleFiles, _ random: inout SeededGenerator) throws -> Sample {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return Sample(.zeros(.f32, shape)) { _, _, _ in 0 }
        case 1 where shape.count == 2:
            let dtype = [DType.q8_0, .q4_k].randomElement(using: &random)!
            let count = shape[0] * 512 / dtype.blockElements
            let blocks = try files.stored(dtype, [shape[0], 512], dtype.randomBlocks(count, &random), &random)
            return try part(of: blocks.converted(to: .f32), shape, files, &random)
        case 2 where shape.count == 2:
            let encoding = PackingCase.all.first { $0.name == "gptq-int4" }!.encoding(
                modelType: .f16, shape: [64, 256])
            let tile = encoding.randomTile(rows: 64, columns: 256, &random)
            var tally = Tally()
            let parts = try encoding.stored(tile, cuts: [0, 64], tally: &tally)
            return try part(of: .decoded(encoding, [64, 256], parts), shape, files, &random)
        case 3: return try stored(shape, .bf16, files, &random)
        case 4: return try stored(shape, .f16, files, &random)
        default: return try stored(shape, .f32, files, &random)
        }
    }

    /// Some numbers of a quantized matrix, as they are when it is read whole; other tests say that this is right.
    private func part(
        of matrix: LazyTensor, _ shape: [Int], _ files: SampleFiles, _ random: inout SeededGenerator
    ) throws -> Sample {
        var reader = Reader(files: FilePool(files.list.files))
        let whole = Sample(matrix, try matrix.numbers(in: matrix.window(), using: &reader))
        let top = Int.random(in: 0...matrix.rowCount - shape[0], using: &random)
        let left = Int.random(in: 0...matrix.columnCount - shape[1], using: &random)
        return Sample(matrix.rows(top..<top + shape[0]).columns(left..<left + shape[1])) {
            whole.value($0, $1 + top, $2 + left)
        }
    }

    private func stored(
        _ shape: [Int], _ dtype: DType, _ files: SampleFiles, _ random: inout SeededGenerator
    ) throws -> Sample {
        let numbers = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
        switch dtype {
        case .bf16:
            let words = numbers.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) }
            let tensor = try files.stored(.bf16, shape, words.bytes, &random)
            return Sample(tensor.converted(to: .f32), words.map { Float(bitPattern: UInt32($0) << 16) })
        case .f16:
            // Multiples of 1/1024 below 1 are float16 numbers.
            let words = numbers.map { Int($0 * 1023) }
            let bytes = words.map(\.halfOf1024ths).bytes
            let tensor = try files.stored(.f16, shape, bytes, &random)
            return Sample(tensor.converted(to: .f32), words.map { Float($0) / 1024 })
        default: return Sample(try files.stored(.f32, shape, numbers.bytes, &random), numbers)
        }
    }
}

// MARK: The same of arrays

private func combination(_ terms: [(sample: ComputationLaws.Sample, weight: Double)]) -> ComputationLaws.Sample {
    let tensor = LazyTensor.linearCombination(terms.map { ($0.sample.tensor, $0.weight) })
    return ComputationLaws.Sample(
        tensor,
        terms[0].sample.values.indices.map { index in
            let products = terms.map { $0.weight * Double($0.sample.values[index]) }
            return Float(products.dropFirst().reduce(products[0], +))
        })
}

extension TensorSample<Float> {
    fileprivate func product(_ other: Self) -> Self {
        Self(tensor.product(with: other.tensor)) { batch, row, column in
            Float(
                (0..<tensor.columnCount).reduce(0.0) {
                    $0 + Double(value(batch, row, $1)) * Double(other.value(batch, $1, column))
                })
        }
    }

    fileprivate var transposed: Self { Self(tensor.transposed()) { value($0, $2, $1) } }
}

extension Float {
    /// The nearest number of eight significant bits, ties to even.
    fileprivate var roundedToBrainFloat: Float {
        let even = bitPattern >> 16 & 1
        return Float(bitPattern: (bitPattern + 0x7FFF + even) & 0xFFFF_0000)
    }
}

extension Int {
    /// A thousand-and-twenty-fourth so many times, as float16: below 1.
    fileprivate var halfOf1024ths: UInt16 {
        guard self != 0 else { return 0 }
        let size = UInt16(magnitude)
        let exponent = UInt16(15 - size.leadingZeroBitCount)
        return (self < 0 ? 0x8000 : 0) | (exponent + 5) << 10 | (size << (10 - exponent) & 0x3FF)
    }
}

extension Array where Element: BitwiseCopyable {
    fileprivate var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}
