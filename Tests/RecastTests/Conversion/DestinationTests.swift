import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// A destination is complete and correct, or it is as it was.
struct DestinationTests {
    let directory = TemporaryDirectory()

    func conversion(
        of source: String, to name: String, target: ConversionOptions.Target = .huggingFace(family: nil),
        encoding: String? = nil, dtype: DType? = nil, shardSize: Int? = nil
    ) throws -> Conversion {
        var options = ConversionOptions(target: target)
        options.encoding = try encoding.map(GGUFFileType.named)
        options.dtype = dtype
        options.maximumShardSize = shardSize
        let path = directory.file(name)
        return Conversion(try Planning(Checkpoint(path: source), options).plan(destination: path), to: path)
    }

    func source(_ change: (inout SmallModel) -> Void = { _ in }, shards: Int = 1) -> String {
        var model = SmallModel()
        model.files = [("LICENSE", Array("free".utf8)), ("empty.txt", [])]
        change(&model)
        return model.write(to: directory, shards: shards)
    }

    /// Everything below the directory but the source, by path.
    func content(of name: String = "") -> [String: [UInt8]] {
        let root = directory.file(name)
        var found: [String: [UInt8]] = [:]
        for case let path as String in FileManager.default.enumerator(atPath: root) ?? .init() {
            if name.isEmpty, path.hasPrefix("model") { continue }
            found[path] = FileManager.default.contents(atPath: root + "/" + path).map { [UInt8]($0) } ?? []
        }
        return found
    }

    /// Runs `body` in place of the question whether the run is interrupted, before the n-th job.
    func before(job number: Int, _ body: @escaping @Sendable () -> Bool) -> @Sendable () -> Bool {
        let count = Counter()
        return { count.next() == number ? body() : false }
    }

    final class Counter: Sendable {
        private let value = Mutex(0)
        func next() -> Int {
            value.withLock {
                $0 += 1
                return $0
            }
        }
    }

    /// What makes a directory one of a checkpoint.
    static let oldConfiguration = Array(#"{"model_type": "llama"}"#.utf8)

    enum Form: CaseIterable { case directory, file, fileSet, megatronRanks, megatronDistributed }

    private static var ranks: MegatronTarget {
        var target = MegatronTarget(.ranks)
        target.sizes.tensor = 2
        target.sizes.expertTensor = 2
        target.sizes.pipeline = 2
        return target
    }

    func conversion(_ form: Form, of source: String, to name: String) throws -> Conversion {
        switch form {
        case .directory: try conversion(of: source, to: name)
        case .file: try conversion(of: source, to: name, target: .gguf, encoding: "q8_0")
        case .fileSet: try conversion(of: source, to: name, target: .gguf, shardSize: 20_000)
        case .megatronRanks: try conversion(of: source, to: name, target: .megatron(Self.ranks))
        case .megatronDistributed: try conversion(of: source, to: name, target: .megatron(MegatronTarget(.distributed)))
        }
    }

    // MARK: What is there already

    @Test func existingDirectory() throws {
        var conversion = try conversion(of: source(), to: "out")
        directory.write("out/config.json", Self.oldConfiguration)
        let before = content()
        expectRejection(.destinationExists, "exists already; --force replaces it", file: "out") {
            try conversion.check()
        }
        expectRejection(.destinationExists, "exists already; --force replaces it", file: "out") {
            _ = try conversion.run()
        }
        #expect(content() == before)
        conversion.replaces = true
        _ = try conversion.run()
        #expect(
            content().keys.sorted() == ["out"]
                + ["LICENSE", "config.json", "empty.txt", "model.safetensors"].map { "out/" + $0 })
    }

    /// Replacing a directory removes all that is in it.
    @Test func directoryWithoutCheckpoint() throws {
        var conversion = try conversion(of: source(), to: "docs")
        conversion.replaces = true
        directory.write("docs/thesis.txt", [1])
        expectRejection(.destinationExists, "belongs to no checkpoint: thesis.txt", file: "docs") {
            _ = try conversion.run()
        }
        #expect(content() == ["docs": [], "docs/thesis.txt": [1]])
    }

