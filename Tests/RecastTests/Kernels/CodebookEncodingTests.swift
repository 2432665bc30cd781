import CKernels
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// What is particular about blocks of codewords; what they have in common with other blocks is in BlockEncodingTests and
/// SearchThenWriteTests.
@Suite struct CodebookEncodingTests {
    /// From the most bits to the fewest.
    static let types: [any CodebookBlock.Type] = [
        IQ3_S.self, IQ3_XXS.self, IQ2_S.self, IQ2_XS.self, IQ2_XXS.self, IQ1_M.self, IQ1_S.self,
    ]

    // MARK: What a block says

    /// Unit, multiples, codewords and signs that were written are those that are read.
    @Test(arguments: types) func contentIsWhatIsRead(type: any CodebookBlock.Type) {
        var random = SeededGenerator(seed: 5)
        let form = Form(type)
        for _ in 0..<200 {
            var content = CodebookContent(
                unit: HalfFloat.rounded(Float.random(in: 0.01...2, using: &random)), of: type)
            for i in content.multiples.indices {
                content.multiples[i] = .random(in: 0..<form.multipleCount, using: &random)
            }
            for i in content.entries.indices { content.entries[i] = .random(in: 0..<form.entryCount, using: &random) }
            for i in content.signs.indices { content.signs[i] = form.randomSigns(part: i, content, &random) }
            var block = [UInt8](repeating: 0, count: type.blockByteCount)
            type.write(content, into: &block)
            #expect(type.unit(of: block) == content.unit)
            var numbers = [Float](repeating: .nan, count: 256)
            type.decodeBlock(block, into: &numbers)
            #expect(numbers == (0..<256).map { form.number($0, content) })
        }
    }

    // MARK: Nearest codewords

