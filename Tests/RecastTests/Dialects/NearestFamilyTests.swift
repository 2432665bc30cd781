import Recast
import TestSupport
import Testing

@testable import Recast

/// The family that a model of an unknown architecture is like is told by its tensors and its `model_type`, never by how its
/// architecture is spelled.
struct NearestFamilyTests {
    private func refusal(_ change: (inout SmallModel) -> Void, of family: String = "qwen2") -> String {
        let directory = TemporaryDirectory()
        var small = SmallModel(family)
        change(&small)
        let error = #expect(throws: RecastError.self) { try Model(Checkpoint(path: small.write(to: directory))) }
        #expect(error?.code == .unsupported)
        return error?.description ?? ""
    }

    /// Spelled most like Mixtral, Phi 3 or nothing, and named like these.
    @Test(arguments: ["MixtralForCausalLN", "Phi3ForCausalLMs", "SomethingElse"], ["qwen2", "llama"])
    func byTensors(_ architecture: String, _ family: String) {
        let text = refusal(
            {
                $0.configuration["architectures"] = [.string(architecture)]
                $0.configuration["model_type"] = "unheard-of"
            }, of: family)
        #expect(text.contains("unknown architecture \(architecture)"), "\(text)")
        #expect(text.contains("the names of its tensors are those of the family \(family) ("), "\(text)")
        #expect(text.contains("\"architectures\": ["), "\(text)")
    }

    /// Of families with the same names the one is meant that `model_type` names.
    @Test(arguments: [
        ("gemma", "GemmaForCausalLM"), ("mistral", "MistralForCausalLM"), ("granite", "GraniteForCausalLM"),
    ])
    func byModelType(_ type: String, _ architecture: String) {
        let text = refusal(
            {
                $0.configuration["architectures"] = ["MyTuneOfIt"]
                $0.configuration["model_type"] = .string(type)
            }, of: "llama")
        #expect(
            text.contains("its model_type are those of the family") && text.contains("(\(architecture))"), "\(text)")
    }

    /// A few tensors more or less are said; something else altogether is like nothing.
    @Test func unlike() {
        let close = refusal {
            $0.configuration["architectures"] = ["NewForCausalLM"]
            $0.configuration["model_type"] = "new"
            $0.add("model.layers.0.self_attn.sinks", [4])
        }
        #expect(
            close.contains("the nearest family is qwen2 (Qwen2ForCausalLM), which lacks 1 of its tensors"), "\(close)")
        let far = refusal {
            $0.configuration["architectures"] = ["Qwen2ForCausalLN"]
            $0.configuration["model_type"] = "mamba"
            for index in $0.tensors.indices { $0.tensors[index].name = "backbone.\(index).mixer.A_log" }
        }
        #expect(!far.contains("family") && !far.contains("nearest"), "\(far)")
    }

    /// The same in GGUF.
    @Test(arguments: ["orion", "qwen9", "phi9"]) func architectureOfGGUF(_ name: String) {
        var builder = GGUFBuilder()
        builder.pair("general.architecture", GGUFBuilder.string(name))
        builder.zeros("token_embd.weight", [32, 8])
        for part in ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_q_norm", "attn_k_norm", "attn_output"] {
            builder.zeros("blk.0.\(part).weight", [32])
        }
        for part in ["ffn_norm", "ffn_gate", "ffn_up", "ffn_down"] { builder.zeros("blk.0.\(part).weight", [32]) }
        builder.zeros("output_norm.weight", [32])
        let directory = TemporaryDirectory()
        let path = directory.write("a.gguf", builder.bytes)
        expectRejection(.unsupported, ["unknown architecture \"\(name)\"", "by its tensors the nearest is qwen3"]) {
            _ = try Model(Checkpoint(path: path))
        }
    }
}