    /// A checkpoint with something else in it, each kind of else.
    @Test(arguments: [
        ["thesis.txt"], [".git/index"], ["figures/1.png"], ["mp_rank_00/notes.txt"], ["a/config.json"],
        ["iter_0000001/mp_rank_00/model_optim_rng.pt", "iter_0000001/diary"],
    ])
    func directoryWithMore(_ more: [String]) throws {
        var conversion = try conversion(of: source(), to: "out")
        _ = try conversion.run()
        for name in more { directory.write("out/" + name, [1]) }
        let before = content()
        conversion.replaces = true
        expectRejection(.destinationExists, ["is not replaced", "belongs to no checkpoint"], file: "out") {
            _ = try conversion.run()
        }
        #expect(content() == before)
    }

    /// Programs of every kind have a `config.json`.
    @Test func configurationOfSomethingElse() throws {
        var conversion = try conversion(of: source(), to: "app")
        conversion.replaces = true
        directory.write("app/config.json", Array(#"{"name": "my web app"}"#.utf8))
        expectRejection(.destinationExists, "holds no checkpoint", file: "app") { _ = try conversion.run() }
        #expect(content().count == 2)
    }

    /// All that this program writes, and what people download with it, can be replaced again.
    @Test(arguments: Form.allCases)
    func whatWasWrittenIsReplaced(_ form: Form) throws {
        var conversion = try conversion(form, of: source(), to: "out")
        _ = try conversion.run()
        let expected = content()
        if form == .directory {
            for name in [
                "README.md", "tokenizer.model", ".gitattributes", "LICENSE.txt", "old-00001-of-00002.safetensors",
                "modeling_baichuan.py",
            ] {
                directory.write("out/" + name, [1])
            }
        }
        conversion.replaces = true
        #expect(try conversion.run().warnings.isEmpty)
        #expect(content() == expected)
    }

    @Test(arguments: ["", ".", "..", "/", "x/..", "./"])
    func destinationWithoutName(_ name: String) throws {
        let plan = try conversion(of: source(), to: "out").plan
        var conversion = Conversion(plan, to: name)
        conversion.replaces = true
        expectRejection(.usage, "name") { _ = try conversion.run() }
        expectRejection(.usage, "name") { try conversion.check() }
    }

    // MARK: What lies where it would be staged

    /// Nothing that no run has staged is touched.
    @Test func stagingFolderOfTheUser() throws {
        var conversion = try conversion(of: source(), to: "out")
        directory.write("out.recast-partial/thesis.txt", [1])
        let before = content()
        expectRejection(.destinationExists, "was not staged by recast; move it away", file: "out.recast-partial") {
            _ = try conversion.run()
        }
        conversion.replaces = true
        expectRejection(.destinationExists, ["belongs to no checkpoint: thesis.txt"], file: "out.recast-partial") {
            _ = try conversion.run()
        }
        #expect(content() == before)
    }

    @Test func stagingFileOfTheUser() throws {
        var conversion = try conversion(of: source(), to: "a.gguf", target: .gguf)
        directory.write("a.gguf.recast-partial", [1])
        expectRejection(.destinationExists, "was not staged by recast") { _ = try conversion.run() }
        #expect(content() == ["a.gguf.recast-partial": [1]])
        conversion.replaces = true
        _ = try conversion.run()
        #expect(directory.names == ["a.gguf", "model"])
    }

    /// A link in the place of the staging folder is not followed, with or without `--force`.
    @Test(arguments: [false, true], Form.allCases)
    func plantedLink(replaces: Bool, _ form: Form) throws {
        var conversion = try conversion(form, of: source(), to: "out")
        directory.write("home/thesis.txt", [1])
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("out.recast-partial"), withDestinationPath: "home")
        conversion.replaces = replaces
        if replaces {
            _ = try conversion.run()
        } else {
            expectRejection(.destinationExists, "was not staged by recast") { _ = try conversion.run() }
        }
        #expect(directory.bytes("home/thesis.txt") == [1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("home")) == ["thesis.txt"])
    }

    /// Links inside an abandoned staging folder, and inside what is replaced, are removed, and nothing behind them.
    @Test func linksInside() throws {
        var conversion = try conversion(of: source(), to: "out")
        _ = try conversion.run()
        directory.write("home/thesis.txt", [1])
        let manager = FileManager.default
        for name in ["out/model-00001-of-00001.safetensors", "out/additional_chat_templates"] {
            try manager.createSymbolicLink(atPath: directory.file(name), withDestinationPath: directory.file("home"))
        }
        directory.write("out.recast-partial/recast.lock", [])
        try manager.createSymbolicLink(
            atPath: directory.file("out.recast-partial/new"), withDestinationPath: directory.file("home"))
        directory.remove("out/additional_chat_templates")
        conversion.replaces = true
        _ = try conversion.run()
        #expect(content()["home/thesis.txt"] == [1])
        #expect(directory.names == ["home", "model", "out"])
    }

    @Test func twoConversionsAtOnce() throws {
        let first = try conversion(of: source(), to: "a.gguf", target: .gguf)
        let second = first
        let folder = try StagingFolder(for: directory.file("a.gguf"), replaces: false)
        expectRejection(.inputOutput, "another run of recast is writing", file: "a.gguf") { _ = try second.run() }
        withExtendedLifetime(folder) {}
        _ = consume folder
        _ = try first.run()
        #expect(directory.names == ["a.gguf", "model"])
    }

    /// File systems that know neither locks nor the flags of renames do, and it is said what that means.
    @Test(arguments: Form.allCases, [ENOSYS, EINVAL, EOPNOTSUPP])
    func poorFileSystem(_ form: Form, number: Int32) throws {
        var conversion = try conversion(form, of: source(), to: "out")
        _ = try conversion.run()
        let expected = content()
        conversion.replaces = true
        let locks = Faults(below: directory.path, of: [.lock], at: 1, .error(number), repeats: true)
        let renames = Faults(below: directory.path, of: [.renameWithFlags], at: 1, .error(number), repeats: true)
        let report = try locks.during { try renames.during { try conversion.run() } }
        #expect(content() == expected)
        let isDirectory = form != .file && form != .fileSet
        #expect(report.notes.count == (isDirectory ? 2 : 1))
        #expect(report.notes.contains { $0.contains("has no locks") })
        #expect(report.notes.contains { $0.contains("cannot exchange two directories") } == isDirectory)
        // Of another process that uses the folder nothing is known but what its mark says.
        directory.remove("out")
        for name in directory.names where name.hasPrefix("out") { directory.remove(name) }
        directory.write("out.recast-partial/recast.lock", Array("recast staging folder\n1 elsewhere\n".utf8))
        expectRejection(
            .inputOutput, ["process 1 on elsewhere may be writing", "remove the folder"], file: "out.recast-partial"
        ) { _ = try locks.during { try conversion.run() } }
        // A mark that is not whole is that of a run that was killed.
        directory.write("out.recast-partial/recast.lock", Array("recast staging folder\n1 else".utf8))
        _ = try locks.during { try conversion.run() }
        #expect(content() == expected)
    }

    /// No copy is open to more people than its source.
    @Test(arguments: Form.allCases)
    func permissions(_ form: Form) throws {
        let source = source()
        let manager = FileManager.default
        try manager.setAttributes([.posixPermissions: 0o600], ofItemAtPath: source + "/model.safetensors")
        _ = try conversion(form, of: source, to: "out").run()
        var count = 0
        for case let path as String in manager.enumerator(atPath: directory.path) ?? .init()
        where !path.hasPrefix("model") {
            let mode = try #require(manager.attributesOfItem(atPath: directory.file(path))[.posixPermissions] as? Int)
            #expect(mode & 0o077 == 0, "\(path) has \(String(mode, radix: 8))")
            count += 1
        }
        #expect(count > 0)
    }

    @Test func existingFile() throws {
        var conversion = try conversion(of: source(), to: "a.gguf", target: .gguf)
        directory.write("a.gguf", [1, 2, 3])
        expectRejection(.destinationExists, "exists already", file: "a.gguf") { _ = try conversion.run() }
        #expect(content() == ["a.gguf": [1, 2, 3]])
        conversion.replaces = true
        _ = try conversion.run()
        #expect(try Checkpoint(path: directory.file("a.gguf")).tensors.count == 27)
        #expect(directory.names == ["a.gguf", "model"])
    }

    @Test func anotherKind() throws {
        var toFile = try conversion(of: source(), to: "out", target: .gguf)
        toFile.replaces = true
        directory.write("out/precious", [1])
        expectRejection(.destinationExists, "is a directory, and a file", file: "out") { _ = try toFile.run() }
        var toDirectory = try conversion(of: source(), to: "file")
        toDirectory.replaces = true
        directory.write("file", [1])
        expectRejection(.destinationExists, "is a file, and a directory", file: "file") { _ = try toDirectory.run() }
        #expect(content() == ["out": [], "out/precious": [1], "file": [1]])
    }

    @Test func danglingLink() throws {
        let conversion = try conversion(of: source(), to: "a.gguf", target: .gguf)
        try FileManager.default.createSymbolicLink(atPath: directory.file("a.gguf"), withDestinationPath: "nowhere")
        expectRejection(.destinationExists, "exists already") { _ = try conversion.run() }
        #expect(directory.names == ["a.gguf", "model"])
    }

    @Test func noParent() throws {
        let conversion = try conversion(of: source(), to: "no/such/out")
        expectRejection(.inputOutput, "there is no directory", file: "no/such/out") { _ = try conversion.run() }
        directory.write("file", [1])
        let inside = try self.conversion(of: source(), to: "file/out")
        expectRejection(.inputOutput, "there is no directory", file: "file/out") { _ = try inside.run() }
    }

    // MARK: The source itself

    @Test(arguments: ["model", "model/", "./model", "link", "other/../model"])
    func sourceDirectory(_ name: String) throws {
        let source = source()
        try FileManager.default.createSymbolicLink(atPath: directory.file("link"), withDestinationPath: "model")
        directory.write("other/x", [1])
        var conversion = try conversion(of: source, to: name)
        conversion.replaces = true
        let before = content(of: "model")
        expectRejection(.destinationExists, "holds the source", file: "model.safetensors") { _ = try conversion.run() }
        #expect(content(of: "model") == before)
    }

    @Test func sourceBelowTheDestination() throws {
        let directory = directory
        let source = SmallModel().write(to: directory, "out/deep/model")
        var conversion = try conversion(of: source, to: "out")
        conversion.replaces = true
        expectRejection(.destinationExists, "holds the source") { _ = try conversion.run() }
        #expect(directory.bytes("out/deep/model/config.json") != nil)
    }

    @Test func sourceFile() throws {
        let first = try conversion(of: source(), to: "a.gguf", target: .gguf)
        _ = try first.run()
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: directory.file("soft.gguf"), withDestinationPath: "a.gguf")
        try manager.linkItem(atPath: directory.file("a.gguf"), toPath: directory.file("hard.gguf"))
        let before = content()
        for name in ["a.gguf", "soft.gguf", "hard.gguf"] {
            var conversion = try conversion(of: directory.file("a.gguf"), to: name, target: .gguf, encoding: "q8_0")
            conversion.replaces = true
            expectRejection(.destinationExists, "is the source itself", file: name) { _ = try conversion.run() }
        }
        #expect(content() == before)
    }

