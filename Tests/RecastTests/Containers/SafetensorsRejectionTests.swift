import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast

struct SafetensorsRejectionTests {
    private let directory = TemporaryDirectory()

    private func read(_ bytes: [UInt8]) throws -> SafetensorsFile {
        var files = FileList()
        return try SafetensorsFile(path: directory.write("a.safetensors", bytes), files: &files)
    }

    private static func entry(_ dtype: String, _ shape: String, _ offsets: String, name: String = "a") -> String {
        #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }

    // MARK: The header as a whole

    @Test(arguments: 0..<8)
    func shorterThanItsLength(_ count: Int) {
        expectRejection("too short", file: "a.safetensors", at: 0) { _ = try read([UInt8](repeating: 0, count: count)) }
    }

    @Test(
        arguments: [
            (3, "header of 3 bytes in a file of 10"), (100_000_001, "the limit is 100000000"),
            (UInt64.max, "the limit"),
            (1 << 63, "the limit"), (99_999_999, "in a file of 10"),
        ] as [(UInt64, String)])
    func headerLength(_ length: UInt64, _ message: String) {
        var bytes: [UInt8] = []
        bytes.put(length)
        expectRejection(message, file: "a.safetensors", at: 0) { _ = try read(bytes + Array("{}".utf8)) }
    }

    /// Header, what is said about it, where, and the bytes of data behind it.
    static let headers: [(String, String, Int, Int)] = [
        ("", "not a JSON object", 8, 0), ("[]", "not a JSON object", 8, 0), (" {}", "not a JSON object", 8, 0),
        ("null", "not a JSON object", 8, 0), ("{", "end of JSON", 9, 0), ("{} x", "unexpected data", 11, 0),
        ("{}\0\0", "unexpected data", 10, 0), (#"{"__metadata__":{"a":1}}"#, "expected '\"'", 29, 0),
        (#"{"__metadata__":[]}"#, "expected '{'", 24, 0), (#"{"a":5}"#, "expected '{'", 13, 0),
        (#"{"__metadata__":{"a":"b","a":"c"}}"#, "duplicate key", 33, 0),
        ("{\(entry("F32", "[0]", "[0,0]")),\(entry("F32", "[0]", "[0,0]"))}", #"duplicate key "a""#, 62, 0),
        ("{}", "1 bytes after the last tensor", 10, 1),
        ("{\(entry("F32", "[2]", "[0,8]"))}", "3 bytes after the last tensor", 70, 11),
    ]

    @Test(arguments: headers.indices)
    func header(_ index: Int) {
        let (header, message, offset, data) = Self.headers[index]
        expectRejection(message, file: "a.safetensors", at: offset) {
            _ = try read(SafetensorsBuilder.file(header, dataByteCount: data))
        }
    }

    @Test func invalidUTF8() {
        let bytes = Array(#"{"a"#.utf8) + [0xFF] + Array(#"":{}}"#.utf8)
        expectRejection("invalid UTF-8", file: "a.safetensors", at: 10) { _ = try read(SafetensorsBuilder.file(bytes)) }
    }

    // MARK: One entry

    /// The value of an entry in a file with 64 bytes of data.
    static let entries: [(String, String)] = [
        (#"{"dtype":"F31","shape":[16],"data_offsets":[0,64]}"#, "unknown dtype \"F31\""),
        (#"{"dtype":"f32","shape":[16],"data_offsets":[0,64]}"#, "unknown dtype \"f32\""),
        (#"{"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]}"#, "unknown dtype \"Q8_0\""),
        (#"{"dtype":32,"shape":[16],"data_offsets":[0,64]}"#, "expected '\"'"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0,64],"x":1}"#, "unknown key \"x\""),
        (#"{"shape":[16],"data_offsets":[0,64]}"#, "are needed"),
        (#"{"dtype":"F32","data_offsets":[0,64]}"#, "are needed"),
        (#"{"dtype":"F32","shape":[16]}"#, "are needed"), ("{}", "are needed"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0]}"#, "are needed"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0,64,64]}"#, "are needed"),
        (#"{"dtype":"F32","shape":16,"data_offsets":[0,64]}"#, "expected '['"),
        (#"{"dtype":"F32","shape":[-16],"data_offsets":[0,64]}"#, "non-negative"),
        (#"{"dtype":"F32","shape":[16.0],"data_offsets":[0,64]}"#, "non-negative"),
        (#"{"dtype":"F32","shape":["16"],"data_offsets":[0,64]}"#, "expected a value"),
        (#"{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,64]}"#, "below 2^63"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[64,0]}"#, "outside the 64 bytes"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[4,68]}"#, "outside the 64 bytes"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0,9223372036854775807]}"#, "outside the 64 bytes"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0,9223372036854775808]}"#, "below 2^63"),
        (#"{"dtype":"F32","shape":[16],"data_offsets":[0,18446744073709551616]}"#, "below 2^63"),
        (#"{"dtype":"F32","shape":[15],"data_offsets":[0,64]}"#, "takes 60 bytes, data_offsets give 64"),
        (#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,64]}"#, "no size that fits"),
        (#"{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,64]}"#, "no size that fits"),
        (#"{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}"#, "no size that fits"),
        (#"{"dtype":"F32","shape":[4294967296,0,4294967296],"data_offsets":[0,0]}"#, "no size that fits"),
        (#"{"dtype":"F4","shape":[3],"data_offsets":[0,64]}"#, "no size that fits"),
        (#"{"dtype":"F6_E2M3","shape":[2],"data_offsets":[0,64]}"#, "no size that fits"),
        (#"{"dtype":"F6_E3M2","shape":[3,3],"data_offsets":[0,64]}"#, "no size that fits"),
        (#"{"dtype":"F32","shape":[8],"data_offsets":[32,64]}"#, "leaves a hole"),
    ]

    @Test(arguments: entries.indices)
    func entry(_ index: Int) {
        let (entry, message) = Self.entries[index]
        expectRejection(message, file: "a.safetensors", at: -1) {
            _ = try read(SafetensorsBuilder.file(#"{"layer.weight":\#(entry)}"#, dataByteCount: 64))
        }
    }

    /// The format counts the bits of a whole tensor; here a row begins with a byte.
    @Test func rowsThatCutBytes() throws {
        let shapes = [("F4", "[2,3]", 3), ("F4", "[2,1]", 1), ("F6_E2M3", "[2,6]", 9), ("F6_E3M2", "[4,4,1]", 12)]
        for (dtype, shape, count) in shapes {
            expectRejection(.unsupported, ["a: rows of", "do not fill \(dtype) blocks"], file: "a.safetensors") {
                _ = try read(
                    SafetensorsBuilder.file(
                        "{\(Self.entry(dtype, shape, "[0,\(count)]"))}", dataByteCount: count))
            }
        }
        _ = try read(SafetensorsBuilder.file("{\(Self.entry("F4", "[3,2]", "[0,3]"))}", dataByteCount: 3))
    }

    @Test func overlapAndHole() {
        let overlap = "{\(Self.entry("F32", "[4]", "[0,16]")),\(Self.entry("F32", "[4]", "[12,28]", name: "b"))}"
        expectRejection(["b:", "overlaps"], file: "a.safetensors", at: -1) {
            _ = try read(SafetensorsBuilder.file(overlap, dataByteCount: 28))
        }
        let hole = "{\(Self.entry("F32", "[4]", "[20,36]", name: "b")),\(Self.entry("F32", "[4]", "[0,16]"))}"
        expectRejection(["b:", "hole"], file: "a.safetensors", at: 13) {
            _ = try read(SafetensorsBuilder.file(hole, dataByteCount: 36))
        }
        let same = "{\(Self.entry("F32", "[4]", "[0,16]")),\(Self.entry("F32", "[4]", "[0,16]", name: "b"))}"
        expectRejection("overlaps") { _ = try read(SafetensorsBuilder.file(same, dataByteCount: 16)) }
    }

    // MARK: Accepted

    /// Every type of safetensors 0.8 with the bits of an element.
    static let types: [(String, Int)] = [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8), ("F8_E5M2", 8), ("F8_E4M3", 8),
        ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8), ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16),
        ("I32", 32), ("U32", 32), ("F32", 32), ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ]

    @Test(arguments: types)
    func type(_ name: String, _ bits: Int) throws {
        let file = try read(
            SafetensorsBuilder.file("{\(Self.entry(name, "[3,8]", "[0,\(3 * bits)]"))}", dataByteCount: 3 * bits))
        #expect(file.tensors[0].tensor.dtype.name == name)
        #expect(file.tensors[0].tensor.byteCount == 3 * bits)
        expectRejection("takes \(3 * bits) bytes") {
            _ = try read(
                SafetensorsBuilder.file(
                    "{\(Self.entry(name, "[3,8]", "[0,\(3 * bits + 1)]"))}", dataByteCount: 3 * bits + 1))
        }
    }

    @Test func noOtherTypes() {
        #expect(DType.all.filter { !$0.isQuantized }.count == Self.types.count)
    }

    @Test func emptyTensorsAndPadding() throws {
        let header = "{\(Self.entry("F32", "[0,3]", "[0,0]")),\(Self.entry("F32", "[]", "[0,4]", name: "b"))}   "
        let file = try read(SafetensorsBuilder.file(header, dataByteCount: 4))
        #expect(file.tensors.map(\.tensor.shape) == [[0, 3], []])
        #expect(try read(SafetensorsBuilder.file("{}")).tensors.isEmpty)
    }

    // MARK: Damage

    private static let sound = SafetensorsBuilder.file([
        ("a.weight", "F32", [2, 3], [UInt8](repeating: 1, count: 24)),
        ("b", "BF16", [4], [UInt8](repeating: 2, count: 8)),
        ("c", "F4", [6], [1, 2, 3]),
    ])

    @Test func truncated() {
        for count in 0..<Self.sound.count {
            expectRejection("", at: -1) { _ = try read(Array(Self.sound.prefix(count))) }
        }
    }

    @Test func damaged() throws {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<3000 {
            do {
                for tensor in try read(Self.sound.damaged(&random)).tensors { #expect(tensor.tensor.byteCount <= 64) }
            } catch let error as RecastError {
                #expect(error.code == .malformedInput, "\(error)")
            }
        }
    }

    /// A pipe would be waited for, a directory has no bytes.
    @Test func noRegularFile() {
        expectRejection(.inputMissing, "is a directory") {
            var files = FileList()
            _ = try SafetensorsFile(path: directory.path, files: &files)
        }
        mkfifo(directory.file("pipe"), 0o600)
        expectRejection(.inputMissing, "is a pipe", file: "pipe") {
            var files = FileList()
            _ = try SafetensorsFile(path: directory.file("pipe"), files: &files)
        }
    }
}

/// `model.safetensors.index.json` and what it names.
struct WeightIndexRejectionTests {
    private let directory = TemporaryDirectory()

    private func read(_ index: String) throws -> WeightIndex {
        var files = FileList()
        return try WeightIndex(path: directory.write(WeightIndex.fileName, Array(index.utf8)), files: &files)
    }

    private func shard(_ name: String, _ tensors: [String]) {
        directory.write(name, SafetensorsBuilder.file(tensors.map { ($0, "U8", [1], [7]) }))
    }

    @Test(arguments: [
        ("", "end of JSON"), ("[]", "weight_map"), ("{}", "weight_map"), (#"{"weight_map":["a"]}"#, "weight_map"),
        (#"{"weight_map":{"t":5}}"#, "\"t\" names no file"),
        (#"{"weight_map":{"t":"one","t":"two"}}"#, "duplicate key"),
        (#"{"weight_map":{"t":""}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":".."}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":"../one"}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":"/etc/passwd"}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":"sub/one"}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":"one\u0000two"}}"#, "not the name of a file"),
        (#"{"weight_map":{"t":"three"}}"#, "names the shard three, which is not there"),
    ])
    func index(_ text: String, _ message: String) {
        shard("one", ["t"])
        expectRejection(message, file: WeightIndex.fileName) { _ = try read(text) }
    }

    @Test func tensorsInTheWrongPlace() throws {
        shard("one", ["a", "b"])
        shard("two", ["c"])
        let good = #"{"weight_map":{"a":"one","b":"one","c":"two"}}"#
        #expect(try read(good).tensors.map(\.name) == ["a", "b", "c"])
        // What an index says and no shard holds, or the other way round, is said; the tensors are those of the shards.
        let ghost = try read(#"{"weight_map":{"a":"one","b":"one","c":"two","d":"two"}}"#)
        #expect(ghost.tensors.count == 3 && ghost.warnings.contains { $0.contains("names what no shard holds: d") })
        for index in [#"{"weight_map":{"a":"one","c":"two"}}"#, #"{"weight_map":{"a":"one","b":"two","c":"two"}}"#] {
            let set = try read(index)
            #expect(set.tensors.count == 3 && set.warnings.contains { $0.contains("does not say where these are: b") })
        }
        shard("two", ["c", "a"])
        expectRejection("a is in another shard, too", file: directory.file("two")) { _ = try read(good) }
    }
}
