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
            $0.configuration["model_type"] = "rwkv"
            for index in $0.tensors.indices { $0.tensors[index].name = "backbone.\(index).mixer.A_log" }
        }
        #expect(!far.contains("family") && !far.contains("nearest"), "\(far)")
    }

    /// What `recast families` says of a folder: the family by structure, and what differs, with and without the weights.
    @Test func whatItWouldTake() throws {
        let directory = TemporaryDirectory()
        var small = SmallModel.deepSeek(generation: 3, queryRank: 8)
        small.configuration["architectures"] = ["NewForCausalLM"]
        small.configuration["model_type"] = "new"
        small.configuration["new_temperature"] = 2
        func answer() throws -> ArchitectureAnswer.Nearest {
            let answer = try ArchitectureAnswer(path: small.write(to: directory))
            guard case .unknown = answer.standing else { throw RecastError(.usage, "\(answer.standing)") }
            #expect(answer.architecture == "NewForCausalLM")
            return try #require(answer.nearest)
        }
        // Queries of a rank stand for queries without one.
        var nearest = try answer()
        #expect(nearest.family.name == "deepseek_v3" && nearest.isClose && nearest.isToldByTensors)
        #expect(nearest.unknownTensors == [] && nearest.missingTensors == [] && nearest.isPerhapsOne)
        #expect(nearest.unknownKeys == ["new_temperature"])
        for layer in 0..<4 { small.add("model.layers.\(layer).self_attn.gate.weight", [4, 32]) }
        small.tensors.removeAll { $0.name.hasSuffix("e_score_correction_bias") }
        for key in ["topk_method", "scoring_func"] { small.configuration[key] = .null }
        small.configuration["norm_topk_prob"] = false
        nearest = try answer()
        #expect(nearest.unknownTensors == ["model.layers.N.self_attn.gate.weight"])
        #expect(nearest.missingTensors == [])
        #expect(nearest.family.name == "deepseek_v2" && nearest.problem == nil && !nearest.isPerhapsOne)
        small.configuration["v_head_dim"] = "eight"
        #expect(try answer().problem?.contains("v_head_dim") == true)

        // A configuration, and the index of what has not been fetched.
        small.configuration["v_head_dim"] = 8
        let folder = try small.write(to: directory)
        let names = JSON.Object(small.tensors.map { ($0.name, "model-00001-of-00002.safetensors") })
        let index: JSON = ["weight_map": .object(names)]
        directory.write("far/config.json", try FileSource.contents(of: folder + "/config.json"))
        #expect(try ArchitectureAnswer(path: directory.file("far")).nearest?.isToldByTensors == false)
        let near = try #require(try ArchitectureAnswer(path: directory.file("far/config.json")).nearest)
        #expect(near.family.hasLatentAttention && near.isClose)
        directory.write("far/model.safetensors.index.json", Array(index.text().utf8))
        let far = try #require(try ArchitectureAnswer(path: directory.file("far")).nearest)
        #expect(far.isToldByTensors && far.unknownTensors == ["model.layers.N.self_attn.gate.weight"])
        directory.write("far/config.json", Array("[]".utf8))
        #expect(throws: RecastError.self) { try ArchitectureAnswer(path: directory.file("far/config.json")) }
        #expect(throws: RecastError.self) { try ArchitectureAnswer(path: directory.file("none")) }
    }

    /// A text model inside of another, and experts as transformers has them in memory.
    @Test func otherSpellings() {
        #expect(
            Family.comparable([
                "vision_tower.a.weight", "model.language_model.layers.0.mlp.experts.gate_up_proj", "lm_head.weight",
                "model.language_model.layers.0.mlp.experts.down_proj_bias",
            ]) == [
                "model.layers.0.mlp.experts.0.gate_proj.weight", "model.layers.0.mlp.experts.0.up_proj.weight",
                "model.layers.0.mlp.experts.0.down_proj.bias", "lm_head.weight",
            ])
        #expect(Family.comparable(["layers.0.mlp.up_proj.weight"]) == ["model.layers.0.mlp.up_proj.weight"])
    }

    @Test func byName() {
        for (name, family) in [("qwen3", "qwen3"), ("Qwen3ForCausalLM", "qwen3"), ("gemma3_text", "gemma3_text")] {
            guard case .family(let found) = ArchitectureAnswer(named: name).standing else {
                Issue.record("\(name)")
                continue
            }
            #expect(found.name == family)
        }
        for (name, mechanism) in [
            ("DeepseekV4ForCausalLM", "hyper-connections"), ("DeepseekV4Model", "hyper-connections"),
            ("KimiK3ForConditionalGeneration", "KDA"), ("KimiLinearForCausalLM", "KDA"),
            ("Qwen4ExpForConditionalGeneration", "gated delta net"), ("MiniMaxM3VLForConditionalGeneration", "blocks"),
        ] {
            guard case .refused(let difference) = ArchitectureAnswer(named: name).standing else {
                Issue.record("\(name)")
                continue
            }
            #expect(difference.contains(mechanism))
        }
        let unknown = ArchitectureAnswer(named: "Qwen3ForCausalLN")
        guard case .unknown = unknown.standing else {
            Issue.record("\(unknown.standing)")
            return
        }
        #expect(unknown.similarNames.first == "Qwen3ForCausalLM" && unknown.nearest == nil)
    }

    /// What is refused by name is no family.
    @Test func refusedAreNoFamilies() {
        let refused = UnsupportedArchitecture.all.flatMap(\.architectures)
        #expect(Set(refused).count == refused.count)
        // ChatGLM's name is that of several models.
        #expect(
            Set(refused).intersection(Family.all.flatMap(\.architectures)).subtracting([
                "ChatGLMModel", "ChatGLMForConditionalGeneration",
            ])
            .isEmpty)
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