    /// A source by the very name under which the destination would be staged.
    @Test func sourceInThePlaceOfTheStagedFiles() throws {
        let source = SmallModel().write(to: directory, "out.recast-partial")
        for resumes in [false, true] {
            var conversion = try conversion(of: source, to: "out")
            conversion.resumes = resumes
            conversion.replaces = true
            expectRejection(.destinationExists, "would be staged in the place of the source") {
                _ = try conversion.run()
            }
        }
        #expect(directory.bytes("out.recast-partial/config.json") != nil)
    }

    // MARK: Errors half way

    @Test(arguments: [1, 2], [false, true])
    func truncatedSource(workers: Int, replaces: Bool) throws {
        let source = source()
        var conversion = try conversion(of: source, to: "out", dtype: .bf16)
        conversion.workers = workers
        conversion.replaces = replaces
        if replaces { directory.write("out/config.json", Self.oldConfiguration) }
        let before = content()
        conversion.isInterrupted = self.before(job: 3) {
            truncate(source + "/model.safetensors", 5000) == 0 && false
        }
        // A worker that opens the file after that sees it is another one.
        let error = #expect(throws: RecastError.self) { _ = try conversion.run() }
        let text = error?.description ?? ""
        #expect(error?.code == .inputOutput && text.contains("converting ") && text.contains("model.safetensors"))
        #expect(text.contains("the file ends at byte 5000") || text.contains("has changed since it was examined"))
        #expect(content() == before)
    }

