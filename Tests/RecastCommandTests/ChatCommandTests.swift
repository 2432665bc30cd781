import Foundation
import Recast
import TestSupport
import Testing

/// Conversations and directories as texts, on the command line.
struct ChatCommandTests {
    private let directory = TemporaryDirectory()
    private let model = Fixtures.tinyModel

    private func write(_ name: String, _ text: String) -> String { directory.write(name, Array(text.utf8)) }

    private static let talk =
        #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello <|im_end|>"}]}"#

    private func fails(_ status: Int32, _ message: String, _ arguments: String...) throws {
        let outcome = try CommandTests.recast(arguments)
        #expect(outcome.status == status && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
    }

    @Test func rendering() throws {
        let talks = write("t.jsonl", Self.talk + "\n\n" + Self.talk + "\n")
        let text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello <|im_end|><|im_end|>\n"
        let rendered = try CommandTests.recast("tokenize", model, talks, "--chat", "--rendered")
        #expect(rendered.output == text + "\n" + text + "\n")
        let document = try CommandTests.recast("tokenize", model, talks, "--chat", "--json", "--generation-prompt").json
        let texts = try #require(document["texts"]?.array)
        #expect(texts.map { $0["text"]?.string } == ["\(talks): line 1", "\(talks): line 3"])
        #expect(texts[0]["rendered"]?.string == text + "<|im_start|>assistant\n")
        func ends(_ json: JSON?) -> Int { json!["ids"]!.array!.count { $0.int == 2047 } }
        #expect(ends(texts[0]) == 2)
        let special = try CommandTests.recast("tokenize", model, talks, "--chat", "--json", "--special").json
        #expect(ends(special["texts"]?.array?[0]) == 3)
        let own = write("own.jinja", "{% for m in messages %}[{{ m.content }}]{% endfor %}")
        let other = try CommandTests.recast("tokenize", model, talks, "--chat", "--rendered", "--chat-template", own)
        #expect(other.output.hasPrefix("[Hi][Hello <|im_end|>]\n"))
    }

