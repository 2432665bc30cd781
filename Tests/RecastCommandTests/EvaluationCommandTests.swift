import Foundation
import Recast
import TestSupport
import Testing

/// compare, probe, infer and tasks as a user has them.
struct EvaluationCommandTests {
    private static let model = Fixtures.tinyModel
    private static var text: String { Fixtures.tinyModel + "/text/poetry.txt" }

    private func quantized(_ directory: TemporaryDirectory) throws -> String {
        let path = directory.file("q.gguf")
        #expect(try CommandTests.recast("quantize", Self.model, path, "--encoding", "q4_0", "--quiet").status == 0)
        return path
    }

    // MARK: compare

    @Test func layersWeightsAndThresholds() throws {
        let directory = TemporaryDirectory()
        let path = try quantized(directory)
        let outcome = try CommandTests.recast("compare", Self.model, path, "--text", Self.text, "--tensors", "--json")
        let json = try outcome.json
        let layers = try #require(json["layers"]?.array)
        #expect(layers.map { $0["layer"]?.int } == [0, 1, 2, 3])
        let cosines = layers.map { $0["cosine"]!.double! }
        #expect(cosines.allSatisfy { $0 > 0.9 && $0 < 1 })
        #expect(json["tensors"]?.array?.count == 28)
        let worst = cosines.min()!
        func status(_ limit: Double) throws -> Int32 {
            try CommandTests.recast(
                "compare", Self.model, path, "--text", Self.text, "--min-cosine", "\(limit)", "--quiet"
            ).status
        }
        #expect(try status(worst - 1e-6) == 0 && status(worst + 1e-6) == 1)
        #expect(
            try CommandTests.recast("compare", Self.model, path, "--text", Self.text, "--min-cosine", "2").status == 64)
    }

    /// Every command that runs a model says how it did.
    @Test func fast() throws {
        let directory = TemporaryDirectory()
        let (path, saved) = (try quantized(directory), directory.file("ref"))
        for arguments in [
            ["perplexity", path, "--text", Self.text], ["compare", Self.model, path, "--text", Self.text],
            ["generate", path, "--prompt", "The night", "--max-tokens", "4"],
            ["probe", path, "--prompt", "The night"],
        ] {
            let exact = try CommandTests.recast(arguments + ["--json"])
            let fast = try CommandTests.recast(arguments + ["--json", "--fast"])
            #expect(exact.status == 0 && fast.status == 0, "\(fast.errors)")
            #expect(try exact.json["precision"] == "exact" && fast.json["precision"] == "fast")
        }
        // What is compared is the function that runs: of a weight with rounded activations another one.
        let arguments = ["--text", Self.text, "--json"]
        func divergence(_ options: [String]) throws -> Double {
            let outcome = try CommandTests.recast(["compare", path, path] + arguments + options)
            return try #require(outcome.json["total"]?["kld"]?["mean"]?.double)
        }
        #expect(try abs(divergence([])) < 1e-9 && abs(divergence(["--fast"])) < 1e-9)
        let made = try CommandTests.recast("compare", path, "--save-reference", saved, "--text", Self.text, "--fast")
        #expect(made.status == 0)
        let same = try CommandTests.recast("compare", saved, path, "--json", "--fast")
        #expect(try abs(same.json["total"]!["kld"]!["mean"]!.double!) < 1e-6)
        #expect(!same.errors.contains("was made with --fast"))
        let other = try CommandTests.recast("compare", saved, path, "--json")
        #expect(other.errors.contains("was made with --fast, and the candidate runs without --fast"))
        let isExactAllTheSame = same.errors.contains("need instructions")
        #expect(try (other.json["total"]!["kld"]!["mean"]!.double! > 1e-6) != isExactAllTheSame)
    }

    @Test func fastTellsWhatStaysExact() throws {
        let directory = TemporaryDirectory()
        let path = directory.file("h.gguf")
        #expect(
            try CommandTests.recast("convert", Self.model, path, "--dtype", "f16", "--allow-inexact", "--quiet").status
                == 0)
        let fast = try CommandTests.recast("perplexity", path, "--text", Self.text, "--json", "--fast")
        #expect(fast.errors.contains("are multiplied in float32: 29 of F16"), "\(fast.errors)")
        let exact = try CommandTests.recast("perplexity", path, "--text", Self.text, "--json")
        #expect(try fast.json["total"] == exact.json["total"] && !exact.errors.contains("--fast"))
    }

    @Test func savedReferences() throws {
        let directory = TemporaryDirectory()
        let (path, saved) = (try quantized(directory), directory.file("ref"))
        let direct = try CommandTests.recast(
            "compare", Self.model, path, "--text", Self.text, "--save-reference", saved, "--exact-reference", "--json")
        let again = try CommandTests.recast("compare", saved, path, "--json")
        #expect(try direct.json["total"] == again.json["total"] && again.json["layers"] == [])
        #expect(again.errors.contains("holds predictions alone"))
        #expect(try CommandTests.recast("compare", saved, path, "--text", Self.text, "--quiet").status == 0)
        let other = try CommandTests.recast("compare", saved, path, "--text", Self.model + "/text/code.txt")
        #expect(other.status == 69 && other.errors.contains("window 0"))
        for option in [["--tensors"], ["--min-cosine", "0.5"], ["--by-text"], ["--context", "100"]] {
            #expect(try CommandTests.recast(["compare", saved, path] + option).status == 64, "\(option)")
        }
        #expect(
            try CommandTests.recast("compare", Self.model, "--text", Self.text, "--save-reference", saved).status == 73)
        #expect(
            try CommandTests.recast(
                "compare", Self.model, "--text", Self.text, "--save-reference", saved, "--force", "--quiet"
            ).status == 0)
        #expect(try CommandTests.recast("compare", Self.model, "--text", Self.text).status == 64)
        // Whatever --force is given with, a model is not replaced by predictions.
        #expect(
            try CommandTests.recast(
                "compare", Self.model, "--text", Self.text, "--save-reference", path, "--force"
            ).status == 73)
        #expect(try CommandTests.recast("compare", saved, path, "--quiet").status == 0)
    }

    @Test func byText() throws {
        let outcome = try CommandTests.recast(
            "compare", Self.model, Self.model, "--text", Self.text, "--by-text", "--json")
        let total = try #require(try outcome.json["total"])
        #expect(total["ratio"]?.double == 1)
        let own = try #require(total["reference"])
        let bits = own["nll"]!.double! / log(2) / Double(own["bytes"]!.int!)
        #expect(abs(own["bits_per_byte"]!.double! - bits) < 1e-12)
        #expect(
            try CommandTests.recast(
                "compare", Self.model, Self.model, "--text", Self.text, "--by-text", "--max-kld", "1"
            )
            .status == 64)
    }

    // MARK: probe

    @Test func probe() throws {
        let outcome = try CommandTests.recast(
            "probe", Self.model, "--prompt", "The night was dark", "--attention", "1", "--layers", "--top", "3",
            "--json")
        let json = try outcome.json
        let count = try #require(json["tokens"]?.array?.count)
        #expect(json["layers"]?.array?.count == 4)
        #expect(json["layers"]?.array?[3]["next"]?.array?[0].array?.count == 3)
        #expect(json["attention"]?["heads"]?.array?.count == 8)
        let mean = try #require(json["attention"]?["mean"]?.array)
        #expect(mean.count == count && mean.allSatisfy { $0.array!.count == count })
        let shown = try CommandTests.recast("probe", Self.model, "--prompt", "The night was dark", "--attention", "1")
        #expect(shown.status == 0 && shown.output.contains("mean of 8 heads") && !shown.output.contains("norm"))
        for bad in [
            ["--prompt", ""], ["--prompt", "a", "--attention", "4"], ["--prompt", "a", "--position", "9"],
            ["--prompt", "a", "--head", "1"], ["--prompt", "a b c", "--attention", "0", "--between", "0,1"],
            ["--prompt", "a", "--attention", "0", "--head", "8"], ["--prompt", "a", "--top", "0"],
        ] { #expect(try CommandTests.recast(["probe", Self.model] + bad).status == 64, "\(bad)") }
    }

    // MARK: Pages

    @Test func pagesOfComparisonsAndProbes() throws {
        let directory = TemporaryDirectory()
        let (path, page) = (try quantized(directory), directory.file("page.html"))
        let arguments = ["compare", Self.model, path, "--text", Self.text, "--tensors", "--report", page, "--quiet"]
        // A verdict against the candidate has its page, too.
        #expect(try CommandTests.recast(arguments + ["--max-kld", "0.000001"]).status == 1)
        let compared = try String(contentsOfFile: page, encoding: .utf8)
        #expect(compared.contains("Failed: 1 of 1 thresholds is not kept") && compared.contains("Cosine by layer"))
        #expect(try CommandTests.recast(arguments).status == 73)
        #expect(try CommandTests.recast(arguments + ["--force"]).status == 0)
        let probed = try CommandTests.recast(
            "probe", Self.model, "--prompt", "The <b>night</b> was", "--layers", "--attention", "0", "--report", page,
            "--force")
        #expect(probed.status == 0)
        let text = try String(contentsOfFile: page, encoding: .utf8)
        #expect(text.contains("mean of the heads") && !text.contains("<b>night"))
        #expect(
            try CommandTests.recast(
                "compare", Self.model, "--text", Self.text, "--save-reference", directory.file("r"), "--report", page
            ).status == 64)
    }

    // MARK: infer

    private func prompts(_ directory: TemporaryDirectory) -> String {
        let lines = (0..<11).map { "{\"prompt\": \"The night was \($0) and\", \"id\": \"p\($0)\"}" }
        return directory.write("prompts.jsonl", Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    @Test func answersInOrderForAnyWorkers() throws {
        let directory = TemporaryDirectory()
        let prompts = prompts(directory)
        func answers(_ name: String, _ options: [String]) throws -> String {
            let path = directory.file(name)
            let outcome = try CommandTests.recast(
                ["infer", Self.model, prompts, path, "--max-tokens", "9", "--batch", "3", "--quiet"] + options)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: path + ".recast-infer"))
            return try String(contentsOfFile: path, encoding: .utf8)
        }
        let one = try answers("one", [])
        #expect(try answers("three", ["--workers", "3"]) == one)
        let lines = try one.split(separator: "\n").map { try JSON(parsing: Array($0.utf8), file: "answer") }
        #expect(lines.map { $0["index"]?.int } == Array(0..<11))
        #expect(lines.map { $0["id"]?.string } == (0..<11).map { "p\($0)" })
        for (index, line) in lines.enumerated() {
            let alone = try CommandTests.recast(
                "generate", Self.model, "--prompt", "The night was \(index) and", "--max-tokens", "9", "--json")
            #expect(try alone.json["text"] == line["text"])
        }
        #expect(
            try answers("drawn", ["--temperature", "1", "--seed", "3"])
                == answers("again", ["--temperature", "1", "--seed", "3", "--workers", "2"]))
        #expect(try answers("beams", ["--beams", "2", "--workers", "2"]) != one)
    }

    @Test func badLinesAreAnsweredWithWhatIsWrong() throws {
        let directory = TemporaryDirectory()
        let prompts = directory.write(
            "p.jsonl", Array("{\"prompt\": \"a\"}\n\n{oops\n\"b\"\n{\"text\": 1}\n{\"prompt\": 7}\n".utf8))
        let answers = directory.file("a.jsonl")
        let outcome = try CommandTests.recast(
            "infer", Self.model, prompts, answers, "--max-tokens", "2", "--workers", "2", "--batch", "1")
        #expect(
            outcome.status == 65 && outcome.errors.contains("3 of 5 lines") && outcome.errors.contains("line 3, 5, 6"))
        let lines = try String(contentsOfFile: answers, encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8), file: "answer") }
        #expect(lines.map { $0["error"] != nil } == [false, true, false, true, true])
    }

    @Test func conversations() throws {
        let directory = TemporaryDirectory()
        let line = #"{"messages": [{"role": "user", "content": "hi"}]}"#
        let prompts = directory.write("p.jsonl", Array("\(line)\n\"hi\"\n".utf8))
        let answers = directory.file("a.jsonl")
        let options = ["--max-tokens", "4", "--quiet"]
        #expect(try CommandTests.recast(["infer", Self.model, prompts, answers, "--chat"] + options).status == 0)
        let lines = try String(contentsOfFile: answers, encoding: .utf8).split(separator: "\n")
            .map { try JSON(parsing: Array($0.utf8), file: "answer") }
        // A prompt that a user says is a conversation of one message.
        #expect(lines[0]["text"] == lines[1]["text"] && lines[0]["prompt_tokens"] == lines[1]["prompt_tokens"])
        let alone = try CommandTests.recast("generate", Self.model, "--chat", "hi", "--max-tokens", "4", "--json")
        #expect(try alone.json["text"] == lines[0]["text"])
        let texts = directory.write("t.jsonl", Array("\"hi\"\n".utf8))
        let idle = try CommandTests.recast("infer", Self.model, texts, directory.file("b"), "--system", "x")
        #expect(idle.status == 64 && idle.errors.contains("--chat"))
    }

    @Test func resuming() throws {
        let directory = TemporaryDirectory()
        let (prompts, whole, part) = (prompts(directory), directory.file("whole"), directory.file("part"))
        let options = ["--max-tokens", "5", "--batch", "4", "--quiet"]
        #expect(try CommandTests.recast(["infer", Self.model, prompts, whole] + options).status == 0)
        let text = try String(contentsOfFile: whole, encoding: .utf8)
        #expect(try CommandTests.recast(["infer", Self.model, prompts, whole] + options).status == 73)
        #expect(try CommandTests.recast(["infer", Self.model, prompts, whole, "--resume"] + options).status == 64)
        for input in [prompts, Self.model + "/model.safetensors"] {
            let before = try Data(contentsOf: URL(fileURLWithPath: input)).count
            #expect(try CommandTests.recast(["infer", Self.model, prompts, input, "--force"] + options).status == 73)
            #expect(try Data(contentsOf: URL(fileURLWithPath: input)).count == before)
        }
        // What is left of a run that was killed in the sixth line; what it was made with stands beside it only until it ends.
        let lines = text.split(separator: "\n")
        let rest = lines[..<5].joined(separator: "\n") + "\n" + lines[5].prefix(9)
        try rest.write(toFile: part, atomically: true, encoding: .utf8)
        #expect(try CommandTests.recast(["infer", Self.model, prompts, part, "--resume"] + options).status == 64)
        let killed = directory.file("killed")
        let script =
            "\"$0\" \"$@\" & pid=$!; while [ ! -s '\(killed)' ]; do sleep 0.01; done; kill -KILL $pid; wait $pid"
        let slow = ["infer", Self.model, prompts, killed, "--max-tokens", "120", "--batch", "1", "--quiet"]
        #expect(try CommandTests.shell(script, slow).status == 137)
        #expect(FileManager.default.fileExists(atPath: killed + ".recast-infer"))
        #expect(try CommandTests.recast(slow + ["--resume", "--temperature", "1"]).status == 64)
        #expect(try CommandTests.recast(slow + ["--resume"]).status == 0)
        let other = directory.file("other")
        #expect(try CommandTests.recast(slow.map { $0 == killed ? other : $0 }).status == 0)
        #expect(try String(contentsOfFile: killed, encoding: .utf8) == String(contentsOfFile: other, encoding: .utf8))
    }

    // MARK: Tasks

    @Test func tasks() throws {
        let directory = TemporaryDirectory()
        let lines = [
            #"{"question": "Which is it?", "subject": "x", "choices": ["a", "b"], "answer": 0}"#,
            #"{"question": "And which is it?", "subject": "y", "choices": ["a", "b"], "answer": 1}"#,
        ]
        let path = directory.write("t.jsonl", Array(lines.joined(separator: "\n").utf8))
        let json = try CommandTests.recast("perplexity", Self.model, "--task", "quiz=\(path)", "--json").json
        let task = try #require(json["tasks"]?.array?[0])
        #expect(task["name"] == "quiz" && task["items"] == 2 && task["groups"]?.array?.count == 2)
        #expect(task["answers"]?.array?.allSatisfy { $0["log_likelihoods"]?.array?.count == 2 } == true)
        let shown = try CommandTests.recast("perplexity", Self.model, "--task", path)
        #expect(shown.status == 0 && shown.output.contains("accuracy"))
        #expect(try CommandTests.recast("perplexity", Self.model, "--task", path, "--text", Self.text).status == 64)
        let bad = directory.write("bad.jsonl", Array("{}\n".utf8))
        let outcome = try CommandTests.recast("perplexity", Self.model, "--task", bad)
        #expect(outcome.status == 65 && outcome.errors.contains("line 1"))
    }
}