    @Test func changedSource() throws {
        let source = source()
        let conversion = try conversion(of: source, to: "a.gguf", target: .gguf)
        truncate(source + "/model.safetensors", 5000)
        expectRejection(.inputOutput, "has changed since it was examined", file: "model.safetensors") {
            _ = try conversion.run()
        }
        #expect(content().isEmpty)
    }

    @Test func vanishedShard() throws {
        let source = source(shards: 3)
        var conversion = try conversion(of: source, to: "out")
        let shard = source + "/" + SmallModel.shardName(2, of: 3)
        conversion.isInterrupted = before(job: 2) { unlink(shard) == 0 && false }
        expectRejection(.inputMissing, ["converting ", "cannot open"], file: shard) { _ = try conversion.run() }
        #expect(content().isEmpty)
    }

    // MARK: Numbers that cannot be stored

    @Test func overflow() throws {
        let source = source {
            $0.set("model.layers.1.mlp.up_proj.weight", at: 5, to: 70_000)
            $0.set("model.layers.1.mlp.up_proj.weight", at: 6, to: -1e30)
            $0.set("lm_head.weight", at: 0, to: .infinity)
        }
        var conversion = try conversion(of: source, to: "out", dtype: .f16)
        expectRejection(
            .unsupported, ["model.layers.1.mlp.up_proj.weight: 2 values are too large for F16", "--allow-overflow"]
        ) {
            _ = try conversion.run()
        }
        #expect(content().isEmpty)
        conversion.allowsOverflow = true
        #expect(try conversion.run().tally.overflowCount == 2)
    }

