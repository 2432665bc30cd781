import TestSupport
import Testing

@testable import Recast

/// Importance files as bytes, good and bad ones.
enum ImportanceBuilder {
    struct Entry {
        var name: String
        /// A row for each matrix.
        var sums: [[Float]]
        var counts: [Float]
    }

    static func bytes(_ numbers: [Float]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers { bytes.put(number.bitPattern) }
        return bytes
    }

    static func gguf(_ entries: [Entry], type: String = "imatrix") -> GGUFBuilder {
        var file = GGUFBuilder()
        file.pair("general.type", GGUFBuilder.string(type))
        file.pair("imatrix.datasets", GGUFBuilder.strings(["prose.txt", "code.txt"]))
        file.pair("imatrix.chunk_count", GGUFBuilder.u32(200))
        file.pair("imatrix.chunk_size", GGUFBuilder.u32(512))
        for entry in entries {
            let columns = Int64(entry.sums[0].count)
            file.tensor(
                entry.name + ".in_sum2", [columns, Int64(entry.sums.count)], bytes: bytes(entry.sums.flatMap { $0 }))
            file.tensor(entry.name + ".counts", [1, Int64(entry.counts.count)], bytes: bytes(entry.counts))
        }
        return file
    }

    /// One entry of the older format.
    static func legacy(
        _ name: [UInt8], calls: Int32, _ values: [Float], nameCount: Int32? = nil, valueCount: Int32? = nil
    )
        -> [UInt8]
    {
        var out: [UInt8] = []
        out.put(nameCount ?? Int32(name.count))
        out += name
        out.put(calls)
        out.put(valueCount ?? Int32(values.count))
        return out + bytes(values)
    }

    static func legacy(count: Int32, _ entries: [UInt8], _ tail: [UInt8] = []) -> [UInt8] {
        var out: [UInt8] = []
        out.put(count)
        return out + entries + tail
    }

    static func tail(chunks: Int32, dataset: String, length: Int32? = nil) -> [UInt8] {
        var out: [UInt8] = []
        out.put(chunks)
        out.put(length ?? Int32(dataset.utf8.count))
        return out + Array(dataset.utf8)
    }
}

struct ImportanceTests {
    private let directory = TemporaryDirectory()

    private func open(_ bytes: [UInt8]) throws -> Importance {
        try Importance(path: directory.write("a.imatrix", bytes))
    }

    private func weights(_ importance: Importance, _ name: String, columns: Int) throws -> [Float] {
        let entry = try #require(importance.entry(for: name))
        let tensor = importance.weights(entry, columns: columns, in: FileID(0))
        #expect(tensor.dtype == .f32 && tensor.shape == [entry.valueCount / columns, columns])
        var reader = Reader(files: FilePool([importance.file]))
        let bytes = try tensor.bytes(using: &reader)
        return (0..<entry.valueCount).map { index in
            Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
        }
    }

    @Test func means() throws {
        let file = ImportanceBuilder.gguf([
            .init(name: "a.weight", sums: [[1, 2, 0]], counts: [3]),
            .init(name: "b.weight", sums: [[6, 3], [9, 9], [5, 0]], counts: [3, 0, 7]),
        ])
        let importance = try open(file.bytes)
        #expect(importance.datasets == ["prose.txt", "code.txt"] && importance.chunkCount == 200)
        #expect(importance.entries.map(\.name) == ["a.weight", "b.weight"])
        #expect(try weights(importance, "a.weight", columns: 3) == [1 / 3, Float(2) / 3, 1])
        #expect(try weights(importance, "b.weight", columns: 2) == [2, 1, 1, 1, Float(5) / 7, 1])
        #expect(importance.entries.map(\.zeroCount) == [1, 1])
        #expect(importance.entry(for: "c.weight") == nil)
        let b = try #require(importance.entry(for: "b.weight"))
        #expect(b.fits(columns: 2, matrices: 3) && !b.fits(columns: 3, matrices: 2) && !b.fits(columns: 6, matrices: 1))
    }

