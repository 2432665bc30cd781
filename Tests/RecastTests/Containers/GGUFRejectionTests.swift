import Foundation
import Recast
import TestSupport
import Testing

struct GGUFRejectionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// What the error says.
        var message: String
        /// Where; nil for anywhere.
        var offset: Int?
        var change: @Sendable (inout GGUFBuilder) -> Void

        init(
            _ name: String, _ message: String, at offset: Int? = nil,
            _ change: @escaping @Sendable (inout GGUFBuilder) -> Void
        ) {
            testDescription = name
            self.message = message
            self.offset = offset
            self.change = change
        }
    }

    private let directory = TemporaryDirectory()

    private func read(_ bytes: [UInt8]) throws -> GGUFFile {
        var files = FileList()
        return try GGUFFile(path: directory.write("a.gguf", bytes), files: &files)
    }

    private func expect(_ test: Case, _ start: GGUFBuilder) {
        var file = start
        test.change(&file)
        expectRejection(test.message, file: "a.gguf", at: test.offset ?? -1) { _ = try read(file.bytes) }
    }

    // MARK: Preamble

    static let preambles: [Case] = [
        Case("magic", "magic", at: 0) { $0.magic = Array("GGML".utf8) },
        Case("lower-case magic", "magic", at: 0) { $0.magic = Array("gguf".utf8) },
        Case("version 0", "version 0", at: 4) { $0.version = 0 },
        Case("version 1", "version 1", at: 4) { $0.version = 1 },
        Case("version 4", "version 4", at: 4) { $0.version = 4 },
        Case("big endian", "big-endian", at: 4) { $0.version = UInt32(3).byteSwapped },
        Case("-1 tensors", "-1 tensors", at: 8) { $0.tensorCount = -1 },
        Case("all tensors", "tensors do not fit", at: 8) { $0.tensorCount = .max },
        Case("more tensors than bytes", "tensors do not fit", at: 8) { $0.tensorCount = 1000 },
        Case("-1 keys", "-1 metadata keys", at: 16) { $0.pairCount = -1 },
        Case("smallest count", "metadata keys", at: 16) { $0.pairCount = .min },
        Case("more keys than bytes", "metadata keys do not fit", at: 16) { $0.pairCount = 1000 },
        Case("more tensors than there are", "") { $0.tensorCount = 3 },
        Case("more keys than there are", "") { $0.pairCount = 27 },
    ]

    @Test(arguments: preambles)
    func preamble(_ test: Case) { expect(test, .small) }

    // MARK: Metadata; the first key of an empty file stands at byte 24.

    private static let longKey = [UInt8](repeating: UInt8(ascii: "k"), count: 65_536)

    static let values: [Case] = [
        Case("empty key", "empty metadata key", at: 24) { $0.pair("", GGUFBuilder.u32(1)) },
        Case("long key", "the limit is 65535", at: 24) { $0.pair(key: longKey, GGUFBuilder.u32(1)) },
        Case("NUL in a key", "NUL", at: 24) { $0.pair("a\0b", GGUFBuilder.u32(1)) },
        Case("key of no UTF-8", "not UTF-8", at: 24) { $0.pair(key: [0x61, 0xFF], GGUFBuilder.u32(1)) },
        Case("duplicate key", "duplicate metadata key a", at: 41) {
            $0.pair("a", GGUFBuilder.u32(1))
            $0.pair("a", GGUFBuilder.u32(1))
        },
        Case("type 13", "a: unknown value type 13", at: 33) { $0.pair("a", GGUFBuilder.raw(type: 13, [0, 0, 0, 0])) },
        Case("type -1", "a: unknown value type -1", at: 33) { $0.pair("a", GGUFBuilder.raw(type: -1, [0, 0, 0, 0])) },
        Case("string past the end", "value of a of 1000 bytes", at: 37) {
            $0.pair("a", GGUFBuilder.string([1], count: 1000))
        },
        Case("string of 2^63", "runs past the end", at: 37) { $0.pair("a", GGUFBuilder.string([1], count: 1 << 63)) },
        Case("string of 2^64 - 1", "runs past the end", at: 37) { $0.pair("a", GGUFBuilder.string([1], count: .max)) },
        Case("string of no UTF-8", "not UTF-8", at: 37) { $0.pair("a", GGUFBuilder.string([0xC3, 0x28])) },
        Case("array of arrays", "array of arrays", at: 37) { $0.pair("a", GGUFBuilder.array(type: 9, count: 0, [])) },
        Case("array of type 13", "unknown type 13", at: 37) { $0.pair("a", GGUFBuilder.array(type: 13, count: 0, [])) },
        Case("long array", "1000 elements", at: 37) { $0.pair("a", GGUFBuilder.array(type: 0, count: 1000, [])) },
        Case("array of 2^61", "runs past the end", at: 37) {
            $0.pair("a", GGUFBuilder.array(type: 10, count: 1 << 61, []))
        },
        Case("array of 2^64 - 1", "runs past the end", at: 37) {
            $0.pair("a", GGUFBuilder.array(type: 12, count: .max, []))
        },
        Case("strings past the end", "runs past the end", at: 37) {
            $0.pair("a", GGUFBuilder.array(type: 8, count: 1 << 60, []))
        },
        Case("string in an array", "a[1] of 9 bytes", at: 58) {
            $0.pair(
                "a", GGUFBuilder.array(type: 8, count: 2, GGUFBuilder.text([0x61]) + GGUFBuilder.text([], count: 9)))
            $0.alignment = 1
        },
        Case("alignment as string", "not an unsigned", at: 24) {
            $0.pair("general.alignment", GGUFBuilder.string("32"))
        },
        Case("alignment as i32", "not an unsigned", at: 24) { $0.pair("general.alignment", GGUFBuilder.i32(32)) },
        Case("alignment 0", "alignment is 0", at: 24) { $0.pair("general.alignment", GGUFBuilder.u32(0)) },
        Case("alignment 4", "alignment is 4", at: 24) { $0.pair("general.alignment", GGUFBuilder.u32(4)) },
        Case("alignment 48", "alignment is 48", at: 24) { $0.pair("general.alignment", GGUFBuilder.u32(48)) },
        Case("alignment 2 MiB", "alignment is 2097152", at: 24) {
            $0.pair("general.alignment", GGUFBuilder.u32(2 << 20))
        },
        Case("alignment 2^31", "alignment is", at: 24) { $0.pair("general.alignment", GGUFBuilder.u32(1 << 31)) },
    ]

    @Test(arguments: values)
    func value(_ test: Case) { expect(test, GGUFBuilder()) }

    /// Sparse files: large by their size alone.
    @Test func hugeStringsAndArrays() throws {
        func expectHuge(_ message: String, _ value: [UInt8]) throws {
            var file = GGUFBuilder()
            file.pair("a", value)
            let path = directory.write("a.gguf", file.bytes)
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.truncate(atOffset: 1 << 34)
            expectRejection(message, file: "a.gguf", at: 37) {
                var files = FileList()
                _ = try GGUFFile(path: path, files: &files)
            }
        }
        try expectHuge("the limit is 1073741824", GGUFBuilder.string([], count: 1 << 30 + 1))
        try expectHuge("the limit is 1073741824 bytes", GGUFBuilder.array(type: 0, count: 1 << 30 + 1, []))
        try expectHuge("the limit is 1073741824 bytes", GGUFBuilder.array(type: 8, count: 1 << 30, []))
    }

    // MARK: Tensors; the first description of the file stands at byte 24.

    private static func tensor(_ change: @escaping @Sendable (inout GGUFBuilder.Tensor) -> Void)
        -> @Sendable (inout GGUFBuilder) -> Void
    {
        { change(&$0.tensors[0]) }
    }

    static let tensors: [Case] = [
        Case("empty name", "empty tensor name", at: 24, tensor { $0.name = [] }),
        Case("64 bytes of name", "the limit is 63", at: 24, tensor { $0.name = [UInt8](repeating: 0x61, count: 64) }),
        Case("NUL in a name", "NUL", at: 24, tensor { $0.name = [0x61, 0, 0x62] }),
        Case("name of no UTF-8", "not UTF-8", at: 24, tensor { $0.name = [0xED, 0xA0, 0x80] }),
        Case("duplicate name", "duplicate tensor name a.weight") { $0.tensors[1].name = $0.tensors[0].name },
        Case("no dimensions", "a.weight: 0 dimensions", at: 24, tensor { $0.dimensions = [] }),
        Case("5 dimensions", "a.weight: 5 dimensions", at: 24, tensor { $0.dimensions = [1, 1, 1, 1, 1] }),
        Case("2^32 - 1 dimensions", "dimensions", at: 24, tensor { $0.dimensionCount = .max }),
        Case(
            "a dimension of 0", "a.weight: dimensions [8, 0] are not positive", at: 24,
            tensor { $0.dimensions = [8, 0] }),
        Case("a negative dimension", "not positive", at: 24, tensor { $0.dimensions = [8, -3] }),
        Case("two negative dimensions", "not positive", at: 24, tensor { $0.dimensions = [-8, -3] }),
        Case("2^64 elements", "does not fit", at: 24, tensor { $0.dimensions = [1 << 32, 1 << 32] }),
        Case("2^63 bytes", "does not fit", at: 24, tensor { $0.dimensions = [1 << 61] }),
        Case("type 43", "a.weight: unknown tensor type 43", at: 24, tensor { $0.type = 43 }),
        Case("type 2^32 - 1", "unknown tensor type 4294967295", at: 24, tensor { $0.type = .max }),
        Case("removed type", "type 4, which the format has dropped", at: 24, tensor { $0.type = 4 }),
        Case("ik_llama.cpp", "type 139 of ik_llama.cpp", at: 24, tensor { $0.type = 139 }),
        Case("part of a block", "rows of 8 do not fill Q8_0 blocks of 32", at: 24, tensor { $0.type = 8 }),
        Case(
            "blocks across rows", "rows of 128 do not fill Q4_K", at: 24,
            tensor {
                $0.type = 12
                $0.dimensions = [128, 2]
            }),
        Case("offset off the grid", "offset 4 is not a multiple of 32", at: 24, tensor { $0.offset = 4 }),
        Case("offset past the end", "run past the 128 bytes", at: 24, tensor { $0.offset = 64 }),
        Case("offset 2^63", "data offset 9223372036854775808 does not fit", at: 24, tensor { $0.offset = 1 << 63 }),
        Case("end past 2^63", "run past", at: 24, tensor { $0.offset = 1 << 63 - 32 }),
        Case("overlap", "overlaps another tensor") { $0.tensors[1].offset = 64 },
        Case("same place", "overlaps another tensor") { $0.tensors[1].offset = 0 },
        Case("short data", "run past the 127 bytes") {
            $0.zeros("c", [8])
            $0.data.removeLast(33)
        },
        Case("no data", "past the end of the file") {
            $0.data = []
            $0.alignment = 1
            $0.pair("general.alignment", GGUFBuilder.u32(1 << 20))
        },
    ]

    @Test(arguments: tensors)
    func tensor(_ test: Case) {
        var file = GGUFBuilder()
        file.zeros("a.weight", [8, 3])
        file.zeros("b.weight", [5])
        expect(test, file)
    }

    // MARK: Accepted

    @Test func accepted() throws {
        let file = try read(GGUFBuilder.small.bytes)
        #expect(file.version == 3 && file.alignment == 32 && file.warnings.isEmpty)
        #expect(file.tensors.map(\.tensor.shape) == [[3, 8], [5]])
        #expect(file.metadata["small.scalar.11"] == .i64(1))
        #expect(file.metadata["small.array.7"] == .array(.bool([true, true])))
        #expect(file.metadata["small.strings"]?.strings == ["a", "", "é"])

        var old = GGUFBuilder.small
        old.version = 2
        #expect(try read(old.bytes).version == 2)

        var wide = GGUFBuilder()
        wide.alignment = 64
        wide.pair("general.alignment", GGUFBuilder.u32(64))
        wide.zeros("a", [3])
        wide.zeros("b", [3])
        #expect(try read(wide.bytes).warnings.isEmpty)
        #expect(try read(wide.bytes).alignment == 64)

        // Without tensors there may be padding, or none.
        var empty = GGUFBuilder()
        empty.pair("a", GGUFBuilder.u32(1))
        #expect(try read(empty.bytes).warnings.isEmpty)
        #expect(try read(empty.header).warnings.isEmpty)

        // The last tensor's padding may be missing.
        var last = GGUFBuilder()
        last.zeros("a", [5])
        last.data.removeLast(12)
        #expect(try read(last.bytes).warnings.isEmpty)
    }

    @Test func oddities() throws {
        func warnings(_ change: (inout GGUFBuilder) -> Void) throws -> [String] {
            var file = GGUFBuilder.small
            change(&file)
            return try read(file.bytes).warnings
        }
        func expectWarning(_ text: String, _ change: (inout GGUFBuilder) -> Void) throws {
            let found = try warnings(change)
            #expect(found.count == 1 && found[0].contains(text) && found[0].contains("a.gguf"), "\(found)")
        }
        try expectWarning("flag: boolean stored as 2") { $0.pair("flag", GGUFBuilder.bool(2)) }
        try expectWarning("flags: boolean stored as 3") {
            $0.pair("flags", GGUFBuilder.array(type: 7, count: 2, [1, 3]))
        }
        try expectWarning("gap of 64 bytes before b.weight") {
            $0.data.insert(contentsOf: [UInt8](repeating: 0, count: 64), at: 96)
            $0.tensors[1].offset += 64
        }
        try expectWarning("after the last tensor belong to none") { $0.data += [UInt8](repeating: 0, count: 100) }
        try expectWarning("another order") {
            $0.tensors[0].offset = 32
            $0.tensors[1].offset = 0
        }
    }

    // MARK: Damage

    @Test func truncated() {
        var file = GGUFBuilder.small
        file.zeros("c.weight", [8])
        let bytes = file.bytes
        for count in 0..<bytes.count {
            expectRejection("", file: "a.gguf", at: -1) { _ = try read(Array(bytes.prefix(count))) }
        }
    }

    @Test func damaged() throws {
        var random = SeededGenerator(seed: 4)
        let bytes = GGUFBuilder.small.bytes
        for _ in 0..<10_000 {
            do {
                let file = try read(bytes.damaged(&random))
                #expect(file.tensors.allSatisfy { $0.tensor.byteCount <= 256 })
            } catch let error as RecastError {
                #expect(error.code == .malformedInput, "\(error)")
            }
        }
    }
}