    @Test func notANumber() throws {
        let source = source {
            $0.set("model.layers.0.mlp.down_proj.weight", at: 9, to: .nan)
            $0.set("model.layers.0.mlp.down_proj.weight", at: 99, to: -.infinity)
        }
        let conversion = try conversion(of: source, to: "a.gguf", target: .gguf, encoding: "q8_0")
        expectRejection(.unsupported, ["blk.0.ffn_down.weight: 2 NaN or infinite values, which Q8_0 cannot hold"]) {
            _ = try conversion.run()
        }
        #expect(content().isEmpty)
    }

    // MARK: Space

    @Test func notEnoughSpace() throws {
        var conversion = try conversion(of: source(), to: "out")
        let needed = conversion.plan.byteCount
        conversion.freeBytes = { _ in needed - 1 }
        expectRejection(
            .inputOutput, "not enough space: \(needed) bytes are needed, \(needed - 1) are free", file: "out"
        ) {
            _ = try conversion.run()
        }
        #expect(content().isEmpty)
        conversion.freeBytes = { _ in needed }
        _ = try conversion.run()
    }

    // MARK: Companions

    @Test func companionsInAFolder() throws {
        let source = source {
            $0.files.append(("additional_chat_templates/tool.jinja", Array("{{ x }}".utf8)))
        }
        _ = try conversion(of: source, to: "out").run()
        #expect(directory.bytes("out/additional_chat_templates/tool.jinja") == Array("{{ x }}".utf8))
    }

    @Test func pipeAmongCompanions() throws {
        let source = source()
        mkfifo(source + "/pipe", 0o600)
        expectRejection(.inputMissing, "is a pipe", file: "pipe") { _ = try conversion(of: source, to: "out") }
    }

    /// Keys of a GGUF file name files to be written: none outside the destination, none twice.
    @Test func hostileCompanions() throws {
        _ = try conversion(of: source(), to: "a.gguf", target: .gguf).run()
        var file = GGUFBuilder()
        let set = try Checkpoint(path: directory.file("a.gguf"))
        let gguf = try #require(set.ggufSet)
        for pair in gguf.metadata.pairs {
            switch pair.value {
            case .string(let text): file.pair(pair.key, GGUFBuilder.string(text))
            case .u32(let number): file.pair(pair.key, GGUFBuilder.u32(number))
            case .f32(let number): file.pair(pair.key, GGUFBuilder.f32(number))
            default: break
            }
        }
        for name in [
            "../evil.jinja", "/tmp/evil.jinja", "a/b.jinja", "additional_chat_templates/../../x.jinja", ".jinja",
            "evil.sh",
            "model.safetensors", "additional_chat_templates/.jinja",
        ] { file.pair("recast.file." + name, GGUFBuilder.string("evil")) }
        file.pair("tokenizer.huggingface.json", GGUFBuilder.string("{}"))
        file.pair("recast.file.tokenizer.json", GGUFBuilder.string("evil"))
        file.pair("recast.file.good.jinja", GGUFBuilder.string("good"))
        var reader = Reader(files: FilePool(set.files))
        for tensor in set.tensors {
            file.tensor(
                tensor.name, tensor.tensor.shape.reversed().map(Int64.init),
                bytes: try tensor.tensor.bytes(using: &reader))
        }
        directory.write("b.gguf", file.bytes)
        _ = try conversion(of: directory.file("b.gguf"), to: "out").run()
        #expect(
            content(of: "out").keys.sorted() == ["config.json", "good.jinja", "model.safetensors", "tokenizer.json"])
        #expect(directory.bytes("out/tokenizer.json") == Array("{}".utf8))
    }
}
