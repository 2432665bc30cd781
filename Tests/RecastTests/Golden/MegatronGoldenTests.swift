import TestSupport
import Testing

@testable import Recast

/// Checkpoints that Megatron itself wrote, against the same models in safetensors by transformers.
@Suite(.enabled(if: Fixtures.hasGolden))
struct MegatronGoldenTests {
    // swift-format-ignore
    static let checkpoints: [(path: String, model: String)] = [
        ("torch/mlm_main_bridge/llama_g4_fp32/tp1_pp1",                    "llama_g4_fp32"),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp2_pp1",                    "llama_g4_fp32"),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp1_pp2",                    "llama_g4_fp32"),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp2_pp2",                    "llama_g4_fp32"),
        ("torch/mlm_main_bridge/llama_g2_tied_bf16/tp1_pp1_release",       "llama_g2_tied_bf16"),
        ("torch/mlm_main_bridge/llama_g2_tied_bf16/tp1_pp2",               "llama_g2_tied_bf16"),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp2_pp2",                    "llama_g4_bf16"),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp1_pp2_first1",             "llama_g4_bf16"),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp2_pp2_vppl1",              "llama_g4_bf16"),
        ("torch/mlm_main_bridge/qwen2_bias_bf16/tp2_pp1",                  "qwen2_bias_bf16"),
        ("torch/mlm_main_bridge/qwen3_qknorm_bf16/tp2_pp2",                "qwen3_qknorm_bf16"),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp1_pp1",                    "qwen3moe_bf16"),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp1_pp1_ep2",                "qwen3moe_bf16"),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp2_pp1_ep2_etp2",           "qwen3moe_bf16"),
        ("torch/mlm_0120_tool/llama_g4_fp32_legacynames/tp2_pp2",          "llama_g4_fp32"),
        ("torch/mlm_0120_tool/llama_g2_tied_bf16_legacynames/tp2_pp2",     "llama_g2_tied_bf16"),
        ("torch/SYNTHETIC_te_names/llama_g4_bf16/tp2_pp2",                 "llama_g4_bf16"),
        ("torch/SYNTHETIC_te_names/qwen3moe_bf16/tp1_pp1_ep2",             "qwen3moe_bf16"),
        ("torch_dist/mlm_main_bridge/qwen3moe_bf16/tp1_pp1_ep2",     "qwen3moe_bf16"),
        ("torch_dist/mlm_main_bridge/llama_g4_fp32/tp1_pp1",         "llama_g4_fp32"),
        ("torch_dist/mlm_main_bridge/llama_g4_fp32/tp2_pp2",         "llama_g4_fp32"),
        ("torch_dist/mlm_main_bridge/qwen2_bias_bf16/tp2_pp1",       "qwen2_bias_bf16"),
        ("torch_dist/mlm_0161_mbridge/llama_g4_fp32/tp1_pp1",        "llama_g4_fp32"),
    ]

    /// With the original configuration: every bit, and the configuration itself.
    @Test(arguments: checkpoints) func toHuggingFace(path: String, model: String) throws {
        let directory = TemporaryDirectory()
        let destination = directory.file("out")
        let source = try Checkpoint(path: Fixtures.golden("megatron/" + path))
        let truth = Fixtures.golden("megatron/hf/" + model)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.huggingFaceConfiguration = truth
        let plan = try Planning(source, options).plan(destination: destination)
        #expect(plan.exactness == .bit)
        // The rotary base that an old tool writes wrongly, and nothing else of weight.
        #expect(
            plan.warnings.contains { $0.contains("rotary base") && $0.contains("10000") }
                == path.hasPrefix("torch/mlm_0120"))
        _ = try Conversion(plan, to: destination).run()
        let written = try Fixtures.contents(destination)
        #expect(written.count > 30)
        #expect(try written == Fixtures.contents(truth))
        let read = try Model(Checkpoint(path: destination)).graph.configuration
        #expect(try read == Model(Checkpoint(path: truth)).graph.configuration)
    }

    /// With nothing but the checkpoint: the same numbers, and a vocabulary that is cut or said to be padded.
    @Test(arguments: checkpoints) func byItself(path: String, model: String) throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("megatron/" + path))
        var options = Model.Options()
        options.vocabularySize = 250
        let graph = try Model(checkpoint, options: options).graph
        let truth = try Model(Checkpoint(path: Fixtures.golden("megatron/hf/" + model)))
        #expect(graph.configuration.family == truth.graph.configuration.family)
        #expect(graph.isTied == truth.graph.isTied)
        #expect(Set(graph.entries.map(\.slot)) == Set(truth.graph.entries.map(\.slot)))
        var reader = Reader(files: FilePool(checkpoint.files))
        var other = Reader(files: FilePool(truth.files))
        for entry in truth.graph.entries {
            #expect(try graph[entry.slot]?.hasSameBits(as: entry.tensor, &reader, &other) == true, "\(entry.slot)")
        }
        // Some writers say how many tokens there are, the others how many rows.
        let padded = try Model(checkpoint)
        let isTold = padded.graph.configuration.vocabularySize == 250
        #expect(isTold || padded.graph.configuration.vocabularySize == 256)
        #expect(padded.warnings.contains { $0.contains("--vocab-size") } != isTold)
    }
}