    /// A text in lines has the score of the same text in a file, and each channel its own.
    @Test func lines() throws {
        let texts = ["The first of the texts.", "def other(x): return x + 1"]
        let lines = texts.map { JSON.object(JSON.Object([("text", .string($0))])).text() }
        let jsonl = write(
            "a.jsonl", lines.joined(separator: "\n") + "\n" + #"{"text": "Another one.", "channel": "b"}"#)
        let files = texts.enumerated().map { write("\($0).txt", $1) }
        let together = try CommandTests.recast("perplexity", model, "--text", jsonl, "--text", "c=\(jsonl)", "--json")
            .json
        let apart = try CommandTests.recast(["perplexity", model, "--json"] + files.flatMap { ["--text", "x=\($0)"] })
            .json
        let channels = try #require(together["channels"]?.array)
        #expect(channels.map { $0["name"]?.string } == ["a.jsonl", "b", "c"])
        let (own, other) = (channels[0]["nll"]!.double!, apart["channels"]!.array![0]["nll"]!.double!)
        #expect(apart["channels"]?.array?.count == 1 && abs(own - other) < 1e-6 * other)
    }

    @Test func answers() throws {
        let talks = write("t.jsonl", Self.talk + "\n" + Self.talk)
        let all = try CommandTests.recast("perplexity", model, "--text", talks, "--json")
        let answers = try CommandTests.recast("perplexity", model, "--text", talks, "--json", "--answers")
        #expect(all.errors.contains("spells out special tokens, 2 in all"))
        let ids = try CommandTests.recast("tokenize", model, talks, "--chat", "--json").json
        let count = ids["texts"]!.array![0]["ids"]!.array!.count
        #expect(try all.json["total"]?["scored"]?.int == 2 * (count - 1))
        // From the end: a line break, which no model is asked for. Before: the turn of the user and the prompt.
        let line = write("p.jsonl", #"{"messages": [{"role": "user", "content": "Hi"}]}"#)
        let prompt = try CommandTests.recast("tokenize", model, line, "--chat", "--json", "--generation-prompt").json
        let before = prompt["texts"]!.array![0]["ids"]!.array!.count
        #expect(try answers.json["total"]?["scored"]?.int == 2 * (count - before - 1))
        let compared = try CommandTests.recast("compare", model, model, "--text", talks, "--answers", "--json").json
        #expect(compared["total"]?["scored"]?.int == 2 * (count - before - 1))
        #expect(compared["total"]?["kld"]?["max"]?.double == 0)
    }

    @Test func directories() throws {
        _ = write("d/b.txt", "One text of some words.")
        _ = write("d/a.md", "And another text of words.")
        _ = write("d/c.bin", "x")
        _ = write("d/.hidden.txt", "x")
        _ = write("d/e/f.txt", "x")
        let own = try CommandTests.recast("perplexity", model, "--text", directory.file("d"), "--json")
        #expect(try own.json["channels"]?.array?.map { $0["name"]?.string } == ["a.md", "b.txt"])
        #expect(own.errors.contains("2 entries are no texts by their names, and are skipped: c.bin, e"))
        let named = try CommandTests.recast("perplexity", model, "--text", "all=" + directory.file("d"), "--json").json
        #expect(named["channels"]?.array?.map { $0["name"]?.string } == ["all"])
        #expect(named["total"]?["scored"]?.int == (try own.json["total"]?["scored"]?.int))
        _ = write("n/c.bin", "x")
        try fails(66, "is a directory without texts", "perplexity", model, "--text", directory.file("n"))
    }

    @Test func badLines() throws {
        let good = #"{"text": "A text of words."}"# + "\n\n"
        func line(_ line: String, _ message: String) throws {
            let path = write("bad.jsonl", good + line)
            let outcome = try CommandTests.recast("perplexity", model, "--text", path)
            #expect(outcome.status == 65, "\(outcome.errors)")
            #expect(
                outcome.errors.contains("bad.jsonl: line 3") && outcome.errors.contains(message), "\(outcome.errors)")
        }
        try line("{", "unexpected end of JSON")
        try line("{}", "has neither \"text\" nor \"messages\"")
        try line("[1]", "has neither")
        try line(#"{"text": 1}"#, "\"text\" is no string")
        try line(#"{"text": "a", "channel": 1}"#, "\"channel\" is no string")
        try line(#"{"text": "a", "messages": [{"role": "user", "content": "a"}]}"#, "has both")
        try line(#"{"messages": [{"content": "a"}]}"#, "message 1 has no role")
        try line(#"{"messages": [{"role": "user", "content": 5}]}"#, "chat template: line ")
        _ = write("empty.jsonl", "\n")
        try fails(65, "holds no text", "perplexity", model, "--text", directory.file("empty.jsonl"))
    }

    @Test func refusals() throws {
        let talks = write("t.jsonl", Self.talk)
        let text = write("a.txt", "A text of words.")
        let prompts = write("p.jsonl", #"{"messages": [{"role": "user", "content": "Hi"}]}"#)
        try fails(64, "is no conversation", "perplexity", model, "--text", text, "--answers")
        try fails(65, "no message is an answer", "perplexity", model, "--text", prompts, "--answers")
        try fails(
            64, "--window second-half", "perplexity", model, "--text", talks, "--answers", "--window", "second-half")
        try fails(
            64, "--chat-template is for conversations", "perplexity", model, "--text", text, "--chat-template", text)
        try fails(64, "--chat reads them", "tokenize", model, talks, "--rendered")
        try fails(65, "is no conversation", "tokenize", model, text, "--chat")
        try fails(64, "--prompt TEXT or --chat TEXT", "generate", model)
        try fails(64, "goes through the template", "generate", model, "--chat", "a", "--prompt", "b")
        try fails(64, "--system is for --chat", "generate", model, "--prompt", "b", "--system", "c")
        let broken = write("broken.jinja", "a\n{% if x %}\n")
        try fails(
            65, "broken.jinja: chat template: line 2", "generate", model, "--chat", "a", "--chat-template", broken)
        let none = TemporaryDirectory()
        try FileManager.default.copyItem(atPath: model, toPath: none.file("m"))
        var settings = try JSON(parsing: FileSource.contents(of: none.file("m/tokenizer_config.json")), file: "")
            .object!
        settings["chat_template"] = nil
        none.write("m/tokenizer_config.json", JSON.object(settings).serialized())
        let outcome = try CommandTests.recast("perplexity", none.file("m"), "--text", talks)
        #expect(outcome.status == 66 && outcome.errors.contains("there is no chat template"))
        #expect(outcome.errors.contains("--chat-template FILE"))
        settings["chat_template"] = "{{ raise_exception('never, \\n' ~ messages[0].content) }}"
        none.write("m/tokenizer_config.json", JSON.object(settings).serialized())
        try fails(
            65, "line 1: the template refuses the conversation: never", "perplexity", none.file("m"), "--text", talks)
    }

    /// Documents that are too short are counted, and one that is alone is an error.
    @Test func shortDocuments() throws {
        let lines = write("s.jsonl", #"{"text": ""}"# + "\n" + #"{"text": "A text of words."}"#)
        let outcome = try CommandTests.recast("perplexity", model, "--text", lines, "--quiet")
        #expect(outcome.status == 0 && outcome.errors.contains("1 of 2 documents of s.jsonl are left out"))
        try fails(64, "none can be scored", "perplexity", model, "--text", write("e.txt", ""))
        let long = try CommandTests.recast(
            "perplexity", model, "--text", write("t.jsonl", Self.talk), "--context", "8")
        #expect(long.errors.contains("1 of 1 conversations of t.jsonl are longer than 8 tokens"))
    }

    /// An answer alone is shown, and the same one that the rendered text gives.
    @Test func generating() throws {
        let chat = try CommandTests.recast("generate", model, "--chat", "Hi", "--max-tokens", "8", "--quiet")
        let prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        let whole = try CommandTests.recast("generate", model, "--prompt", prompt, "--max-tokens", "8", "--quiet")
        #expect(chat.status == 0 && whole.output == prompt + chat.output)
        let json = try CommandTests.recast(
            "generate", model, "--chat", "Hi", "--system", "S", "--max-tokens", "1", "--json"
        ).json
        #expect(json["prompt"]?.string == "<|im_start|>system\nS<|im_end|>\n" + prompt)
    }

    /// Conversations calibrate as well.
    @Test func calibrating() throws {
        let talks = write("t.jsonl", Array(repeating: Self.talk, count: 8).joined(separator: "\n"))
        let outcome = try CommandTests.recast(
            "quantize", model, directory.file("q"), "--encoding", "gptq-int4", "--calibration", talks, "--effort", "0")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let importance = try CommandTests.recast(
            "importance", model, directory.file("i.gguf"), "--text", talks, "--context", "16", "--chunks", "2", "--json"
        ).json
        #expect(importance["chunks"]?.int == 2)
    }
}
