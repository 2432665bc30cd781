import TestSupport
import Testing

@testable import Recast

/// Files of a megabyte that would take minutes or gigabytes if what they say were done as it is said. What is measured here takes
/// milliseconds, so that the limit of time is none for a machine that is busy.
struct BoundedReadingTests {
    private let directory = TemporaryDirectory()

    private func expectSoon(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) rethrows {
        let time = try ContinuousClock().measure(body)
        #expect(time < .seconds(10), sourceLocation: sourceLocation)
    }

    private func read(_ pickle: [UInt8]) throws -> Pickle {
        try ([0x80, 4] + pickle + [0x2E]).withBytes { (bytes) throws(RecastError) in
            try PickleMachine.read(bytes, file: "data.pkl", base: 0)
        }
    }

    private func repeated(_ text: String, _ count: Int) -> [UInt8] {
        let bytes = Array(text.utf8)
        return (0..<count).flatMap { _ in bytes }
    }

    private func text(_ text: String) -> [UInt8] {
        var builder = PickleBuilder()
        builder.value(text)
        return Array(builder.bytes.dropFirst(2))
    }

    private func tensor(_ shape: [Int], _ strides: [Int], count: Int = 2) -> [UInt8] {
        var builder = PickleBuilder()
        builder.tensor("FloatStorage", key: "0", count: count, shape: shape, strides: strides)
        return Array(builder.bytes.dropFirst(2))
    }

    /// The state dictionary of a file with one storage of so many numbers.
    private func state(_ pickle: [UInt8], count: Int = 2) throws -> [NamedTensor] {
        let zip = ZipBuilder([
            ("a/data.pkl", [0x80, 2] + pickle + [0x2E]), ("a/data/0", [UInt8](repeating: 0, count: 4 * count)),
        ])
        var files = FileList()
        let source = try FileSource(path: directory.write("x.bin", zip.bytes))
        return try TorchArchive(source, as: files.add(source)).stateDictionary().tensors
    }