    /// On every instruction set what a sort of all costs finds, and of equals the first.
    @Test(arguments: types) func nearestCodewords(type: any CodebookBlock.Type) {
        var random = SeededGenerator(seed: 8)
        let table = CodewordTable(type)
        let size = type.codewordSize
        for round in 0..<60 {
            var (squares, lines) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
            for i in 0..<8 {
                squares[i] = round == 0 ? 0 : Float.random(in: 0...2, using: &random)
                lines[i] = round < 2 ? 0 : Float.random(in: -9...1, using: &random)
            }
            let first = size == 4 ? 4 * (round % 2) : 0
            let costs = (0..<type.entryCount).map { entry in
                (0..<size).reduce(Float(0)) { sum, p in
                    let word = type.magnitude(entry, p)
                    return sum + (squares[first + p] * word + lines[first + p]) * word
                }
            }
            let sorted = costs.indices.sorted { (costs[$0], $0) < (costs[$1], $1) }
            for kernels in Kernels.available {
                for tried in [1, 4, 8] {
                    let found = table.nearest(squares: squares, lines: lines, first: first, tried: tried, by: kernels)
                    #expect(
                        (0..<tried).map { Int(found[$0]) } == Array(sorted.prefix(tried)), "\(kernels.instructionSet)")
                }
            }
        }
        // What costs no number is never found.
        let found = table.nearest(squares: SIMD8(repeating: .nan), lines: .zero, tried: 4)
        #expect(found == .zero)
    }

    /// What the bits of a type mean, written down once more.
    private struct Form {
        let type: any CodebookBlock.Type
        let isTernary: Bool
        let multipleCount: Int
        let entryCount: Int
        private let words: UnsafePointer<UInt16>
        private let levels: [Float]
        private let scale: (Float, Int) -> Float

        init(_ type: any CodebookBlock.Type) {
            let books = ck_codebooks().pointee
            self.type = type
            isTernary = type == IQ1_S.self || type == IQ1_M.self
            multipleCount = isTernary ? 8 : 16
            switch type {
            case is IQ3_S.Type: (words, entryCount) = (books.iq3_s, 512)
            case is IQ3_XXS.Type: (words, entryCount) = (books.iq3_xxs, 256)
            case is IQ2_S.Type: (words, entryCount) = (books.iq2_s, 1024)
            case is IQ2_XS.Type: (words, entryCount) = (books.iq2_xs, 512)
            case is IQ2_XXS.Type: (words, entryCount) = (books.iq2_xxs, 256)
            default: (words, entryCount) = (books.iq1, 2048)
            }
            switch type {
            case is IQ3_S.Type:
                levels = (0..<8).map { Float(2 * $0 + 1) }
                scale = { $0 * Float(1 + 2 * $1) }
            case is IQ3_XXS.Type:
                levels = [4, 12, 20, 28, 36, 44, 52, 62]
                scale = { $0 * (0.5 + Float($1)) * 0.5 }
            case is IQ1_S.Type, is IQ1_M.Type:
                levels = [-1, 0, 1]
                scale = { $0 * Float(1 + 2 * $1) }
            default:
                levels = [8, 25, 43]
                scale = { $0 * (0.5 + Float($1)) * 0.25 }
            }
        }

        func number(_ i: Int, _ content: CodebookContent) -> Float {
            let size = type.codewordSize
            let level = Int(words[content.entries[i / size]]) >> (16 / size * (i % size)) & (size == 8 ? 3 : 7)
            let scale = scale(content.unit, content.multiples[i / type.groupSize])
            if isTernary { return scale * (levels[level] + (content.signs[i / 8] == 0 ? 0.125 : -0.125)) }
            return scale * levels[level] * (content.signs[i / 8] >> (i % 8) & 1 == 0 ? 1 : -1)
        }

        /// The eighth sign of some types follows from the others, and groups of some have one side.
        func randomSigns(part: Int, _ content: CodebookContent, _ random: inout SeededGenerator) -> Int {
            if isTernary {
                return type == IQ1_S.self && part % 4 != 0
                    ? content.signs[part - 1] : .random(in: 0...1, using: &random)
            }
            let signs = Int.random(in: 0..<256, using: &random)
            if type == IQ3_S.self || type == IQ2_S.self { return signs }
            return signs.nonzeroBitCount.isMultiple(of: 2) ? signs : signs ^ 128
        }
    }

    // MARK: Codewords

    /// With nothing but distances to go by, no codeword is nearer to a point than the one that is found.
    @Test(arguments: [Lattice.iq1, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s])
    func nearestCodewords(lattice: Lattice) {
        let values = (0..<lattice.levelCount).map(Float.init)
        let ones = ArraySlice([Float](repeating: 1, count: lattice.dimensions))
        let cellCount = (0..<lattice.dimensions).reduce(1) { product, _ in product * lattice.levelCount }
        func distance(_ a: [Int], _ b: [Int]) -> Int { zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
        var codewords: Set<Int> = []
        var random = SeededGenerator(seed: 3)
        for cell in 0..<cellCount {
            var digits = cell
            let point = (0..<lattice.dimensions).map { _ in
                defer { digits /= lattice.levelCount }
                return digits % lattice.levelCount
            }
            #expect(lattice.cell(point) == cell)
            let found = lattice.nearest(
                to: ArraySlice(point.map(Float.init)), around: cell, scale: 1, values: values, weights: ones)
            codewords.insert(found)
            let best = distance(point, lattice.point(found))
            #expect(lattice.isCodeword(cell) == (best == 0))
            for _ in 0..<16 {
                let other = Int.random(in: 0..<256, using: &random)
                #expect(best <= distance(point, lattice.point(other)))
            }
        }
        #expect(codewords.count >= 256)
    }

    /// Whoever asks first, and whoever asks at the same time.
    @Test(arguments: types) func tablesAreMadeOnce(type: any CodebookBlock.Type) async {
        let expected = type.encoded(Samples.goldenY, rows: 8, importance: Samples.goldenImportance, with: .best)
        await withTaskGroup(of: [UInt8].self) { group in
            for kernels in Kernels.available + Kernels.available {
                group.addTask {
                    type.encoded(Samples.goldenY, rows: 8, importance: Samples.goldenImportance, with: kernels)
                }
            }
            for await bytes in group { #expect(bytes == expected) }
        }
    }

    // MARK: Errors

    private func decoded(_ bytes: [UInt8], of type: any CodebookBlock.Type) -> [Float] {
        var numbers = [Float](repeating: .nan, count: bytes.count / type.blockByteCount * 256)
        type.decode(bytes, into: &numbers, count: numbers.count)
        return numbers
    }

    /// The root of the weighted mean square of what numbers are off by, over that of the numbers.
    private func error(
        _ x: [Float], _ type: any CodebookBlock.Type, importance: [Float]?, weights: [Float]? = nil
    ) -> Double {
        let rows = 8
        let found = decoded(type.encoded(x, rows: rows, importance: importance, with: .best), of: type)
        var (errors, squares) = (0.0, 0.0)
        for i in x.indices {
            let weight = Double(weights?[i % (x.count / rows)] ?? 1)
            errors += weight * Double(x[i] - found[i]) * Double(x[i] - found[i])
            squares += weight * Double(x[i]) * Double(x[i])
        }
        return (errors / squares).squareRoot()
    }

    /// Gaussian numbers: the more bits, the smaller the error; no type is off by more than its number of levels allows.
    @Test func bitsBuyPrecision() {
        var stream = Samples.Stream(seed: 21)
        let x = (0..<8 * 1024).map { _ in (0..<12).reduce(Float(0)) { sum, _ in sum + stream.signed() } }
        let ones = [Float](repeating: 1, count: 1024)
        let errors = Self.types.map { error(x, $0, importance: ones) }
        #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 < $1 }, "\(errors)")
        let limits = [0.14, 0.19, 0.26, 0.31, 0.35, 0.47, 0.52]
        for (error, limit) in zip(errors, limits) { #expect(error < limit, "\(errors)") }
    }

    /// What is important becomes more precise.
    @Test(arguments: types) func importanceIsHeeded(type: any CodebookBlock.Type) {
        var stream = Samples.Stream(seed: 22)
        let weights = (0..<1024).map { _ in stream.next()! % 8 == 0 ? Float(100) : 1 }
        let ones = [Float](repeating: 1, count: 1024)
        let heeded = error(Samples.goldenX, type, importance: weights, weights: weights)
        let unheeded = error(Samples.goldenX, type, importance: ones, weights: weights)
        #expect(heeded < 0.97 * unheeded)
    }

    // MARK: Corners

    /// A group of zeros leaves the others where they are. (ggml 0.25.3 moves those behind it in IQ3_S.)
    @Test(arguments: types) func groupsOfZeros(type: any CodebookBlock.Type) {
        let whole = Array(Samples.goldenX.prefix(256))
        for importance in [nil, Array(Samples.goldenImportance.prefix(256))] {
            for kernels in [nil] + Kernels.available {
                var x = whole
                for i in 32..<64 { x[i] = 0 }
                let found = decoded(type.encoded(x, importance: importance, with: kernels), of: type)
                let (errors, squares) = (64..<256).reduce(into: (Float(0), Float(0))) { sums, i in
                    sums.0 += (x[i] - found[i]) * (x[i] - found[i])
                    sums.1 += x[i] * x[i]
                }
                #expect(errors < 0.35 * squares, "\(type)")
                // Multiples begin above zero.
                for i in 32..<64 { #expect(abs(found[i]) < 0.05) }
            }
        }
    }

    /// Kernels do as the definition does, and end, with whatever is finite; what cannot be stored is not finite when read.
    @Test(arguments: types) func extremes(type: any CodebookBlock.Type) {
        var stream = Samples.Stream(seed: 23)
        let importances: [[Float]] = [
            [Float](repeating: 0, count: 256),
            (0..<256).map { $0 / 16 % 2 == 0 ? 0 : 1 },
            (0..<256).map { _ in 3e38 * stream.uniform() },
            (0..<256).map { _ in Float(bitPattern: stream.next()! % 1000) },
            (0..<256).map { _ in [0, 1e-30, 1, 1e30][Int(stream.next()! % 4)] },
            (0..<256).map { $0 == 77 ? 3e38 : 0 },
        ]
        let inputs: [[Float]] = [
            [Float](repeating: 0, count: 256),
            [Float](repeating: -0.0, count: 256),
            (0..<256).map { $0 == 100 ? 1e-20 : 0 },
            (0..<256).map { $0 == 100 ? -3e38 : 0 },
            (0..<256).map { _ in Float(bitPattern: stream.next()! % 0x7F80 << 16 | stream.next()! << 31) },
            (0..<256).map { _ in 1e18 * stream.signed() },
            (0..<256).map { _ in 1e-6 * stream.signed() },
            (0..<256).map { $0 % 8 == 3 ? -1e10 : 1e-3 },
            [Float](repeating: .greatestFiniteMagnitude, count: 256),
            [Float](repeating: -.leastNonzeroMagnitude, count: 256),
        ]
        for x in inputs {
            let squares = x.reduce(Float(0)) { $0 + $1 * $1 }
            for importance in [nil] + importances.map(Optional.init) {
                let expected = type.encoded(x, importance: importance, with: nil)
                for kernels in Kernels.available {
                    #expect(type.encoded(x, importance: importance, with: kernels) == expected)
                }
                let isLost = type.lostBlockCount(of: x, blocks: expected, count: 256) == 1
                let numbers = decoded(expected, of: type)
                #expect(numbers.allSatisfy(\.isFinite) != isLost)
                if !squares.isFinite { #expect(isLost) }
            }
        }
    }

    /// Numbers that are not finite are counted, and their blocks with them.
    @Test(arguments: types, [Float.nan, .infinity, -.infinity])
    func numbersThatAreNone(type: any CodebookBlock.Type, number: Float) throws {
        let dtype = try #require(DType(named: "\(type)"))
        var x = Array(Samples.goldenX.prefix(1024))
        x[300] = number
        var tally = Tally()
        var bytes = [UInt8](repeating: 0xA5, count: type.byteCount(of: 1024))
        try x.withUnsafeBufferPointer { source in
            try bytes.withUnsafeMutableBytes { try dtype.encode(source, columns: 512, into: $0, tally: &tally) }
        }
        #expect(tally.nonfiniteCount == 1 && tally.lostBlockCount == 1)
        let numbers = decoded(bytes, of: type)
        #expect(numbers[..<256].allSatisfy(\.isFinite) && numbers[512...].allSatisfy(\.isFinite))
        #expect(!numbers[256..<512].contains { $0.isFinite })
    }
}
