import Foundation
import Recast
import TestSupport
import Testing

/// Calibrations, and what is made for them, by the command line.
struct CalibrationCommandTests {
    /// A calibration by the command line: the table, the record, the words of the result; and by how much it helps.
    @Test func calibrationAndComparison() throws {
        let directory = TemporaryDirectory()
        let model = Fixtures.tinyModel
        let paths = ["plain", "calibrated"].map { directory.file($0 + ".gguf") }
        let plain = try CommandTests.recast("quantize", model, paths[0], "--encoding", "q4_0", "--quiet")
        #expect(plain.status == 0 && !plain.output.contains("calibration"))
        let jsonl = directory.write(
            "code.jsonl", Array("{\"text\": \"def f(x): return x\", \"channel\": \"code\"}\n".utf8))
        let arguments = [
            "quantize", model, paths[1], "--encoding", "q4_0", "--calibration", "\(model)/text/prose.txt",
            "--calibration", jsonl, "--calibration-tokens", "4000", "--effort", "1", "--jobs", "2",
        ]
        let json = try CommandTests.recast(arguments + ["--json"]).json
        let weights = try #require(json["calibration"]?.array)
        #expect(weights.count == 30)
        for weight in weights {
            #expect(try #require(weight["error"]?.double) <= 1.0001 * #require(weight["search_error"]?.double))
        }
        #expect(json["exactness"] == "quantized")
        let metadata = try CommandTests.recast("inspect", paths[1], "--metadata", "--json").output
        #expect(metadata.contains("quantize.calibration.method") && metadata.contains("quantize.calibration.texts"))
        let again = try CommandTests.recast(arguments)
        #expect(again.status == 73)
        let text = try CommandTests.recast(arguments + ["--force"])
        #expect(text.output.contains("gptq by calibration") && text.output.contains("layers.3.down.weight"))

        let texts = ["--text", "\(model)/text/poetry.txt", "--context", "256"]
        let scores = try paths.map { try CommandTests.recast(["compare", model, $0, "--json"] + texts).json }
        let divergences = try scores.map { try #require($0["total"]?["kld"]?["mean"]?.double) }
        #expect(divergences[1] < 0.75 * divergences[0], "\(divergences)")
        #expect(scores[0]["channels"]?.array?.count == 1 && scores[0]["total"]?["scored"] == 6447)
        let passes = try CommandTests.recast(
            ["compare", model, paths[1], "--max-kld", "1", "--min-top1", "0.5"] + texts)
        #expect(passes.status == 0)
        let fails = try CommandTests.recast(["compare", model, paths[1], "--max-kld", "0.000001"] + texts)
        #expect(fails.status == 1 && fails.errors.contains("mean divergence"))
    }

    @Test func importanceIsUsable() throws {
        let directory = TemporaryDirectory()
        let (model, file) = (Fixtures.tinyModel, directory.file("importance.gguf"))
        let measured = try CommandTests.recast(
            "importance", model, file, "--text", "\(model)/text/poetry.txt", "--context", "128", "--chunks", "9")
        #expect(measured.status == 0 && measured.output.contains("28 weights on 1152 tokens in 9 chunks"))
        let quantized = try CommandTests.recast(
            "quantize", model, directory.file("q.gguf"), "--encoding", "iq2_xs", "--importance", file, "--quiet")
        #expect(quantized.status == 0)
        let short = try CommandTests.recast(
            "importance", model, directory.file("x.gguf"), "--text", "\(model)/text/poetry.txt", "--context", "100000")
        #expect(short.status == 64 && short.errors.contains("shorter than one chunk"))
        #expect(try CommandTests.recast("importance", model, file, "--text", "\(model)/text/poetry.txt").status == 73)
    }

    /// Types chosen for a size, and used again from the file in which they are saved.
    @Test func budgetAndRecipe() throws {
        let directory = TemporaryDirectory()
        let model = Fixtures.tinyModel
        let paths = ["chosen", "again", "rounded"].map { directory.file($0 + ".gguf") }
        let texts = [
            "--calibration", "\(model)/text/calibration.txt", "--calibration-tokens", "6000", "--effort", "0",
        ]
        let types = ["--target-types", "q3_k,q4_k,q5_k,q6_k"]
        let budget = ["quantize", model, paths[0], "--target-size", "1.9MB", "--candidates", "2"] + types + texts
        let dry = try CommandTests.recast(budget + ["--dry-run", "--json"]).json
        let range = try #require(dry["smallest_bytes"]?.int)...#require(dry["largest_bytes"]?.int)
        #expect(range.contains(1_900_000))
        let json = try CommandTests.recast(budget + ["--json"]).json
        let size = try #require(json["bytes"]?.int)
        #expect(size <= 1_900_000 && size > 1_890_000)
        #expect(json["budget"]?["units"]?.array?.count == 22)
        #expect(json["budget"]?["candidates"]?.array?.map { $0["written"]?.bool }.contains(true) == true)
        let recipe = paths[0] + ".recipe"
        #expect(FileManager.default.fileExists(atPath: recipe))

        let replay = ["quantize", model, paths[1], "--recipe", recipe, "--hold-out", "0.125"] + texts
        #expect(try CommandTests.recast(replay).status == 0)
        #expect(try FileSource.contents(of: paths[0]) == FileSource.contents(of: paths[1]))
        let rounded = try CommandTests.recast("quantize", model, paths[2], "--recipe", recipe, "--json").json
        #expect(rounded["types"] == json["types"] && rounded["calibration"] == .null)

        // What is there is not written over, and that is said before anything is measured.
        let again = try CommandTests.recast(budget)
        #expect(again.status == 73 && !again.errors.contains("measuring"))
        let small = try CommandTests.recast(
            ["quantize", model, directory.file("small.gguf"), "--target-size", "1MB"] + types + texts)
        #expect(small.status == 64 && small.errors.contains("cannot be met"))
        let folder = try CommandTests.recast(
            ["quantize", model, directory.file("folder"), "--target-size", "2MB"] + types + texts)
        #expect(folder.status == 64 && folder.errors.contains(".gguf"))
    }

    @Test(arguments: [
        ["--target-size", "2MB"], ["--target-size", "2MB", "--target-bits-per-weight", "4", "--calibration", "a.txt"],
        ["--target-size", "2MB", "--encoding", "f16", "--calibration", "a.txt"], ["--candidates", "2"],
        ["--target-size", "2MB", "--encoding", "gptq-int4", "--calibration", "a.txt"],
        ["--target-size", "2MB", "--pure", "--calibration", "a.txt"],
        ["--target-size", "2MB", "--hold-out", "0", "--calibration", "a.txt"],
        ["--target-bits-per-weight", "1e12", "--calibration", "a.txt"],
        ["--target-bits-per-weight", "0", "--calibration", "a.txt"], ["--calibration", "a.txt"], [],
        ["--target-size", "2MB", "--calibration", "a.txt", "--target-types", "q4_k,q9"],
        ["--target-size", "2MB", "--calibration", "a.txt", "--target-types", "f16"],
        ["--encoding", "q4_0", "--hold-out", "0.1"],
    ])
    func budgetsThatMakeNoSense(_ arguments: [String]) throws {
        let outcome = try CommandTests.recast(["quantize", Fixtures.tinyModel, "out.gguf"] + arguments)
        #expect(outcome.status == 64)
    }

    @Test(arguments: [
        ["--calibration", "a.txt", "--method", "round"], ["--method", "gptq"], ["--method", "awq"],
        ["--calibration", "a.txt", "--importance", "b.gguf"], ["--calibration", "a.txt", "--effort", "4"],
        ["--calibration", "a.txt", "--damping", "0"], ["--act-order"], ["--reorder"],
        ["--calibration", "a.txt", "--method", "awq", "--reorder"], ["--effort", "1"], ["--damping", "0.1"],
        ["--calibration-tokens", "200"], ["--calibration-context", "64"],
    ])
    func calibrationsThatMakeNoSense(_ arguments: [String]) throws {
        let outcome = try CommandTests.recast(
            ["quantize", Fixtures.tinyModel, "out.gguf", "--encoding", "q4_0"] + arguments)
        #expect(outcome.status == 64)
    }

    @Test func encodingsWithoutCalibration() throws {
        let directory = TemporaryDirectory()
        let (encoding, target) = ("f16", directory.file("out.gguf"))
        let outcome = try CommandTests.recast(
            "quantize", Fixtures.tinyModel, target, "--encoding", encoding, "--calibration",
            "\(Fixtures.tinyModel)/text/poetry.txt", "--calibration-tokens", "2000")
        #expect(outcome.status == 69 && outcome.errors.contains("a calibration"))
        #expect(!FileManager.default.fileExists(atPath: target))
    }
}
