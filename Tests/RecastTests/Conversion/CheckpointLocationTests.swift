import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast

/// Paths that lead to a checkpoint by way of folders that programs put around it.
struct CheckpointLocationTests {
    private let directory = TemporaryDirectory()

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// The paths of the files that a path's checkpoint consists of, below the directory, and what is noted.
    private func opened(_ path: String) throws -> (files: [String], notes: [String]) {
        let checkpoint = try Checkpoint(path: directory.file(path))
        let files = checkpoint.ownFiles.map { String($0.path.dropFirst(directory.path.count + 1)) }
        // What is noted goes along with whatever is made of the model.
        #expect(try Model(checkpoint).notes.starts(with: checkpoint.notes))
        return (files, checkpoint.notes)
    }

    // MARK: The hub's cache

    private static let revisions = ["a", "b", "c"].map { String(repeating: $0, count: 40) }

    /// As huggingface_hub lays it out: blobs, and links to them.
    private func cache(_ name: String, _ revisions: [String], main: String?, without missing: String? = nil) throws
        -> String
    {
        let root = "\(name)/models--Qwen--tiny"
        SmallModel().write(to: directory, "model")
        for (index, file) in ["config.json", "model.safetensors"].enumerated() where file != missing {
            directory.write("\(root)/blobs/\(index)", directory.bytes("model/\(file)")!)
        }
        for revision in revisions {
            let folder = directory.file("\(root)/snapshots/\(revision)")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (index, file) in ["config.json", "model.safetensors"].enumerated() {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(folder)/\(file)", withDestinationPath: "../../blobs/\(index)")
            }
        }
        if let main { directory.write("\(root)/refs/main", text(main)) }
        return root
    }

    @Test func snapshots() throws {
        let (a, b) = (Self.revisions[0], Self.revisions[1])
        // What refs/main names, with and without a line's end; the only one; one by itself.
        for (index, (revisions, main, read)) in [
            ([a], a, a), ([a, b], b, b), ([a, b], a + "\n", a), ([a], nil, a), ([a], b, a), ([a], "../../../etc", a),
        ].enumerated() as EnumeratedSequence<[([String], String?, String)]> {
            let root = try cache("cache\(index)", revisions, main: main)
            let found = try opened(root)
            #expect(found.files == ["\(root)/snapshots/\(read)/model.safetensors"])
            #expect(found.notes.count == 1 && found.notes[0].contains(read))
            #expect(try opened("\(root)/snapshots/\(read)").notes.isEmpty)
        }
        // The model is called by its name, not by its revision.
        let checkpoint = try Checkpoint(path: directory.file("cache0/models--Qwen--tiny"))
        #expect(checkpoint.content.name == "tiny")
    }

    @Test func severalSnapshots() throws {
        let (a, b, c) = (Self.revisions[0], Self.revisions[1], Self.revisions[2])
        for (index, main) in [nil, c, "", "../../../../etc"].enumerated() {
            let root = try cache("several\(index)", [a, b], main: main)
            expectRejection(.usage, ["none of its 2 snapshots", "snapshots/\(a)", "snapshots/\(b)"]) {
                _ = try Checkpoint(path: directory.file(root))
            }
        }
        let root = try cache("hub", [a], main: a)
        expectRejection(.usage, ["the hub's cache", root]) { _ = try Checkpoint(path: directory.file("hub")) }
        expectRejection(.usage, ["the snapshots of a model", root]) {
            _ = try Checkpoint(path: directory.file("\(root)/snapshots"))
        }
    }

    @Test func incompleteSnapshots() throws {
        let a = Self.revisions[0]
        for file in ["config.json", "model.safetensors"] {
            let root = try cache(file, [a], main: a, without: file)
            expectRejection(.inputMissing, [file, "is a link to a file that is not there", "hf download Qwen/tiny"]) {
                _ = try Model(Checkpoint(path: directory.file(root)))
            }
        }
        // A blob that is being fetched has no link yet.
        let root = try cache("partial", [a], main: a)
        directory.remove("\(root)/snapshots/\(a)/model.safetensors")
        directory.write("\(root)/blobs/1.incomplete", [1])
        expectRejection(.inputMissing, ["1.incomplete", "not complete", "hf download Qwen/tiny"]) {
            _ = try Checkpoint(path: directory.file(root))
        }
        directory.remove("\(root)/snapshots")
        expectRejection(.inputMissing, ["has no snapshot", "hf download Qwen/tiny"]) {
            _ = try Checkpoint(path: directory.file(root))
        }
    }