/// Files with `split.*` keys.
struct GGUFSetRejectionTests {
    private let directory = TemporaryDirectory()

    private static func name(_ index: Int, of count: Int = 2) -> String { "m-0000\(index)-of-0000\(count).gguf" }

    private func write(
        _ index: Int, no: UInt16? = nil, count: UInt16 = 2, total: Int32? = 3, tensors: [String],
        architecture: String? = nil, name: String? = nil
    ) -> [UInt8] {
        var file = GGUFBuilder()
        if let architecture { file.pair("general.architecture", GGUFBuilder.string(architecture)) }
        file.pair("split.no", GGUFBuilder.u16(no ?? UInt16(index - 1)))
        file.pair("split.count", GGUFBuilder.u16(count))
        if let total { file.pair("split.tensors.count", GGUFBuilder.i32(total)) }
        for tensor in tensors { file.zeros(tensor, [8, 4]) }
        directory.write(name ?? Self.name(index), file.bytes)
        return file.bytes
    }

    private func read(_ index: Int = 1) throws -> GGUFSet {
        var files = FileList()
        return try GGUFSet(path: directory.file(Self.name(index)), files: &files)
    }

    @Test func accepted() throws {
        _ = write(1, tensors: ["a", "b"], architecture: "llama")
        _ = write(2, tensors: ["c"])
        for index in 1...2 { #expect(try read(index).tensors.map(\.name) == ["a", "b", "c"]) }
        // gguf-split leaves a count of 0 in what it merges.
        _ = write(1, count: 0, tensors: ["a"])
        #expect(try read().paths.count == 1)
    }

    @Test func inconsistent() {
        _ = write(1, tensors: ["a", "b"], architecture: "llama")
        expectRejection("is missing: the model is split into 2 files", file: Self.name(2)) { _ = try read() }
        _ = write(2, no: 0, tensors: ["c"])
        expectRejection("split.no is not 1", file: Self.name(2)) { _ = try read() }
        _ = write(2, count: 3, tensors: ["c"])
        expectRejection("split.count is not 2", file: Self.name(2)) { _ = try read() }
        _ = write(2, tensors: ["b"])
        expectRejection("b is in an earlier file", file: Self.name(2)) { _ = try read() }
        _ = write(2, tensors: ["c"], architecture: "qwen2")
        expectRejection("another architecture", file: Self.name(2)) { _ = try read() }
        _ = write(2, tensors: ["c", "d"])
        expectRejection("split.tensors.count is 3, the files hold 4", file: Self.name(1)) { _ = try read() }
        _ = write(1, total: nil, tensors: ["a", "b"])
        expectRejection("split.tensors.count is missing", file: Self.name(1)) { _ = try read() }
        _ = write(1, total: -1, tensors: ["a", "b"])
        expectRejection("split.tensors.count is -1", file: Self.name(1)) { _ = try read() }
        _ = write(1, count: 65_535, tensors: ["a", "b"])
        expectRejection("one of 65535 files", file: Self.name(1)) { _ = try read() }
    }

    @Test(arguments: [
        "m.gguf", "m-1-of-2.gguf", "m-00003-of-00002.gguf", "m-00000-of-00002.gguf", "m-00001-of-00003.gguf",
    ])
    func misnamed(_ name: String) {
        _ = write(1, tensors: ["a", "b"])
        _ = write(2, tensors: ["c"])
        _ = write(1, tensors: ["x", "y"], name: name)
        expectRejection("is not named", file: name) {
            var files = FileList()
            _ = try GGUFSet(path: directory.file(name), files: &files)
        }
    }

    /// A known way to lose weights: a merge that does not notice how short a file is.
    @Test(arguments: [1, 64, 127, 128, 200])
    func truncatedFile(_ missing: Int) {
        _ = write(1, tensors: ["a", "b"], architecture: "llama")
        let bytes = write(2, tensors: ["c"])
        directory.write(Self.name(2), Array(bytes.dropLast(missing)))
        expectRejection("", file: Self.name(2), at: -1) {
            let destination = directory.file("merged.gguf")
            let plan = try Planning(Checkpoint(path: directory.file(Self.name(1))), .init(target: .gguf))
                .plan(destination: destination)
            _ = try Conversion(plan, to: destination).run()
        }
        #expect(!directory.names.contains { $0.hasPrefix("merged") })
    }
}