    @Test func olderFormat() throws {
        let entries =
            ImportanceBuilder.legacy(Array("a.weight".utf8), calls: 4, [1, 2, 3, 5])
            + ImportanceBuilder.legacy(Array("b".utf8), calls: 1, [0])
        let file = ImportanceBuilder.legacy(count: 2, entries, ImportanceBuilder.tail(chunks: 9, dataset: "wiki.txt"))
        let importance = try open(file)
        #expect(importance.datasets == ["wiki.txt"] && importance.chunkCount == 9)
        #expect(try weights(importance, "a.weight", columns: 2) == [0.25, 0.5, 0.75, 1.25])
        let a = try #require(importance.entry(for: "a.weight"))
        #expect(a.fits(columns: 4, matrices: 1) && a.fits(columns: 2, matrices: 2) && !a.fits(columns: 2, matrices: 1))
        // Early files end with the entries, later ones with the chunks.
        #expect(try open(ImportanceBuilder.legacy(count: 2, entries)).chunkCount == nil)
        #expect(try open(ImportanceBuilder.legacy(count: 2, entries, [7, 0, 0, 0])).chunkCount == 7)
    }

    @Test func record() throws {
        let path = directory.write("ü/" + String(repeating: "n", count: 90) + ".gguf", golden.bytes)
        let record = try Importance(path: path).record
        #expect(
            record.map(\.key).map { $0.replacing("quantize.imatrix.", with: "") }
                == ["file", "dataset", "entries_count", "chunks_count"])
        #expect(record[0].value.string == String(decoding: path.utf8.prefix(127), as: UTF8.self))
        #expect(record.dropFirst().map(\.value) == [.string("prose.txt"), .u32(1), .u32(200)])
        let bare = ImportanceBuilder.legacy(count: 1, ImportanceBuilder.legacy([97], calls: 1, [1]))
        #expect(try open(bare).record.map(\.value) == [.string(directory.file("a.imatrix")), .u32(1)])
    }

    private var golden: GGUFBuilder { ImportanceBuilder.gguf([.init(name: "a.weight", sums: [[1, 2]], counts: [3])]) }

    @Test(.enabled(if: Fixtures.hasGolden)) func realFile() throws {
        let importance = try Importance(path: Fixtures.golden("gguf/qwen2-tiny.imatrix.gguf"))
        #expect(importance.entries.count == 28 && importance.chunkCount == 200)
        #expect(importance.entries.allSatisfy { $0.counts == [51200] })
    }

    // MARK: What is refused

    @Test func modelsAndOtherFiles() {
        expectRejection("no importance file: general.type", file: "a.imatrix") { _ = try open(GGUFBuilder.small.bytes) }
        expectRejection("no importance file", file: "a.imatrix", at: 0) { _ = try open(Array("This is a text.".utf8)) }
        expectRejection("truncated: ", file: "a.imatrix") { _ = try open([1, 0]) }
        expectRejection("no importance of any tensor") { _ = try open([0, 0, 0, 0]) }
        expectRejection("no importance of any tensor") { _ = try open(ImportanceBuilder.gguf([]).bytes) }
        expectRejection(.inputMissing, "") { _ = try Importance(path: directory.file("nowhere")) }
    }

    // swift-format-ignore
    static let numbers: [(sums: [[Float]], counts: [Float], message: String)] = [
        ([[1, -1e-9]],          [3],      "column 1 of matrix 0 weighs"),
        ([[.nan, 1]],           [3],      "column 0 of matrix 0 weighs"),
        ([[1, .infinity]],      [3],      "column 1 of matrix 0 weighs"),
        ([[1, 2], [3, -4]],     [3, 3],   "column 1 of matrix 1 weighs"),
        ([[1, 2], [3, .nan]],   [3, 0],   "column 1 of matrix 1 weighs"),
        ([[1e30, 1]],           [1e-30],  "column 0 of matrix 0 weighs"),
        ([[1, 2]],              [-1],     "matrix 0 was measured -1.0 times"),
        ([[1, 2], [3, 4]],      [1, .nan], "matrix 1 was measured nan times"),
        ([[1, 2]],              [.infinity], "matrix 0 was measured inf times"),
        ([[1, 2], [3, 4]],      [1],      "do not belong together"),
        ([[1, 2]],              [1, 1],   "do not belong together"),
    ]

    @Test(arguments: numbers) func impossibleNumbers(sums: [[Float]], counts: [Float], message: String) {
        let file = ImportanceBuilder.gguf([.init(name: "a.weight", sums: sums, counts: counts)])
        expectRejection(["a.weight", message], file: "a.imatrix") { _ = try open(file.bytes) }
    }

    /// What the numbers are is looked at beyond the first piece that is read, too.
    @Test func numbersFarIntoTheFile() {
        var sums = [Float](repeating: 1, count: 1 << 19)
        sums[sums.count - 1] = -1
        let file = ImportanceBuilder.gguf([.init(name: "a.weight", sums: [sums], counts: [3])])
        expectRejection("column \(sums.count - 1) of matrix 0") { _ = try open(file.bytes) }
    }

    @Test func halvesOfEntries() {
        for suffix in [".in_sum2", ".counts"] {
            var file = golden
            file.tensor("b.weight" + suffix, [1, 1], bytes: ImportanceBuilder.bytes([1]))
            expectRejection("b.weight has only one of .in_sum2 and .counts") { _ = try open(file.bytes) }
        }
        var file = golden
        file.tensor("b.weight", [1, 1], bytes: ImportanceBuilder.bytes([1]))
        expectRejection("b.weight is neither") { _ = try open(file.bytes) }
        file = golden
        file.tensor("b.weight.in_sum2", [2, 1], type: 1, bytes: [0, 0, 0, 0])
        file.tensor("b.weight.counts", [1, 1], bytes: ImportanceBuilder.bytes([1]))
        expectRejection("do not belong together") { _ = try open(file.bytes) }
    }

    // swift-format-ignore
    static let legacies: [(message: String, bytes: [UInt8])] = {
        typealias Builder = ImportanceBuilder
        let name = Array("a.weight".utf8)
        let good = Builder.legacy(name, calls: 2, [1, 2])
        return [
            ("-1 entries",             Builder.legacy(count: -1, good)),
            ("3 entries",              Builder.legacy(count: 3, good)),
            ("tensor name of -1",      Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [1], nameCount: -1))),
            ("tensor name of 64",      Builder.legacy(count: 1, Builder.legacy(Array(repeating: 97, count: 64), calls: 1, [1]))),
            ("tensor name of 2147483647", Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [1], nameCount: .max))),
            ("is empty or cut off",    Builder.legacy(count: 1, Builder.legacy([], calls: 1, [1, 2]))),
            ("is empty or cut off",    Builder.legacy(count: 1, Builder.legacy([97, 0, 97], calls: 1, [1, 2]))),
            ("is not UTF-8",           Builder.legacy(count: 1, Builder.legacy([97, 0xFF], calls: 1, [1, 2]))),
            ("measured 0 times",       Builder.legacy(count: 1, Builder.legacy(name, calls: 0, [1, 2]))),
            ("measured -5 times",      Builder.legacy(count: 1, Builder.legacy(name, calls: -5, [1, 2]))),
            ("-2 values",              Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [1, 2], valueCount: -2))),
            ("0 values",               Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [], valueCount: 0))),
            ("2147483647 values",      Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [1], valueCount: .max))),
            ("column 1 of matrix 0",   Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [1, -2]))),
            ("column 0 of matrix 0",   Builder.legacy(count: 1, Builder.legacy(name, calls: 1, [.nan, 1]))),
            ("a.weight is in the file twice", Builder.legacy(count: 2, good + good)),
            ("truncated: ",              Builder.legacy(count: 1, good, [1, 2])),
            ("a count of -1 chunks",   Builder.legacy(count: 1, good, Builder.tail(chunks: -1, dataset: "x"))),
            ("dataset of -1",          Builder.legacy(count: 1, good, Builder.tail(chunks: 1, dataset: "x", length: -1))),
            ("dataset of 2",           Builder.legacy(count: 1, good, Builder.tail(chunks: 1, dataset: "x", length: 2))),
            ("2 bytes after the end",  Builder.legacy(count: 1, good, Builder.tail(chunks: 1, dataset: "x") + [0, 0])),
        ]
    }()

    @Test(arguments: legacies) func brokenOlderFiles(message: String, bytes: [UInt8]) {
        expectRejection(message, file: "a.imatrix") { _ = try open(bytes) }
    }

    /// Whatever the bytes, there is an answer.
    @Test func damage() {
        var random = SeededGenerator(seed: 3)
        let legacy = ImportanceBuilder.legacy(
            count: 2,
            ImportanceBuilder.legacy([97], calls: 2, [1, 2]) + ImportanceBuilder.legacy([98], calls: 2, [3]),
            ImportanceBuilder.tail(chunks: 3, dataset: "x"))
        var refused = 0
        for _ in 0..<2000 {
            for bytes in [legacy.damaged(&random), golden.bytes.damaged(&random)] {
                do {
                    let importance = try open(bytes)
                    for entry in importance.entries {
                        _ = try weights(importance, entry.name, columns: entry.valueCount)
                    }
                } catch let error as RecastError {
                    #expect(error.code == .malformedInput, "\(error)")
                    refused += 1
                } catch { Issue.record(error) }
            }
        }
        #expect(refused > 1000)
    }
}