    /// Paths that are none, and may be ids.
    @Test(arguments: [
        ("Qwen/Qwen2.5-0.5B", "hf download Qwen/Qwen2.5-0.5B --local-dir Qwen2.5-0.5B"),
        ("meta-llama/Llama-3.1_8B", "hf download meta-llama/Llama-3.1_8B "),
        ("hf.co/Qwen/Qwen3-8B", "hf download Qwen/Qwen3-8B "),
        ("https://huggingface.co/Qwen/Qwen3-8B/tree/main", "hf download Qwen/Qwen3-8B --local-dir"),
        ("hf://Qwen/Qwen3-8B", "hf download Qwen/Qwen3-8B "),
        ("Qwen/Qwen3-8B-GGUF:Q4_K_M", "hf download Qwen/Qwen3-8B-GGUF --include '*Q4_K_M*.gguf'"),
        ("Qwen/Qwen3-8B-GGUF/q.gguf", "hf download Qwen/Qwen3-8B-GGUF q.gguf "),
        ("s3://bucket/model", "addresses are not read"), ("https://example.org/m.gguf", "addresses are not read"),
    ])
    func ids(_ path: String, _ said: String) {
        expectRejection(.inputMissing, ["no such file or directory", said], file: path) {
            _ = try Checkpoint(path: path)
        }
    }

