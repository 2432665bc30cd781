import Foundation
import Recast
import TestSupport
import Testing

/// The command line as scripts rely on it: exit statuses, what goes to which stream, the keys of the JSON documents.
struct CommandTests {
    struct Outcome {
        var status: Int32
        var output: String
        var errors: String

        /// The one document on standard output.
        var json: JSON {
            get throws { try JSON(parsing: Array(output.utf8), file: "standard output") }
        }
    }

    /// Runs the `recast` that was built beside these tests.
    static func recast(_ arguments: String...) throws -> Outcome { try recast(arguments) }

    static func recast(_ arguments: [String]) throws -> Outcome { try run(binary, arguments) }

    /// Runs a line of a shell in which `"$0"` is the binary and `"$@"` its arguments.
    static func shell(_ script: String, _ arguments: [String]) throws -> Outcome {
        try run("/bin/sh", ["-c", script, binary] + arguments)
    }

    static var binary: String {
        get throws {
            let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("recast").path
        }
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let directory = TemporaryDirectory()
        let files = ["out", "err"].map { directory.write($0, []) }
        process.standardOutput = FileHandle(forWritingAtPath: files[0])
        process.standardError = FileHandle(forWritingAtPath: files[1])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: try String(contentsOfFile: files[0], encoding: .utf8),
            errors: try String(contentsOfFile: files[1], encoding: .utf8))
    }

    static let commands = [
        "inspect", "convert", "quantize", "perplexity", "compare", "importance", "generate", "tokenize", "diff",
        "families", "encodings", "pack", "unpack",
    ]
    static let texts = ["prose", "code", "poetry"].flatMap { ["--text", "\($0)=\(Fixtures.tinyModel)/text/\($0).txt"] }

    @Test(arguments: commands)
    func helpHasExamples(command: String) throws {
        let help = try Self.recast(command, "--help")
        #expect(help.status == 0)
        #expect(help.output.contains("EXAMPLES:\n"))
        #expect(help.output.contains("recast \(command) "))
        for option in ["--json", "--quiet"] { #expect(help.output.contains(option)) }
    }

    /// Ids of texts, by a checkpoint and by a directory that holds nothing but a tokenizer.
    @Test func tokenizing() throws {
        let directory = TemporaryDirectory()
        let text = directory.write("a.txt", Array("In the beginning<|im_end|>".utf8))
        let plain = try Self.recast("tokenize", Fixtures.tinyModel, text, text)
        let lines = plain.output.split(separator: "\n")
        #expect(plain.status == 0 && lines.count == 2 && lines[0] == lines[1])
        let special = try Self.recast("tokenize", Fixtures.tinyModel, text, "--special", "--json")
        let ids = try JSON(parsing: Array(special.output.utf8), file: "")["texts"]?.array?.first?["ids"]?.array
        #expect(ids?.last?.int == 2047 && ids!.count < lines[0].split(separator: " ").count)

        directory.write("t/tokenizer.model", try FileSource.contents(of: Fixtures.tokenizers + "/bpe.model"))
        #expect(try Self.recast("tokenize", directory.file("t"), text).status == 0)
        directory.write("t/tokenizer.model", [0x0A, 200])
        let damaged = try Self.recast("tokenize", directory.file("t"), text)
        #expect(damaged.status == 65 && damaged.errors.contains("tokenizer.model at byte 1"), "\(damaged.errors)")
        #expect(try Self.recast("tokenize", Fixtures.tinyModel, directory.file("none.txt")).status == 66)
        #expect(try Self.recast("tokenize", Fixtures.tinyModel, directory.write("b.txt", [0xFF])).status == 65)
    }

    @Test func versionAndCompletions() throws {
        #expect(try Self.recast("--version").output.hasPrefix("recast \(Version.recast)"))
        for shell in ["bash", "zsh", "fish"] {
            let script = try Self.recast("--generate-completion-script", shell)
            #expect(script.status == 0 && script.output.contains("perplexity"))
        }
    }

    @Test func exitStatuses() throws {
        let directory = TemporaryDirectory()
        let model = Fixtures.tinyModel
        let out = directory.file("out.gguf")
        let broken = directory.write("broken.gguf", Array("GGUF".utf8) + [3, 0, 0])
        directory.write("there", [1])
        // swift-format-ignore
        let cases: [([String], Int32)] = [
            (["convert", model, out, "--encoding", "q4_o"],   64),
            (["convert", model],                              64),
            (["quantize", model, out],                        64),
            (["quantize", model, out, "--encoding", "q4_0", "--override", "attn=q4_0x"], 64),
            (["quantize", model, out, "--encoding", "q4_0", "--method", "gptq"],         64),
            (["quantize", model, out, "--encoding", "q4_0", "--importance", broken],     65),
            (["quantize", model, out, "--encoding", "q4_0", "--importance", directory.file("nowhere")], 66),
            (["quantize", model, directory.file("q4_0"), "--encoding", "q4_0"],          69),
            (["nonsense"],                                    64),
            (["inspect", broken],                             65),
            (["inspect", directory.file("nowhere")],          66),
            (["convert", model, out, "--encoding", "iq2_xs"], 64),
            (["convert", model, directory.file("there")],     73),
            (["convert", model, model, "--force"],            73),
            (["convert", model, directory.file("no/way")],    74),
            (["pack", model, directory.file("there")],        73),
            (["pack", directory.file("nowhere"), out],        66),
            (["pack", model, out, "--jobs", "0"],             64),
            (["unpack", broken, out],                         65),
            (["unpack", model, out],                          66),
            (["perplexity", model, "--text", directory.write("empty.txt", [])], 64),
        ]
        for (arguments, status) in cases {
            let outcome = try Self.recast(arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            #expect(outcome.output.isEmpty, "\(arguments)")
            #expect(!outcome.errors.isEmpty, "\(arguments)")
        }
        #expect(directory.names == ["broken.gguf", "empty.txt", "there"])
        #expect(try FileSource.contents(of: directory.file("there")) == [1])
    }

    @Test func mistypedEncodingNamesTheNearest() throws {
        let outcome = try Self.recast("convert", Fixtures.tinyModel, "x.gguf", "--encoding", "q4_o")
        #expect(outcome.errors.contains("did you mean q4_0"))
    }

    /// `gptq-int4` stands in the list as `gptq-int2|3|4|8`.
    @Test func helpListsEveryEncoding() throws {
        let help = try Self.recast("quantize", "--help").output
        for name in GGUFFileType.allCases.map(\.name) { #expect(help.contains(name), "\(name)") }
        for name in Packing.names {
            #expect(help.contains(name) || help.contains(name.dropLast() + "2|"), "\(name)")
        }
    }

    @Test func errorsAreDocumentsToo() throws {
        let outcome = try Self.recast("inspect", "/nowhere", "--json")
        #expect(outcome.status == 66)
        #expect(try outcome.json["error"]?["code"] == "inputMissing")
    }

    @Test func inspectDocument() throws {
        let json = try Self.recast("inspect", Fixtures.tinyModel, "--json", "--tensors", "--checksums").json
        #expect(json["format"] == "huggingface")
        #expect(json["family"] == "qwen2")
        #expect(json["parameters"] == 3_280_640)
        #expect(json["tokenizer"]?["tokens"] == 2048)
        #expect(json["tensors"]?.array?.count == 51)
        #expect(json["tensors"]?.array?.first?["crc32"]?.string?.utf8.count == 8)
        let targets = Dictionary(
            uniqueKeysWithValues: (json["targets"]?.array ?? []).map { ($0["target"]?.string, $0["exactness"]?.string) }
        )
        #expect(targets["huggingface, llama layout"] == "bit-exact")
        #expect(targets["huggingface, qwen2 layout"] == "bit-exact")
        #expect(targets["huggingface, qwen3 layout"] == "refused")
        #expect(targets["gguf"] == "bit-exact")
    }

    @Test func dryRunWritesNothing() throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        let planned = try Self.recast(
            "convert", Fixtures.tinyModel, path, "--encoding", "q8_0", "--dry-run", "--json")
        #expect(planned.status == 0 && directory.names.isEmpty)
        let json = try planned.json
        #expect(json["problems"] == [])
        #expect(json["tensors"]?.array?.count == 51)

        let written = try Self.recast("convert", Fixtures.tinyModel, path, "--encoding", "q8_0", "--json")
        #expect(try written.json["bytes"] == json["bytes"])
        #expect(try FileSource(path: path).byteCount == json["bytes"]?.int)

        let again = try Self.recast("convert", Fixtures.tinyModel, path, "--dry-run", "--json")
        #expect(again.status == 73)
        #expect(try again.json["problems"]?.array?.count == 1)
    }

    @Test func quantizePlanSaysTypeSizeAndReason() throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        let arguments = [
            "quantize", Fixtures.tinyModel, path, "--encoding", "q4_0", "--override", "blk.0.attn_q=q8_0",
            "--output-encoding", "bf16",
        ]
        let json = try Self.recast(arguments + ["--dry-run", "--json"]).json
        func tensor(_ name: String) -> JSON? { json["tensors"]?.array?.first { $0["name"]?.string == name } }
        #expect(tensor("output.weight")?["to"] == "BF16")
        #expect(tensor("output.weight")?["reason"] == "--output-encoding")
        #expect(tensor("blk.0.attn_q.weight")?["reason"] == "--override blk.0.attn_q")
        #expect(tensor("blk.0.attn_q.weight")?["bytes"] == .int(256 * 256 / 32 * 34))
        #expect(tensor("blk.0.attn_q.weight")?["bits_per_weight"] == 8.5)
        #expect(tensor("blk.0.attn_k.weight")?["reason"] == .null)
        #expect(tensor("blk.0.attn_norm.weight")?["reason"] == "not quantized")
        let table = try Self.recast(arguments + ["--dry-run"])
        #expect(table.status == 0 && directory.names.isEmpty)
        #expect(table.output.contains("--override blk.0.attn_q") && table.output.contains(" bits per weight"))

        let written = try Self.recast(arguments + ["--json"]).json
        #expect(written["bytes"] == json["bytes"] && written["bits_per_weight"] == json["bits_per_weight"])
        let checkpoint = try Checkpoint(path: path)
        #expect(checkpoint.tensors.map(\.tensor.dtype.name) == json["tensors"]?.array?.compactMap { $0["to"]?.string })
    }

    /// The two commands go the same way.
    @Test func convertQuantizesToo() throws {
        let directory = TemporaryDirectory()
        for command in ["convert", "quantize"] {
            let arguments = [
                command, Fixtures.tinyModel, directory.file(command), "--to", "gguf", "--encoding", "q8_0",
            ]
            #expect(try Self.recast(arguments).status == 0)
        }
        #expect(directory.bytes("convert") == directory.bytes("quantize"))
        // Without a word about it, both keep the family.
        for command in ["convert", "quantize"] {
            let path = directory.file(command + "-bf16")
            #expect(try Self.recast(command, Fixtures.tinyModel, path, "--encoding", "bf16").status == 0)
            #expect(try Self.recast("inspect", path, "--json").json["family"]?.string == "qwen2")
        }
    }

    /// The result line, and its JSON, say what was written: format, layout, types and exactness.
    // swift-format-ignore
    @Test(arguments: [
        (["out"],                                              "Hugging Face safetensors", "qwen2 layout",        "BF16 × 51"),
        (["out", "--family", "llama"],                         "Hugging Face safetensors", "llama layout",        "BF16 × 55"),
        (["out.gguf"],                                         "GGUF",                     "qwen2 architecture",  "BF16 × 30, F32 × 21"),
        (["out", "--to", "megatron", "--tp", "2"],             "Megatron torch",           "tp 2, pp 1, names te", "BF16 × 31"),
        (["out", "--to", "megatron-dist", "--names", "local"], "Megatron torch_dist",      "names local",         "BF16 × 31"),
    ])
    func resultSaysWhatWasWritten(_ arguments: [String], _ format: String, _ layout: String, _ types: String) throws {
        let directory = TemporaryDirectory()
        let path = directory.file(arguments[0])
        let options = ["convert", Fixtures.tinyModel, path] + arguments.dropFirst()
        #expect(try Self.recast(options + ["--dry-run"]).output.contains("\(format), \(layout), \(types), "))
        let written = try Self.recast(options)
        #expect(written.output.contains("\(path): \(format), \(layout), \(types), "), "\(written.output)")
        #expect(written.output.hasSuffix("bit-exact\n"))
        let json = try Self.recast(options + ["--json", "--force"]).json
        #expect(json["format"]?.string == format && json["layout"]?.string == layout && json["exactness"] == "bit-exact")
        let counts = json["types"]?.object?.members.map { "\($0.key) × \($0.value.int ?? 0)" }
        #expect(counts?.joined(separator: ", ") == types)
    }

    /// What was not asked for is not refused without a word about the option that asks.
    @Test func refusalsNameDefaults() throws {
        let directory = TemporaryDirectory()
        let byDefault = try Self.recast("quantize", Fixtures.tinyModel, directory.file("out"), "--encoding", "q4_0")
        #expect(byDefault.status == 69)
        #expect(byDefault.errors.contains("--to names another") && byDefault.errors.contains("--family names another"))
        let asked = try Self.recast(
            "quantize", Fixtures.tinyModel, directory.file("out"), "--encoding", "q4_0", "--to", "huggingface",
            "--family", "same")
        #expect(asked.status == 69 && !asked.errors.contains("names another"))
    }

    @Test func quietIsQuiet() throws {
        let directory = TemporaryDirectory()
        let outcome = try Self.recast("convert", Fixtures.tinyModel, directory.file("out"), "--quiet")
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.output.contains("bit-exact"))
    }

    @Test func diffTellsEqualFromDifferent() throws {
        let directory = TemporaryDirectory()
        let model = Fixtures.tinyModel
        let llama = directory.file("llama")
        let gguf = directory.file("q8_0.gguf")
        #expect(try Self.recast("convert", model, llama, "--family", "llama").status == 0)
        #expect(try Self.recast("convert", model, gguf, "--encoding", "q8_0").status == 0)
        let equal = try Self.recast("diff", model, llama, "--json")
        #expect(equal.status == 0)
        #expect(try equal.json["equal"] == true)
        let different = try Self.recast("diff", model, gguf, "--json")
        #expect(different.status == 1)
        #expect(try different.json["equal"] == false)
        let down = try different.json["tensors"]?.array?.first { $0["role"] == "layers.0.down.weight" }
        #expect(down?["status"] == "differs")
        #expect((down?["relative"]?.double ?? 1) < 0.01)
    }

    @Test func packAndUnpack() throws {
        let directory = TemporaryDirectory()
        let model = Fixtures.tinyModel
        let packed = directory.file("packed")
        let json = try Self.recast("pack", model, packed, "--json").json
        let bytes = try FileSource(path: packed).byteCount
        #expect(json["bytes"]?.int == bytes)
        #expect(json["tensors"]?.int == 53 && json["files"]?.int == 12)
        #expect(try #require(json["ratio"]?.double) == Double(bytes) / Double(#require(json["original_bytes"]?.int)))

        let inspected = try Self.recast("inspect", packed, "--json", "--checksums", "--tensors").json
        let original = try Self.recast("inspect", model, "--json", "--checksums", "--tensors").json
        #expect(inspected["tensors"] == original["tensors"])
        #expect(inspected["archive"]?["bytes"]?.int == bytes && original["archive"] == nil)
        #expect(try Self.recast("inspect", packed).output.contains("Hugging Face safetensors, archived"))

        let arguments = ["--context", "256", "--json", "--text", "\(model)/text/poetry.txt"]
        let scores = try [packed, model].map { try Self.recast(["perplexity", $0] + arguments).json["total"] }
        #expect(scores[0] != nil && scores[0] == scores[1])
        #expect(try Self.recast("diff", model, packed).status == 0)

        let out = directory.file("out")
        let unpacked = try Self.recast("unpack", packed, out, "--json").json
        #expect(unpacked["bytes"] == json["original_bytes"] && unpacked["files"]?.array?.count == 12)
        #expect(
            try FileSource.contents(of: out + "/model.safetensors")
                == FileSource.contents(of: model + "/model.safetensors"))
        #expect(try Self.recast("unpack", packed, out).status == 73)
        let again = try Self.recast("unpack", packed, out, "--force", "--quiet")
        #expect(again.status == 0 && again.errors.isEmpty && again.output.contains("every checksum right"))
    }

    @Test func perplexityDocument() throws {
        let arguments = ["perplexity", Fixtures.tinyModel, "--context", "256", "--json"] + Self.texts
        let json = try Self.recast(arguments).json
        #expect(json["context"] == 256)
        #expect(json["window"] == "all")
        let path = Fixtures.tinyModel + "/reference.json"
        let reference = try JSON(parsing: FileSource.contents(of: path), file: path)
        for channel in json["channels"]?.array ?? [] {
            let expected = try #require(reference["channels"]?[channel["name"]?.string ?? ""])
            #expect(channel["tokens"] == expected["tokens"])
            #expect(channel["scored"] == expected["scored"])
            let nll = try #require(expected["nll"]?.double)
            #expect(abs((channel["nll"]?.double ?? 0) / nll - 1) < 1e-5)
        }
        #expect(json["total"]?["scored"] == 45016)
    }

    @Test func generationIsTheReferences() throws {
        let path = Fixtures.tinyModel + "/reference.json"
        let reference = try JSON(parsing: FileSource.contents(of: path), file: path)
        let prompt = try #require(reference["prompt"]?["text"]?.string)
        let ids = try #require(reference["greedy"]?["ids"]?.array)
        let directory = TemporaryDirectory()
        let gguf = directory.file("f32.gguf")
        #expect(try Self.recast("convert", Fixtures.tinyModel, gguf, "--dtype", "f32").status == 0)
        for model in [Fixtures.tinyModel, gguf] {
            let json = try Self.recast(
                "generate", model, "--prompt", prompt, "--max-tokens", "24", "--json"
            ).json
            #expect((json["prompt_ids"]?.array ?? []) + (json["ids"]?.array ?? []) == ids)
            #expect(prompt + (json["text"]?.string ?? "") == reference["greedy"]?["text"]?.string)
        }
    }
}
