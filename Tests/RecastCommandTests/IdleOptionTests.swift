import TestSupport
import Testing

/// Options that would change nothing are errors, or a warning says so.
struct IdleOptionTests {
    @Test(arguments: [
        ["convert", "--no-verify", "--verify"], ["convert", "--no-verify", "--errors"],
        ["convert", "--to", "megatron", "--max-shard-size", "1MB"], ["convert", "--to", "megatron", "--mtp", "keep"],
        ["convert", "--tp", "2"], ["convert", "--vocab-size", "100"], ["convert", "--pre-tokenizer", "qwen2"],
        ["quantize", "--encoding", "nf4", "--group-size", "32"], ["quantize", "--encoding", "fp8", "--asymmetric"],
        ["quantize", "--encoding", "ct-int4", "--pure"], ["quantize", "--encoding", "ct-int4", "--effort", "1"],
    ])
    func conversions(_ arguments: [String]) throws {
        let directory = TemporaryDirectory()
        let words = [arguments[0], Fixtures.tinyModel, directory.file("out")] + arguments.dropFirst()
        let outcome = try CommandTests.recast(words)
        #expect(outcome.status == 64, "\(outcome.errors)")
    }

    @Test(arguments: [["--seed", "1"], ["--top-k", "5"], ["--top-p", "0.5"]])
    func draws(_ arguments: [String]) throws {
        let outcome = try CommandTests.recast(["generate", Fixtures.tinyModel, "--prompt", "a"] + arguments)
        #expect(outcome.status == 64 && outcome.errors.contains("--temperature"))
    }

    @Test func furtherLayers() throws {
        let directory = TemporaryDirectory()
        let outcome = try CommandTests.recast(
            "convert", Fixtures.tinyModel, directory.file("out"), "--mtp", "keep")
        #expect(outcome.status == 0 && outcome.errors.contains("--mtp keep changes nothing"))
    }
}
