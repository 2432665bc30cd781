import Foundation
import Recast
import TestSupport
import Testing

/// `--report` as scripts rely on it: the page is there beside the result, with the same exit status.
struct ReportCommandTests {
    private let directory = TemporaryDirectory()
    private let model = Fixtures.tinyModel

    private func page(_ name: String) -> String { String(decoding: directory.bytes(name) ?? [], as: UTF8.self) }

    @Test func inspect() throws {
        let plain = try CommandTests.recast("inspect", model, "--json")
        let outcome = try CommandTests.recast("inspect", model, "--json", "--report", directory.file("a.html"))
        #expect(outcome.status == 0 && outcome.output == plain.output, "\(outcome.errors)")
        let page = page("a.html")
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("Bits per weight") && page.contains("megatron-dist"))
        #expect(page.contains("recast inspect "))
    }

    /// Names of what only its owner may read are no more open in a page.
    @Test func permissions() throws {
        let copy = directory.file("q.gguf")
        #expect(try CommandTests.recast("quantize", model, copy, "--encoding", "q8_0").status == 0)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: copy)
        #expect(try CommandTests.recast("inspect", copy, "--report", directory.file("p.html")).status == 0)
        let mode = try FileManager.default.attributesOfItem(atPath: directory.file("p.html"))[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    /// The verdict is the command's own, and the page is written nevertheless.
    @Test func diff() throws {
        let other = directory.file("q.gguf")
        #expect(try CommandTests.recast("quantize", model, other, "--encoding", "q8_0").status == 0)
        let same = try CommandTests.recast("diff", model, model, "--report", directory.file("same.html"))
        #expect(same.status == 0 && page("same.html").contains("verdict passed"))
        let outcome = try CommandTests.recast("diff", model, other, "--report", directory.file("d.html"), "--json")
        let document = try outcome.json
        #expect(outcome.status == 1 && document["equal"]?.bool == false)
        #expect(page("d.html").contains("verdict failed") && page("d.html").contains("Relative error"))
        let lost = try CommandTests.shell(
            "exec \"$0\" \"$@\" > /dev/full", ["diff", model, other, "--report", directory.file("e.html"), "--quiet"])
        #expect(lost.status == 74 && page("e.html").contains("verdict failed"))
    }

    @Test func quantize() throws {
        let text = directory.write("text.txt", try FileSource.contents(of: model + "/text/poetry.txt"))
        let outcome = try CommandTests.recast(
            "quantize", model, directory.file("q.gguf"), "--encoding", "q4_0", "--calibration", text, "--report",
            directory.file("q.html"))
        #expect(outcome.status == 0 && outcome.output.contains("gptq by calibration"), "\(outcome.errors)")
        for words in ["verdict passed", "Before and after", "Bits per weight", "Bytes by encoding"] {
            #expect(page("q.html").contains(words), "\(words)")
        }
        let plain = try CommandTests.recast(
            "quantize", model, directory.file("p.gguf"), "--encoding", "q4_0", "--no-verify", "--report",
            directory.file("p.html"))
        #expect(plain.status == 0 && page("p.html").contains("verdict neutral"))
    }

    /// Nothing is written over, and nothing is measured for a page that could not be written.
    @Test func destinations() throws {
        directory.write("there.html", [1])
        directory.write("notes.txt", [1])
        let out = directory.file("out.gguf")
        let quantize = ["quantize", model, out, "--encoding", "q4_0", "--report"]
        // swift-format-ignore
        let cases: [([String], Int32)] = [
            (["inspect", model, "--report", directory.file("there.html")],          73),
            (["diff", model, model, "--report", directory.file("there.html")],      73),
            (quantize + [directory.file("there.html")],                             73),
            (["inspect", model, "--report", directory.file("no/way.html")],         74),
            (["inspect", model, "--report", directory.file("notes.txt"), "--force"], 64),
            (["inspect", model, "--report", ""],                                    64),
            (["inspect", model, "--force"],                                         64),
            (quantize + [directory.file("x.html"), "--dry-run"],                    64),
            (["quantize", model, directory.file("x.html"), "--encoding", "nf4", "--report", directory.file("x.html")], 64),
            (["quantize", model, directory.file("x"), "--encoding", "nf4", "--report", directory.file("x/x.html")],    64),
        ]
        for (arguments, status) in cases {
            let outcome = try CommandTests.recast(arguments)
            #expect(outcome.status == status && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        }
        #expect(directory.names == ["notes.txt", "there.html"] && directory.bytes("there.html") == [1])
        let forced = try CommandTests.recast("inspect", model, "--report", directory.file("there.html"), "--force")
        #expect(forced.status == 0 && page("there.html").contains("qwen2"))
    }

    @Test func spaceIsNeeded() throws {
        // A file may not be larger than this shell allows.
        let outcome = try CommandTests.shell(
            "ulimit -f 8; exec \"$0\" \"$@\"", ["inspect", model, "--report", directory.file("a.html"), "--quiet"])
        #expect(outcome.status == 74 && outcome.errors.contains("File too large"), "\(outcome.errors)")
        #expect(directory.names.isEmpty)
    }
}
