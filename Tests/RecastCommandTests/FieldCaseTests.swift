import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Small inputs from the field, each with what a user types: what is right is in `EXPECT.txt` beside it.
@Suite(.enabled(if: Fixtures.hasGolden)) struct FieldCaseTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        var status: Int32
        /// Words that what is said must have.
        var said: [String] = []

        init(_ name: String, _ status: Int32 = 0, _ said: String...) {
            (self.name, self.status, self.said) = (name, status, said)
        }

        var testDescription: String { name }
    }

    // swift-format-ignore
    static let cases = [
        Case("files/01-vlm-gemma3", 0, "vision_tower"),
        Case("files/05-mtp-deepseek-v3", 0, "44 tensors"),
        Case("files/06-spm-user-defined"),
        Case("files/07-bnb-int8-without-config"),
        Case("files/08-mlx-moe-write"),
        Case("files/09-two-sets-of-weights", 64, "two sets of weights", "model.safetensors"),
        Case("files/10-gguf-without-pre"),
        Case("files/12-vocab-json-and-merges"),
        Case("files/14-stale-index", 0, "warning", "is not used"),
        Case("files/15-shards-without-index"),
        Case("files/16-index-of-another-save", 0, "warning", "is not used"),
        Case("files/17-nemo2"),
        Case("files/19-prefix-orig-mod", 0, "_orig_mod."),
        Case("files/21-bin-nested"),
        Case("files/24-base-model-architecture"),
        Case("files/25-verl-fsdp", 69, "FSDP", "merge"),
        Case("files/27-pt-in-a-folder"),
        Case("files/28-lora-adapter-folder", 69, "adapter", "merge"),
        Case("files/29-unmerged-peft", 69, "not merged"),
        Case("files/30-lfs-pointer", 66, "pointer of Git LFS (131 bytes)", "git lfs pull"),
        Case("files/32-gguf-of-an-adapter", 0, "adapter"),
        Case("files/33-megatron-root-without-latest", 66, "latest_checkpointed_iteration.txt", "iter_0000002"),
        Case("files/34-spm-without-bytes", 0, "warning", "no tokens for bytes"),
        Case("files/36-index-with-ghost", 0, "warning", "model.layers.2.eh_proj.weight"),
        Case("quantized/01-ct-fp8-block-scales-count-equals-rows"),
        Case("quantized/02-gguf-nvfp4-scale-tensors", 0, "input_scale"),
        Case("quantized/03-perplexity-second-half-with-BOS", 0, "107.47"),
        Case("quantized/05-mlx-moe-switch_mlp"),
        Case("quantized/06-bnb-quant-storage-bf16"),
        Case("quantized/07-bnb-blocksize-128"),
        Case("quantized/08-autoround-mixed-bits-no-g_idx"),
        Case("quantized/10-modelopt-fp8", 0, "input_scale"),
        Case("quantized/11-modelopt-hf_quant_config-only"),
        Case("quantized/12a-nvfp4-modelopt"),
        Case("quantized/13-gptq-zero-biases", 0, "zero"),
        Case("quantized/16-ct-int8-zero-points"),
        Case("quantized/17-imatrix-zeros-wipe-weights", 0, "warning", "blk.0.ffn_gate_exps.weight"),
        Case("quantized/19-sparse-24-bitmask-unclear", 69, "marlin-24"),
        Case("quantized/20-gptq-config-without-quant_method"),
        Case("quantized/22-fp8-block-config-removed", 65, "quantization_config", "put back"),
        Case("quantized/23-mlx-nvfp4-mxfp8"),
        Case("quantized/25-gguf-add_bos_token-ignored-beside-embedded-json", 0, "107.2264"),
    ]

    /// Runs what the user types, in a copy of the folder.
    private static func run(_ name: String, in directory: TemporaryDirectory) throws -> CommandTests.Outcome {
        let folder = directory.file("case")
        try FileManager.default.copyItem(atPath: Fixtures.golden("../cases/\(name)"), toPath: folder)
        // What is in brackets is for people; of several commands the first one counts.
        let script = #"cd "$1" && bin="$0" && recast() { "$bin" "$@"; } && eval "$(sed 's/[(;].*//' cmd)""#
        return try CommandTests.shell(script, [folder])
    }

    @Test(arguments: cases) func isRight(_ expected: Case) throws {
        let directory = TemporaryDirectory()
        let outcome = try Self.run(expected.name, in: directory)
        let text = outcome.output + outcome.errors
        #expect(outcome.status == expected.status, "\(text)")
        for words in expected.said { #expect(text.contains(words), "\(text)") }
        if expected.status == 69 || expected.status == 65 { #expect(!text.contains("--allow-unknown"), "\(text)") }
    }

    /// A tensor of what a case wrote.
    private static func numbers(_ name: String, of path: String) throws -> [Float] {
        let checkpoint = try Checkpoint(path: path)
        let tensor = try #require(checkpoint.tensors.first { $0.name == name })
        var reader = Reader(files: checkpoint.sources)
        let bytes = try tensor.tensor.converted(to: .f32).bytes(using: &reader)
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// Scales of squares, by the formula.
    @Test func scalesOfSquares() throws {
        let directory = TemporaryDirectory()
        _ = try Self.run("quantized/01-ct-fp8-block-scales-count-equals-rows", in: directory)
        let name = "model.layers.0.mlp.down_proj.weight"
        let found = try Self.numbers(name, of: directory.file("case/out"))
        let codes = try Self.numbers(name, of: directory.file("case/in"))
        let scales = try Self.numbers(name + "_scale", of: directory.file("case/in"))
        #expect(found.count == 32 * 4096 && scales.count == 32)
        #expect(found.indices.allSatisfy { found[$0] == codes[$0] * scales[$0 % 4096 / 128] })
    }

    /// The factor that NVFP4 weights have beside them in GGUF.
    @Test func factorsOfBlocks() throws {
        let directory = TemporaryDirectory()
        _ = try Self.run("quantized/02-gguf-nvfp4-scale-tensors", in: directory)
        let found = try Self.numbers("model.layers.0.mlp.down_proj.weight", of: directory.file("case/out"))
        #expect(abs(found.reduce(0) { max($0, abs($1)) } - 0.2295) < 1e-4)
    }

    /// Pieces that the model calls the user's own.
    @Test func userDefinedPieces() throws {
        let directory = TemporaryDirectory()
        _ = try Self.run("files/06-spm-user-defined", in: directory)
        var files = FileList()
        let file = try GGUFFile(path: directory.file("case/out.gguf"), files: &files)
        let types = try #require(file.metadata["tokenizer.ggml.token_type"]?.ints)
        #expect(types[3] == 4 && types[4] == 4)
    }

    /// What the option says of a file that says nothing.
    @Test func pieceExpression() throws {
        let directory = TemporaryDirectory()
        _ = try Self.run("files/10-gguf-without-pre", in: directory)
        let text = directory.write("text", Array("a(b) x=1;\n\n  y".utf8))
        let outcome = try CommandTests.recast("tokenize", directory.file("case/out"), text)
        #expect(outcome.output.hasPrefix("64 1431 8 "))
        let unsaid = try CommandTests.recast("tokenize", directory.file("case/input/G_nopre.gguf"), text)
        #expect(unsaid.errors.contains("tokenizer.ggml.pre"))
    }

    /// What norms add to their weights is in the weights in GGUF, and in the program elsewhere.
    @Test func normOffsets() throws {
        let source = Fixtures.golden("families/gemma1")
        let directory = TemporaryDirectory()
        let out = directory.file("d.gguf")
        let converted = try CommandTests.recast("convert", source, out, "--dtype", "f32")
        #expect(converted.status == 0, "\(converted.errors)")
        let outcome = try CommandTests.recast("diff", source, out)
        #expect(outcome.status == 0, "\(outcome.output)")
    }

    /// A tokenizer of two files is that of one.
    @Test func vocabularyAndMerges() throws {
        let directory = TemporaryDirectory()
        _ = try Self.run("files/12-vocab-json-and-merges", in: directory)
        var files = FileList()
        let file = try GGUFFile(path: directory.file("case/out.gguf"), files: &files)
        #expect(file.metadata["tokenizer.ggml.tokens"]?.strings?.count == 2048)
        #expect(file.metadata["tokenizer.ggml.merges"]?.strings?.count == 1789)
        let types = try #require(file.metadata["tokenizer.ggml.token_type"]?.ints)
        #expect(types[2045...] == [3, 3, 3])
        #expect(file.metadata["tokenizer.chat_template"] != nil)
    }
}