    @Test(arguments: [
        "./Qwen/Qwen2", "/Qwen/Qwen2", "../a/b", "a/b.gguf", "a/b/c", "a b/c", "model", "m.gguf", "a//b", "a/-b",
    ])
    func noIDs(_ path: String) {
        let error = #expect(throws: RecastError.self) { try Checkpoint(path: path) }
        #expect(
            error?.code == .inputMissing && error?.message == "no such file or directory", "\(error?.message ?? "")")
    }

    // MARK: Megatron

    private func ranks(_ folder: String, tensor: Int = 1, stages: [[Int]] = [[2]]) {
        var builder = MegatronBuilder()
        (builder.tensorRanks, builder.stages) = (tensor, stages)
        let own = TemporaryDirectory()
        builder.write(builder.truth(), to: own)
        try? FileManager.default.createDirectory(
            atPath: Path.directory(directory.file(folder)), withIntermediateDirectories: true)
        try? FileManager.default.moveItem(atPath: own.file("iter_0000007"), toPath: directory.file(folder))
    }

    @Test(arguments: ["iter_0000007", "iter_0000034", "release"]) func oneIteration(_ name: String) throws {
        ranks("run/\(name)")
        let found = try opened("run")
        #expect(found.files == ["run/\(name)/mp_rank_00/model_optim_rng.pt"])
        #expect(found.notes.count == 1 && found.notes[0].contains("latest_checkpointed_iteration.txt"))
        #expect(found.notes[0].contains(name))
        directory.write(
            "run/latest_checkpointed_iteration.txt", text(name == "release" ? name : String(name.suffix(2))))
        if name != "iter_0000007" { #expect(try opened("run").notes.isEmpty) }
    }

    @Test func severalIterations() throws {
        for name in ["iter_0000002", "iter_0000010", "release"] { ranks("run/\(name)") }
        expectRejection(
            .inputMissing, ["iter_0000002, iter_0000010 and release are there", "such as", "run/iter_0000010"]
        ) {
            _ = try Checkpoint(path: directory.file("run"))
        }
        directory.write("run/latest_checkpointed_iteration.txt", text("77"))
        expectRejection(.inputMissing, ["iter_0000077, which is not there", "run/iter_0000002"]) {
            _ = try Checkpoint(path: directory.file("run"))
        }
    }

    /// A rank stands for all, by its file and by its folder.
    @Test func ranksByName() throws {
        ranks("run/iter_0000002", tensor: 2, stages: [[1, 1]])
        for path in ["mp_rank_00_000", "mp_rank_01_001", "mp_rank_00_001/model_optim_rng.pt"] {
            let found = try opened("run/iter_0000002/" + path)
            #expect(found.files.count == 4)
            #expect(found.notes.count == 1 && found.notes[0].contains("all of ") && found.notes[0].contains(path))
        }
        directory.remove("run/iter_0000002/mp_rank_01_001")
        expectRejection(.inputMissing, "tensor rank 1 of stage 1") {
            _ = try Checkpoint(path: directory.file("run/iter_0000002/mp_rank_00_000/model_optim_rng.pt"))
        }
    }

    /// A rank's file without a folder is the whole model, where its args say so.
    @Test func ranksAlone() throws {
        ranks("one")
        ranks("two", tensor: 2)
        for name in ["one", "two"] {
            directory.write(
                "\(name)/alone/model_optim_rng.pt", directory.bytes("\(name)/mp_rank_00/model_optim_rng.pt")!)
        }
        #expect(try opened("one/alone/model_optim_rng.pt").files == ["one/alone/model_optim_rng.pt"])
        #expect(try opened("one/alone").notes.count == 1)
        for path in ["two/alone/model_optim_rng.pt", "two/alone"] {
            expectRejection(.inputMissing, ["one rank of a model", "tp 2, pp 1", "name the folder of the iteration"]) {
                _ = try Checkpoint(path: directory.file(path))
            }
        }
    }

    // MARK: verl

    private func distributed(_ folder: String) {
        let own = TemporaryDirectory()
        let source = SmallModel().write(to: own)
        let path = own.file("megatron")
        #expect(throws: Never.self) {
            let plan = try Planning(
                Checkpoint(path: source), ConversionOptions(target: .megatron(MegatronTarget(.distributed)))
            )
            .plan(destination: path)
            _ = try Conversion(plan, to: path).run()
            try FileManager.default.createDirectory(
                atPath: Path.directory(directory.file(folder)), withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: path + "/release", toPath: directory.file(folder))
        }
        // Its args are not written by verl, which keeps them in transformers' configuration.
        directory.write(Path.directory(folder) + "/huggingface/config.json", own.bytes("model/config.json")!)
    }

    @Test(arguments: ["dist_ckpt", "model/dist_ckpt"]) func stepsOfVerl(_ place: String) throws {
        for step in [5, 10] { distributed("run/global_step_\(step)/actor/\(place)") }
        if place != "dist_ckpt" {
            for step in [5, 10] { directory.write("run/global_step_\(step)/actor/ckpt_contents.json", text("{}")) }
        }
        directory.write("run/global_step_5/critic/x", [1])
        directory.write("run/latest_checkpointed_iteration.txt", text("5"))
        for path in ["run", "run/global_step_5", "run/global_step_5/actor", "run/global_step_5/actor/\(place)"] {
            let found = try opened(path)
            #expect(
                found.files.allSatisfy { $0.hasPrefix("run/global_step_5/actor/\(place)/") } && !found.files.isEmpty)
            #expect(found.notes.contains { $0.contains("critic/") } == ["run", "run/global_step_5"].contains(path))
        }
        directory.write("run/latest_checkpointed_iteration.txt", text("7"))
        expectRejection(.inputMissing, ["names the step 7", "global_step_10 and global_step_5"]) {
            _ = try Checkpoint(path: directory.file("run"))
        }
        directory.remove("run/latest_checkpointed_iteration.txt")
        expectRejection(.inputMissing, ["global_step_10 and global_step_5 are there", "name one"]) {
            _ = try Checkpoint(path: directory.file("run"))
        }
        directory.remove("run/global_step_10")
        #expect(try opened("run").notes[0].contains("the only step"))
    }

    /// Weights that verl's bridge has written whole are read where they are.
    @Test func wholeWeightsOfVerl() throws {
        distributed("run/global_step_1/actor/dist_ckpt")
        SmallModel().write(to: directory, "run/global_step_1/actor/huggingface")
        let found = try opened("run/global_step_1")
        #expect(found.files == ["run/global_step_1/actor/huggingface/model.safetensors"])
        #expect(found.notes.contains { $0.contains("in one piece") })
    }

    @Test func shardsOfVerl() {
        for step in [1, 2] { directory.write("run/global_step_\(step)/actor/model_world_size_2_rank_0.pt", [1]) }
        directory.write("run/latest_checkpointed_iteration.txt", text("2"))
        for path in ["run", "run/global_step_2", "run/global_step_2/actor"] {
            expectRejection(
                .unsupported, ["verl.model_merger merge", "--local_dir \(directory.file("run/global_step_2/actor"))"]
            ) {
                _ = try Checkpoint(path: directory.file(path))
            }
        }
    }

    /// NeMo 2 puts the weights beside its context.
    @Test func nemo() throws {
        distributed("nemo/weights")
        directory.write("nemo/context/io.json", text("{}"))
        #expect(try opened("nemo").files.allSatisfy { $0.hasPrefix("nemo/weights/") })
    }
}
