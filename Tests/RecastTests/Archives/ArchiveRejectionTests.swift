import TestSupport
import Testing

@testable import Recast

/// Everything an archive can be refused for, and that a damaged one never becomes a destination.
struct ArchiveRejectionTests {
    private let directory = TemporaryDirectory()

    /// The files config.json and x.safetensors; of the second, piece 0 is the header, 1 weights of 300 000 elements in
    /// two frames, 2 noise that is stored as it is.
    private func archive() throws -> ForgedArchive { try ForgedArchive(Self.sample.bytes) }

    private static let sample: (bytes: [UInt8], files: [String: [UInt8]]) = {
        let directory = TemporaryDirectory()
        directory.write("model/config.json", Array(#"{"model_type": "none"}"#.utf8))
        let count = 300_000
        directory.write(
            "model/x.safetensors",
            SafetensorsBuilder.file([
                ("weights", "BF16", [count], Weights.bf16(count)), ("noise", "U8", [5000], Weights.noise(5000)),
            ]))
        _ = try! Archiving(directory.file("model"), to: directory.file("packed")).run()
        return (directory.bytes("packed")!, ArchiveRoundTripTests.content(directory.file("model")))
    }()

    /// Opens and unpacks bytes that claim to be an archive; whatever happens, the destination is whole or not there.
    private func unpack(_ bytes: [UInt8]) throws {
        directory.remove("out")
        let archive = try Archive(path: directory.write("forged", bytes))
        do {
            _ = try Extraction(archive, to: directory.file("out")).conversion.run()
        } catch {
            #expect(directory.names.filter { $0.hasPrefix("out") }.isEmpty)
            throw error
        }
    }

    private func expectRefusal(
        _ said: String, _ code: RecastError.Code = .malformedInput, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout ForgedArchive) throws -> Void
    ) throws {
        var forged = try archive()
        try change(&forged)
        expectRejection(code, said, file: "forged", sourceLocation: sourceLocation) { try unpack(forged.bytes) }
    }

    @Test func unchanged() throws {
        try unpack(archive().bytes)
        #expect(ArchiveRoundTripTests.content(directory.file("out")) == Self.sample.files)
    }

    // MARK: The index

    @Test func header() throws {
        try expectRefusal("is not an archive") { $0.metadata["format"] = "pt" }
        try expectRefusal("version 2; 1 is supported", .unsupported) { $0.metadata["version"] = "2" }
        try expectRefusal("version none", .unsupported) { $0.metadata["version"] = nil }
        try expectRefusal("the index is damaged: its CRC-32 is") {
            $0.sealsIndex = false
            $0.metadata["index_crc32"] = "00000000"
        }
        try expectRefusal("no name, checksums or files") { $0.set(["name"], nil) }
        try expectRefusal("no name, checksums or files") { $0.set(["name"], "../x") }
        try expectRefusal("no name, checksums or files") { $0.set(["checksums"], nil) }
        try expectRefusal("no name, checksums or files") { $0.set(["files"], 3) }
        try expectRefusal("lists no files") { $0.set(["files"], []) }
        try expectRefusal("lacks its main file y") { $0.set(["main"], "y") }
        let ordinary = directory.write("a.safetensors", SafetensorsBuilder.file([("a", "U8", [1], [1])]))
        expectRejection("is not an archive") { _ = try Archive(path: ordinary) }
        #expect(try !Archive.recognizes(ordinary) && !Archive.recognizes(directory.write("short", [1])))
        #expect(try !Archive.recognizes(directory.path) && !Archive.recognizes(directory.file("nowhere")))
    }

    // swift-format-ignore
    @Test(arguments: [
        ("",              "leads out of the destination"),
        (".",             "leads out of the destination"),
        ("..",            "leads out of the destination"),
        ("../evil",       "leads out of the destination"),
        ("/etc/passwd",   "leads out of the destination"),
        ("a/../../evil",  "leads out of the destination"),
        ("a//b",          "leads out of the destination"),
        ("a/",            "leads out of the destination"),
        ("a\nb",          "has control characters"),
        ("a\0b",          "has control characters"),
        (String(repeating: "x", count: 256), "is too long"),
        (String(repeating: "x/", count: 2100) + "x", "is too long"),
        (String(repeating: "x/", count: 32) + "x", "more than 32 folders"),
        ("x.safetensors", "lists x.safetensors twice"),
        ("x.safetensors/y", "both as a file and as a folder"),
    ])
    func names(name: String, problem: String) throws {
        try expectRefusal(problem) { $0.set(["files", 0, "name"], .string(name)) }
        #expect(directory.names.sorted() == ["forged"])
    }

    @Test func files() throws {
        try expectRefusal("no name, bytes or pieces") { $0.set(["files", 0, "name"], nil) }
        try expectRefusal("no name, bytes or pieces") { $0.set(["files", 0, "bytes"], -1) }
        try expectRefusal("no name, bytes or pieces") { $0.set(["files", 0, "bytes"], .int(.max)) }
        try expectRefusal("no name, bytes or pieces") { $0.set(["files", 0, "pieces"], nil) }
        try expectRefusal("its pieces do not add up to its 23 bytes") { $0.set(["files", 0, "bytes"], 23) }
        try expectRefusal("its pieces do not add up") { $0.set(["files", 1, "pieces", 2], nil) }
        try expectRefusal("padding of more than 1048576 bytes") {
            $0.set(["files", 0, "pieces", 0], ["zeros": .int(1 << 20 + 1)])
        }
        try expectRefusal("padding of more than") { $0.set(["files", 0, "pieces", 0], ["zeros": "many"]) }
        try expectRefusal("more than any disk holds") { forged in
            for file in 0..<2 {
                forged.set(["files", file, "bytes"], .int(1 << 60))
                forged.set(
                    ["files", file, "pieces"],
                    [
                        [
                            "entry": "noise", "codec": "raw", "bytes": .int(1 << 60), "frame": .int(1 << 20),
                            "crc32": "00000000",
                        ]
                    ])
            }
        }
    }

    @Test func pieces() throws {
        let piece: [any Sendable] = ["files", 1, "pieces", 1]
        try expectRefusal("a piece has no entry, bytes or crc32") { $0.set(piece + ["entry"], nil) }
        try expectRefusal("a piece has no entry, bytes or crc32") { $0.set(piece + ["bytes"], nil) }
        try expectRefusal("a piece has no entry, bytes or crc32") { $0.set(piece + ["crc32"], "123") }
        try expectRefusal("a piece has no entry, bytes or crc32") { $0.set(piece + ["crc32"], "+1234567") }
        try expectRefusal("weights: unknown codec") { $0.set(piece + ["codec"], "lzma") }
        for frame in [0, 1, 32 << 10, 3 << 18, 8 << 20] {
            try expectRefusal("frames are not a power of two") { $0.set(piece + ["frame"], .int(frame)) }
        }
        try expectRefusal("entry nowhere of the index is missing") { $0.set(piece + ["entry"], "nowhere") }
        try expectRefusal("entry noise of the index is missing, or stands for two pieces") {
            $0.set(piece, $0.index["files"]!.array![1]["pieces"]!.array![2])
            $0.set(["files", 1, "bytes"], .int($0.index["files"]!.array![1]["bytes"]!.int! - 595_000))
        }
        try expectRefusal("noise has 5000 bytes, and stands for 4999") {
            $0.set(["files", 1, "pieces", 2, "bytes"], 4999)
            $0.set(["files", 1, "bytes"], .int($0.index["files"]!.array![1]["bytes"]!.int! - 1))
        }
        try expectRefusal("bytes of checksums for") { $0.set(piece + ["frame"], .int(1 << 20)) }
        try expectRefusal("weights is damaged: the CRC-32 of its frames is") { $0.set(piece + ["crc32"], "00000000") }
    }

    // MARK: Planes

    /// Changes a byte of an entry, counted from its end where negative.
    private func flip(_ forged: inout ForgedArchive, _ entry: String, _ offset: Int, by bits: UInt8 = 1) {
        let range = forged.range(of: entry)
        forged.data[offset < 0 ? range.upperBound + offset : range.lowerBound + offset] ^= bits
    }

    // swift-format-ignore
    @Test(arguments: [
        (0,  1, "does not begin like one"),
        (3,  1, "does not begin like one"),
        (4,  1, "planes of version 0"),
        (5,  1, "planes of another size than the index says"),
        (5,  6, "planes of another size than the index says"),
        (6,  1, "planes and frames that cannot be"),
        (6,  4, "planes and frames that cannot be"),
        (6,  2, "planes that run past the end of their entry"),
        (6,  3, "weights is damaged from its byte 0 on"),
        (8,  1, "planes of another size than the index says"),
        (15, 128, "planes of another size than the index says"),
        (16, 1, "planes of another size than the index says"),
        (20, 1, "planes and frames that cannot be"),
        (24, 1, "planes that run past the end of their entry"),
        (24, 128, "planes that begin elsewhere"),
        (31, 128, "planes that begin elsewhere"),
        (32, 1, "planes that run past the end of their entry"),
        (40, 1, "the seek table of an entry is not one"),
        (42, 2, "frames that run past the end of their entry"),
        (47, 128, "planes that run past the end of their entry"),
    ])
    func planeHeader(offset: Int, bits: UInt8, problem: String) throws {
        try expectRefusal(problem) { flip(&$0, "weights", offset, by: bits) }
    }

    @Test func shortPlanes() throws {
        try expectRefusal("an entry of planes is too short") { forged in
            forged.set(["files", 1, "pieces", 2, "codec"], "planes")
            // Ten bytes are left of the noise, and what follows moves up.
            let range = forged.range(of: "noise")
            forged.data.removeSubrange(range.lowerBound + 10..<range.upperBound)
            for entry in forged.tensors.members {
                guard let offsets = entry.value["data_offsets"]?.array?.compactMap(\.int) else { continue }
                let moved = offsets.map { $0 >= range.upperBound ? $0 - range.count + 10 : $0 }
                var changed = entry.value.object!
                changed["data_offsets"] = .array(moved.map(JSON.int))
                if entry.key == "noise" { changed["shape"] = [10] }
                forged.tensors[entry.key] = .object(changed)
            }
        }
    }

    /// Where the seek table begins, by the header of the entry.
    private func seekTable(_ forged: ForgedArchive) -> Int {
        let range = forged.range(of: "weights")
        return forged.data[range].withUnsafeBytes { bytes in
            Int(bytes.integer(at: 32, as: UInt64.self) + bytes.integer(at: 40, as: UInt64.self))
        }
    }

    // swift-format-ignore
    @Test(arguments: [
        (0,  1,  "the seek table of an entry is not one"),
        (8,  1,  "do not end where it begins"),
        (11, 64, "gives frame 0 another size"),
        (12, 1,  "gives frame 0 another size"),
        (20, 1,  "gives frame 1 another size"),
        (24, 1,  "the seek table of an entry is not one"),
        (32, 1,  "the seek table of an entry is not one"),
    ])
    func seekTable(offset: Int, bits: UInt8, problem: String) throws {
        try expectRefusal(problem) { flip(&$0, "weights", seekTable($0) + offset, by: bits) }
    }

    @Test func content() throws {
        // In the plane that is stored open, in a zstd frame's header and in its codes, and in what is stored whole.
        try expectRefusal("weights is damaged from its byte 0 on: their CRC-32 is") { flip(&$0, "weights", 200) }
        try expectRefusal("weights is damaged from its byte 524288 on: their CRC-32 is") {
            flip(&$0, "weights", 280_000)
        }
        try expectRefusal("weights is damaged from its byte 0 on: zstd says") { forged in
            let range = forged.range(of: "weights")
            let start = Int(forged.data[range].withUnsafeBytes { $0.integer(at: 32, as: UInt64.self) })
            flip(&forged, "weights", start)
        }
        try expectRefusal("weights is damaged from its byte 524288 on") { flip(&$0, "weights", seekTable($0) - 500) }
        try expectRefusal("noise is damaged from its byte 0 on: their CRC-32 is") { flip(&$0, "noise", 4999) }
        try expectRefusal("is damaged: the CRC-32 of its frames is") { flip(&$0, "checksums", 0) }
    }

    // MARK: Damage of any kind

    private func expectRefusedOrWhole(
        _ bytes: [UInt8], _ original: [String: [UInt8]], _ what: @autoclosure () -> String
    ) {
        do {
            try unpack(bytes)
            #expect(ArchiveRoundTripTests.content(directory.file("out")) == original, "\(what())")
        } catch let error as RecastError {
            #expect([.malformedInput, .unsupported, .inputOutput].contains(error.code), "\(what()): \(error)")
        } catch {
            Issue.record(error)
        }
        #expect(!directory.names.contains { $0.hasSuffix(".partial") })
    }

    /// Any bit may be wrong: either nothing was lost by it, or nothing is there.
    @Test func flippedBits() throws {
        let bytes = try archive().bytes
        let original = Self.sample.files
        var random = SeededGenerator(seed: 5)
        let header = 8 + Int(bytes.withUnsafeBytes { $0.integer(at: 0, as: UInt64.self) })
        let places =
            Array(0..<8) + stride(from: 8, to: header + 80, by: 11)
            + (0..<150).map { _ in Int.random(in: header..<bytes.count, using: &random) }
        for place in places {
            var damaged = bytes
            damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            expectRefusedOrWhole(damaged, original, "byte \(place)")
        }
    }

    @Test func randomDamage() throws {
        let bytes = try archive().bytes
        let original = Self.sample.files
        var random = SeededGenerator(seed: 6)
        for round in 0..<150 { expectRefusedOrWhole(bytes.damaged(&random), original, "round \(round)") }
        for count in [0, 7, 8, 40, 100, bytes.count / 2, bytes.count - 1] {
            expectRefusedOrWhole(Array(bytes.prefix(count)), original, "\(count) bytes")
        }
    }

    /// Reading a window checks it, too.
    @Test func damageIsSeenByEveryReader() throws {
        var forged = try archive()
        flip(&forged, "weights", 200)
        let archive = try Archive(path: directory.write("forged", forged.bytes))
        let source = try archive.source(of: "x.safetensors")
        expectRejection("weights is damaged from its byte 0 on", file: "forged/x.safetensors") {
            _ = try source.bytes(2000..<2010)
        }
        #expect(try source.bytes(source.byteCount - 5000..<source.byteCount) == Weights.noise(5000))
    }
}