    private func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
        Array("}(".utf8) + items.flatMap { text($0.0) + $0.1 } + Array("u".utf8)
    }

    // MARK: Pickles

    /// Each of 200 000 references to a list would walk through its 400 000 elements.
    @Test func oneListInManyPlaces() throws {
        try expectSoon {
            let inner = Array("(".utf8) + repeated("N", 400_000) + Array("lq\0".utf8)
            let pickle = try read(Array("(".utf8) + inner + repeated("h\0", 200_000) + Array("l".utf8))
            #expect(pickle.elements(pickle.root)?.count == 200_001 && pickle.nodes.count == 2)
        }
    }

    @Test func growingSets() throws {
        try expectSoon {
            let pickle = try read([0x8F] + (0..<250_000).flatMap { _ in [0x28, 0x4B, 7, 0x90] as [UInt8] })
            #expect(pickle.elements(pickle.root)?.count == 250_000)
        }
    }

    /// A dictionary of 100 000 attributes in each of 10 000 objects.
    @Test func oneDictionaryOfManyObjects() throws {
        try expectSoon {
            let attributes = dictionary((0..<100_000).map { ("\($0)", Array("K\u{7}".utf8)) }) + Array("q\0".utf8)
            let object = Array("cm\nC\n)".utf8) + [0x81]
            let pickle = try read(
                Array("(".utf8) + attributes + (0..<10_000).flatMap { _ in object + Array("h\0b".utf8) }
                    + Array("l".utf8))
            let objects = try #require(pickle.elements(pickle.root)).dropFirst()
            for object in objects { #expect(pickle.int(pickle.attribute(object, "99999")) == 7) }
            #expect(objects.count == 10_000 && pickle.attribute(objects.last, "x") == nil)
        }
    }

    /// The last of two items with a key counts, in small and in large dictionaries.
    @Test(arguments: [2, 16, 17, 300]) func lookingUp(_ count: Int) throws {
        let items = (0..<count).map { ("\($0)", [0x4B, UInt8($0 % 256)] as [UInt8]) } + [("0", [0x4B, 99])]
        let pickle = try read(dictionary(items))
        #expect(pickle.int(pickle.value(pickle.root, "0")) == 99)
        #expect(pickle.int(pickle.value(pickle.root, "\(count - 1)")) == (count - 1) % 256)
        #expect(pickle.value(pickle.root, "\(count)") == nil)
    }

    @Test func longNamesOfClasses() {
        let name = String(repeating: "x", count: 1025)
        expectRejection("a class whose name has 1026 bytes") { _ = try read(Array("c\(name)\ny\n".utf8)) }
        expectRejection("a class whose name has 1026 bytes") {
            _ = try read(text("y") + text(name) + [0x93])
        }
        #expect(throws: Never.self) { _ = try read(Array("c\(name.dropLast())\ny\n".utf8)) }
    }

    /// The memo counts its entries, wherever they are.
    @Test func memo() throws {
        // 5 under 0, 6 under 7, MEMOIZE of 8 goes under 2; then 9 under 1, and all again.
        let pickle = try read(
            [0x28, 0x4B, 5, 0x71, 0, 0x4B, 6, 0x71, 7, 0x4B, 8, 0x94, 0x4B, 9, 0x71, 1]
                + [0x68, 0, 0x68, 7, 0x68, 2, 0x68, 1, 0x74])
        #expect(pickle.tuple(pickle.root) == [5, 6, 8, 9, 5, 6, 8, 9].map { .int($0) })
        expectRejection("entry 3 of the memo was never made") { _ = try read([0x4E, 0x94, 0x94, 0x68, 3]) }
    }

    // MARK: Tensors of torch

    /// `torch.zeros(2, 1).expand(2, 2**27)`, and other layouts of more pieces than a file of that size accounts for.
    @Test(arguments: [
        ([2, 1 << 27], [1, 0]), ([1 << 27], [0]), ([1 << 17, 2], [0, 0]), ([2, 1 << 16, 2], [0, 0, 0]),
        ([1 << 17, 1, 2], [0, 1, 0]),
    ]) func expanded(_ shape: [Int], _ strides: [Int]) throws {
        expectSoon {
            expectRejection(.unsupported, "is scattered over its storage", file: "x.bin") {
                _ = try state(dictionary([("a", tensor(shape, strides))]))
            }
        }
    }

    /// Pieces are counted over all tensors of a file.
    @Test func expandedOftenEnough() throws {
        let one = tensor([20_000], [0])
        #expect(try state(dictionary((0..<3).map { ("\($0)", one) })).count == 3)
        expectRejection(.unsupported, ["scattered", "3: \(directory.file("x.bin"))"]) {
            _ = try state(dictionary((0..<4).map { ("\($0)", one) }))
        }
        // A larger file may have more: every 64 bytes account for a piece.
        #expect(try state(dictionary((0..<4).map { ("\($0)", one) }), count: 20_000 * 16).count == 4)
    }

    /// What tensors are together is bounded by what is there; tied weights are no problem.
    @Test func oneStorageOfManyTensors() throws {
        let count = 1 << 20
        let one = tensor([count], [1], count: count)
        func items(_ count: Int) -> [(String, [UInt8])] { (0..<count).map { ("\($0)", one) } }
        #expect(try state(dictionary(items(2)), count: count).count == 2)
        #expect(try state(dictionary(items(16)), count: count).count == 16)
        expectRejection(.unsupported, "share their bytes so often", file: "x.bin") {
            _ = try state(dictionary(items(40)), count: count)
        }
    }

    @Test func manyDimensions() throws {
        let (sizes, steps) = ([Int](repeating: 1, count: 65), [Int](repeating: 1, count: 65))
        expectRejection("whose description is not that of a tensor", file: "x.bin") {
            _ = try state(dictionary([("a", tensor(sizes, steps))]))
        }
        #expect(try state(dictionary([("a", tensor(sizes.dropLast(), steps.dropLast()))]))[0].tensor.shape.count == 64)
    }

    // MARK: Megatron

    /// The files of one rank whose `model` is this.
    private func rank(
        _ model: [UInt8], _ arguments: [(String, Int)] = [], name: String = "mp_rank_00"
    ) throws {
        let folder = TemporaryDirectory()
        let state =
            Array("cargparse\nNamespace\n)".utf8) + [0x81]
            + dictionary(
                arguments.map { name, value in
                    var builder = PickleBuilder()
                    builder.value(value)
                    return (name, Array(builder.bytes.dropFirst(2)))
                }) + Array("b".utf8)
        let zip = ZipBuilder([("a/data.pkl", [0x80, 2] + dictionary([("args", state), ("model", model)]) + [0x2E])])
        folder.write("iter_0000001/\(name)/model_optim_rng.pt", zip.bytes)
        folder.write("latest_checkpointed_iteration.txt", Array("1".utf8))
        _ = try Checkpoint(path: folder.path)
    }

    @Test func moreRanksThanThereAre() throws {
        let experts = [
            ("num_experts", 65536), ("expert_model_parallel_size", 65536), ("expert_tensor_parallel_size", 65536),
        ]
        let ranks = [("tensor_model_parallel_size", 65536), ("pipeline_model_parallel_size", 65536)]
        expectSoon {
            expectRejection(.inputMissing, ["some ranks are missing", "expert rank 0, part 1"]) {
                try rank(Array("}".utf8), experts, name: "mp_rank_00_000")
            }
            expectRejection(.inputMissing, ["some ranks are missing", "tensor rank 1 of stage 0"]) {
                try rank(Array("}".utf8), ranks, name: "mp_rank_00_000")
            }
        }
    }

    /// A dictionary of many entries in many dictionaries, 30 times more of them than bytes.
    @Test func oneDictionaryInManyOthers() {
        let inner = dictionary((0..<2000).map { ("\($0)", Array("N".utf8)) }) + Array("q\0".utf8)
        let others = (0..<1000).map { ("x\($0)", Array("h\0".utf8)) }
        expectSoon {
            expectRejection("holds too many entries") { try rank(dictionary([("a", inner)] + others)) }
        }
    }

    /// A long name before many short ones.
    @Test func longNames() {
        let inner = dictionary((0..<20_000).map { ("\($0)", Array("N".utf8)) })
        expectRejection("names that are longer than the file") {
            try rank(dictionary([(String(repeating: "x", count: 100_000), inner)]))
        }
    }

    @Test func modulesInModules() {
        expectSoon {
            let name = String(repeating: "module.", count: 300_000)
            #expect(MegatronNames.canonical(name + "decoder.layers.3.mlp.linear_fc2.weight").layer == 3)
        }
    }

    // MARK: Other containers

    /// A tensor without numbers may have any number of rows without columns.
    @Test func emptyTensors() throws {
        for shape in [[1 << 60, 1, 0], [1 << 60, 0], [0], [1 << 30, 1 << 30, 0, 4]] {
            #expect(LazyTensor.zeros(.f32, shape).windows(of: 1000).isEmpty)
        }
        #expect(LazyTensor.zeros(.f32, [3, 2, 5]).windows(of: 5).count == 6)
    }

    /// The same key in all files of a set.
    @Test func metadataOfManyFiles() throws {
        let members = (0..<20_000).map { "\"\($0)\":\"\"" }.joined(separator: ",")
        var map = JSON.Object()
        for file in 0..<20 {
            let header = #"{"__metadata__":{\#(members)},"\#(file)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#
            directory.write("m/\(file).safetensors", SafetensorsBuilder.file(Array(header.utf8), data: []))
            map["\(file)"] = .string("\(file).safetensors")
        }
        let path = directory.write(
            "m/model.safetensors.index.json", (["weight_map": .object(map)] as JSON).serialized())
        try expectSoon {
            var files = FileList()
            let index = try WeightIndex(path: path, files: &files)
            #expect(index.metadata.count == 20_000)
        }
    }

    /// As many folders as files.
    @Test func foldersOfAnArchive() throws {
        let path = directory.file("packed")
        _ = try Archiving(Fixtures.tinyModel, to: path).run()
        var forged = try ForgedArchive(try FileSource.contents(of: path))
        let files = forged.index["files"]!.array!
        forged.index = changed(
            forged.index, "files",
            .array(
                files + (0..<30_000).map { ["name": .string("folder/\($0)/a"), "bytes": 0, "pieces": []] }
                    + (0..<30_000).map { ["name": .string("\($0)/a"), "bytes": 0, "pieces": []] }))
        let archive = try Archive(path: directory.write("forged", forged.bytes))
        #expect(archive.hasFolder("folder") && archive.hasFolder("folder/7") && archive.hasFolder("29999"))
        #expect(!archive.hasFolder("folder/30000") && !archive.hasFolder("config.json") && !archive.hasFolder("fold"))
        try expectSoon {
            var files = FileList()
            let found = try HuggingFaceFiles(opening: CheckpointCandidate(Folder(archive)), files: &files)
            #expect(found.ignored.contains("folder/"))
        }
    }

    private func changed(_ json: JSON, _ key: String, _ value: JSON) -> JSON {
        var object = json.object!
        object[key] = value
        return .object(object)
    }
}
