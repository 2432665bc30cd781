import TestSupport
import Testing

@testable import Recast

/// Tensors that do not fit their configuration.
struct LiftingRejectionTests {
    private func lifted(
        _ family: String = "qwen2", allowsUnknown: Bool = false, _ change: (inout SmallModel) -> Void
    ) throws -> Model {
        let directory = TemporaryDirectory()
        var model = SmallModel(family)
        change(&model)
        var options = Model.Options()
        options.allowsUnknown = allowsUnknown
        return try Model(Checkpoint(path: model.write(to: directory)), options: options)
    }

    @Test(arguments: ["qwen2", "llama"])
    func accepted(_ family: String) throws {
        let model = try lifted(family) { _ in }
        #expect(model.warnings.isEmpty && model.notes.isEmpty)
        #expect(model.graph.entries.count == (family == "qwen2" ? 27 : 21))
    }

    @Test func missing() {
        expectRejection(["do not fit a qwen2 model", "missing: model.layers.1.mlp.up_proj.weight"], file: "model") {
            _ = try lifted { $0.remove("model.layers.1.mlp.up_proj.weight") }
        }
        expectRejection("missing: model.layers.0.self_attn.q_proj.bias") {
            _ = try lifted { $0.remove("model.layers.0.self_attn.q_proj.bias") }
        }
        expectRejection(["missing: model.layers.2.input_layernorm.weight", "missing: 7 more"]) {
            _ = try lifted { $0.configuration["num_hidden_layers"] = 3 }
        }
        expectRejection("missing: lm_head.weight") { _ = try lifted { $0.remove("lm_head.weight") } }
        expectRejection(["missing: model.embed_tokens.weight", "missing: 22 more"]) {
            _ = try lifted { $0.tensors = [] }
        }
    }

    /// A configuration of a few bytes that asks for three million tensors: those that are missing are counted, not listed.
    @Test func manyMissing() {
        let time = ContinuousClock().measure {
            // In each of 2 layers 3 × 65 536 weights of experts instead of 3 weights, and a router; no biases.
            expectRejection([
                "missing: model.layers.0.block_sparse_moe.gate.weight",
                "missing: model.layers.0.block_sparse_moe.experts.0.w1.weight",
                "missing: \(2 * (3 * 65536 + 1) - 5) more",
            ]) {
                _ = try lifted("llama") { model in
                    model.configuration["architectures"] = ["MixtralForCausalLM"]
                    model.configuration["model_type"] = "mixtral"
                    model.configuration["num_local_experts"] = 65536
                    model.configuration["num_experts_per_tok"] = 2
                    model.tensors.removeAll { $0.name.contains(".mlp.") }
                }
            }
            expectRejection("missing: model.layers.2.input_layernorm.weight") {
                _ = try lifted { $0.configuration["num_hidden_layers"] = 10_000 }
            }
        }
        #expect(time < .seconds(10))
    }

    @Test func misnamed() {
        expectRejection([
            "missing: model.layers.1.mlp.up_proj.weight (found model.layers.1.mlp.up_porj.weight)",
            "unknown: model.layers.1.mlp.up_porj.weight (nearest expected name model.layers.1.mlp.up_proj.weight)",
        ]) {
            _ = try lifted { $0["model.layers.1.mlp.up_proj.weight"].name = "model.layers.1.mlp.up_porj.weight" }
        }
    }

    /// What leaves tensors out is named where that is all that is wrong.
    @Test func optionForUnknown() throws {
        let name = "model.layers.0.extra.weight"
        expectRejection([name, "--allow-unknown"]) { _ = try lifted { $0.add(name, [4]) } }
        for change in [
            { $0.remove("model.norm.weight") }, { $0["model.norm.weight"].shape = [16, 2] },
            { $0.configuration["num_hidden_layers"] = 3 },
        ] as [(inout SmallModel) -> Void] {
            let error = #expect(throws: RecastError.self) {
                _ = try lifted {
                    $0.add(name, [4])
                    change(&$0)
                }
            }
            #expect(error?.description.contains("--allow-unknown") == false, "\(error?.description ?? "")")
        }
    }

    /// What belongs to a weight that the model has is not left out, whatever is allowed.
    @Test(arguments: [
        ("model.layers.2.mlp.up_proj.weight", "is of layer 2, the configuration says 2 layers"),
        ("model.layers.01.mlp.up_proj.weight", "belongs to a weight"),
        ("model.layers.0.mlp.up_proj.bias", "is a bias of the family that the configuration does not have"),
        ("model.layers.99999999999999999999.mlp.up_proj.weight", "belongs to a weight"),
        ("model.layers.0.self_attn.o_proj.bias", "is a bias of the family that the configuration does not have"),
        ("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "changes the weights beside it"),
        ("model.layers.0.mlp.up_proj.weight_scale", "look quantized"),
        ("lm_head.lora_B.default.weight", "changes the weights beside it"),
    ])
    func needed(_ name: String, _ reason: String) throws {
        for isAllowed in [false, true] {
            let error = #expect(throws: RecastError.self) {
                _ = try lifted(allowsUnknown: isAllowed) { $0.add(name, [4]) }
            }
            let said = error?.description ?? ""
            #expect(said.contains(name) && said.contains(reason), "\(said)")
            #expect(error?.description.contains("--allow-unknown") == false)
        }
    }

    /// Fewer layers in the configuration than in the file.
    @Test func fewerLayers() throws {
        let error = #expect(throws: RecastError.self) {
            _ = try lifted(allowsUnknown: true) { $0.configuration["num_hidden_layers"] = 1 }
        }
        #expect(error?.description.contains("is of layer 1, the configuration says 1 layers") == true)
        // Those for predicting further tokens come after them.
        let model = try lifted {
            $0.configuration["num_hidden_layers"] = 1
            $0.configuration["num_nextn_predict_layers"] = 1
        }
        #expect(model.warnings.isEmpty)
        #expect(model.notes.contains { $0.contains("predict further tokens") && $0.contains("model.layers.1.") })
        #expect(model.original?["num_nextn_predict_layers"]?.int == 0)
    }

    /// The configuration says of itself what the checkpoint is not.
    @Test func contradictions() throws {
        let plain = try lifted {
            $0.configuration["quantization_config"] = ["quant_method": "gptq", "bits": 4, "group_size": 128]
        }
        #expect(plain.warnings.count == 1 && plain.warnings[0].contains("says that weights are quantized (gptq)"))
        let other = try lifted { $0.configuration["model_type"] = "llama" }
        #expect(other.warnings.count == 1 && other.warnings[0].contains("model_type llama, but the architecture Qwen2"))
    }

    @Test(arguments: [
        "model.layers.-1.mlp.up_proj.weight", "vision.lm_head.weight", "x", "__metadata", "e\u{301}\u{1F600}",
    ])
    func unknown(_ name: String) throws {
        expectRejection("unknown: \(name)") { _ = try lifted { $0.add(name, [4]) } }
        let model = try lifted(allowsUnknown: true) { $0.add(name, [4]) }
        #expect(model.warnings == ["left out: \(name), which the family does not know"])
        #expect(model.graph.entries.count == 27)
    }

    @Test func allowingUnknownDoesNotAllowMissing() {
        expectRejection("missing: model.norm.weight") {
            _ = try lifted(allowsUnknown: true) { $0.remove("model.norm.weight") }
        }
    }

    static let shapes: [(String, [Int], [Int])] = [
        ("model.layers.0.self_attn.k_proj.weight", [32, 16], [16, 32]), ("model.norm.weight", [32, 1], [32]),
        ("model.layers.1.self_attn.q_proj.bias", [1, 32], [32]), ("model.embed_tokens.weight", [768], [24, 32]),
        ("lm_head.weight", [12, 64], [24, 32]), ("model.layers.0.mlp.down_proj.weight", [1, 32, 64], [32, 64]),
    ]

    @Test(arguments: shapes)
    func shape(_ name: String, _ shape: [Int], _ expected: [Int]) {
        expectRejection("\(name) has the shape \(shape), the configuration says \(expected)") {
            _ = try lifted { $0[name].shape = shape }
        }
    }

    @Test func scalarsAndEmptyTensors() {
        expectRejection("has the shape [], the configuration says [32]") {
            _ = try lifted {
                $0["model.norm.weight"].shape = []
                $0["model.norm.weight"].bytes = [0, 0, 0, 0]
            }
        }
        expectRejection("has the shape [0, 32], the configuration says [24, 32]") {
            _ = try lifted {
                $0["lm_head.weight"].shape = [0, 32]
                $0["lm_head.weight"].bytes = []
            }
        }
    }

    /// Elements narrower than a byte cannot be told apart within a vector.
    @Test func blocksInAVector() {
        expectRejection("model.norm.weight is stored as F4") {
            _ = try lifted {
                $0["model.norm.weight"].dtype = "F4"
                $0["model.norm.weight"].bytes.removeLast(112)
            }
        }
    }

    // MARK: Head and embedding

    @Test func ties() throws {
        let tied = try lifted {
            $0.configuration["tie_word_embeddings"] = true
            $0.remove("lm_head.weight")
        }
        #expect(tied.graph.isTied && tied.notes.isEmpty && tied.warnings.isEmpty)

        let repeated = try lifted {
            $0.configuration["tie_word_embeddings"] = true
            $0["lm_head.weight"].bytes = $0["model.embed_tokens.weight"].bytes
        }
        #expect(repeated.graph.isTied)
        #expect(repeated.notes == ["the output head equals the embedding, to which it is tied, and is left out"])
        #expect(repeated.evidence.map(\.answer) == ["yes"])

        let contradicting = try lifted { $0.configuration["tie_word_embeddings"] = true }
        #expect(!contradicting.graph.isTied)
        #expect(contradicting.warnings.count == 1 && contradicting.warnings[0].contains("kept, untied"))
        #expect(contradicting.evidence.map(\.answer) == ["no"])
    }

    @Test func savedFrequencies() throws {
        let model = try lifted {
            $0.add("model.layers.0.self_attn.rotary_emb.inv_freq", [4])
            $0.add("model.layers.1.self_attn.rotary_emb.inv_freq", [4])
        }
        #expect(model.graph.entries.count == 27)
        #expect(model.notes.count == 1)
        #expect(model.notes[0].hasPrefix("2 tensors that no model reads are left out, such as model.layers.0."))
    }
}

/// GGUF files that are well formed and describe no model.
struct GGUFModelRejectionTests {
    /// A one-layer llama with whatever is changed about it.
    private func lifted(_ change: (inout [(String, [UInt8])], inout GGUFBuilder) -> Void) throws -> Model {
        var pairs: [(String, [UInt8])] = [
            ("general.architecture", GGUFBuilder.string("llama")), ("llama.block_count", GGUFBuilder.u32(1)),
            ("llama.context_length", GGUFBuilder.u32(64)), ("llama.embedding_length", GGUFBuilder.u32(32)),
            ("llama.feed_forward_length", GGUFBuilder.u32(64)), ("llama.attention.head_count", GGUFBuilder.u32(4)),
            ("llama.attention.head_count_kv", GGUFBuilder.u32(2)),
            ("llama.attention.layer_norm_rms_epsilon", GGUFBuilder.f32(1e-6)),
        ]
        var file = GGUFBuilder()
        file.zeros("token_embd.weight", [32, 24])
        for (name, sizes) in [
            ("attn_norm", [32]), ("attn_q", [32, 32]), ("attn_k", [32, 16]), ("attn_v", [32, 16]),
            ("attn_output", [32, 32]), ("ffn_norm", [32]), ("ffn_gate", [32, 64]), ("ffn_up", [32, 64]),
            ("ffn_down", [64, 32]),
        ] as [(String, [Int64])] { file.zeros("blk.0.\(name).weight", sizes) }
        file.zeros("output_norm.weight", [32])
        change(&pairs, &file)
        for (key, value) in pairs { file.pair(key, value) }
        let directory = TemporaryDirectory()
        return try Model(Checkpoint(path: directory.write("a.gguf", file.bytes)))
    }

    @Test func accepted() throws {
        let model = try lifted { _, _ in }
        #expect(model.graph.isTied && model.graph.entries.count == 11)
    }

    /// Key, value in its place (nil: without it), code and message.
    static let keys: [(String, [UInt8]?, RecastError.Code, String)] = [
        ("general.architecture", nil, .malformedInput, "general.architecture is missing"),
        ("general.architecture", GGUFBuilder.u32(1), .malformedInput, "general.architecture is missing"),
        ("general.architecture", GGUFBuilder.string("llamo"), .unsupported, "the nearest is llama"),
        ("llama.block_count", nil, .malformedInput, "llama.block_count is missing"),
        ("llama.block_count", GGUFBuilder.u32(0), .malformedInput, "no integer from 1 to 512"),
        ("llama.block_count", GGUFBuilder.u32(513), .malformedInput, "no integer from 1 to 512"),
        ("llama.block_count", GGUFBuilder.string("1"), .malformedInput, "no integer"),
        ("llama.embedding_length", nil, .malformedInput, "is missing"),
        ("llama.embedding_length", GGUFBuilder.i32(-32), .malformedInput, "no integer"),
        ("llama.embedding_length", GGUFBuilder.u32(33), .malformedInput, "33 is not a multiple of 4 heads"),
        ("llama.attention.head_count", GGUFBuilder.u32(0), .malformedInput, "no integer"),
        ("llama.attention.head_count", GGUFBuilder.numbers([]), .malformedInput, "no integer"),
        ("llama.attention.head_count", GGUFBuilder.numbers([4, 2]), .unsupported, "differs between layers"),
        ("llama.attention.head_count", GGUFBuilder.numbers([-4]), .malformedInput, "is -4"),
        ("llama.attention.head_count_kv", GGUFBuilder.u32(3), .malformedInput, "3 key/value heads"),
        ("llama.attention.key_length", GGUFBuilder.u32(7), .malformedInput, "heads of 7 elements"),
        ("llama.attention.key_length", GGUFBuilder.u32(1 << 16), .malformedInput, "the configuration says"),
        ("llama.attention.key_length", GGUFBuilder.u32(1 << 31), .malformedInput, "no integer from 1 to 65536"),
        ("llama.attention.value_length", GGUFBuilder.u32(4), .unsupported, "values of another length"),
        ("llama.attention.layer_norm_rms_epsilon", nil, .malformedInput, "is missing or no small"),
        ("llama.attention.layer_norm_rms_epsilon", GGUFBuilder.f32(.nan), .malformedInput, "no small"),
        (
            "llama.rope.freq_base", GGUFBuilder.f32(.infinity), .malformedInput,
            "llama.rope.freq_base is no positive number"
        ),
        ("llama.rope.freq_base", GGUFBuilder.f32(-1), .malformedInput, "no positive number"),
        // Float64 that float32 has not.
        ("llama.rope.freq_base", GGUFBuilder.f64(1e300), .malformedInput, "no positive number"),
        ("llama.rope.freq_base", GGUFBuilder.f64(1e-300), .malformedInput, "no positive number"),
        ("llama.attention.layer_norm_rms_epsilon", GGUFBuilder.f64(1e-300), .malformedInput, "no small"),
        ("llama.rope.scale_linear", GGUFBuilder.f32(0), .malformedInput, "no positive number"),
        (
            "llama.rope.dimension_count", GGUFBuilder.u32(16), .malformedInput,
            "the rotary dimension is 16, of heads of 8"
        ),
        ("llama.rope.dimension_count", GGUFBuilder.u32(3), .malformedInput, "the rotary dimension is 3, of heads of 8"),
        ("llama.expert_count", GGUFBuilder.u32(8), .malformedInput, "llama.expert_used_count is missing"),
        ("llama.expert_count", GGUFBuilder.u32(1 << 20), .malformedInput, "no integer from 1 to 65536"),
    ]

    /// Numbers of experts that would count backwards.
    @Test func experts() {
        let cases = [
            ("llama.leading_dense_block_count", GGUFBuilder.i32(-3), "leading_dense_block_count is -3"),
            ("llama.leading_dense_block_count", GGUFBuilder.u32(2), "leading_dense_block_count is 2 of 1"),
            ("llama.expert_used_count", GGUFBuilder.u32(3), "3 of 2 experts"),
            ("llama.expert_used_count", GGUFBuilder.i32(-1), "llama.expert_used_count is no integer"),
        ]
        for (key, value, message) in cases {
            expectRejection(.malformedInput, message, file: "a.gguf") {
                _ = try lifted { pairs, _ in
                    pairs.append(("llama.expert_count", GGUFBuilder.u32(2)))
                    if key != "llama.expert_used_count" {
                        pairs.append(("llama.expert_used_count", GGUFBuilder.u32(1)))
                    }
                    pairs.append((key, value))
                }
            }
        }
    }

    @Test(arguments: keys.indices)
    func key(_ index: Int) {
        let (key, value, code, message) = Self.keys[index]
        expectRejection(code, message, file: "a.gguf") {
            _ = try lifted { pairs, _ in
                pairs.removeAll { $0.0 == key }
                if let value { pairs.append((key, value)) }
            }
        }
    }

    /// Every size at its largest: nothing may be multiplied before it is compared.
    @Test func hugeSizes() {
        expectRejection("the configuration says", file: "a.gguf") {
            _ = try lifted { pairs, _ in
                for index in 2..<7 { pairs[index].1 = GGUFBuilder.u32(1 << 31) }
                pairs.append(("llama.attention.key_length", GGUFBuilder.u32(1 << 16)))
            }
        }
    }

    @Test func tensors() {
        expectRejection("there is no token_embd.weight", file: "a.gguf") {
            _ = try lifted { $1.tensors.removeFirst() }
        }
        expectRejection("unknown: blk.0.attn_x.weight (nearest expected name blk.0.attn_q.weight)", file: "a.gguf") {
            _ = try lifted { $1.zeros("blk.0.attn_x.weight", [4]) }
        }
        expectRejection(["rope_freqs.weight has 3 factors for 4 pairs"], file: "a.gguf") {
            _ = try lifted { $1.zeros("rope_freqs.weight", [3]) }
        }
        expectRejection("rope_freqs.weight is not positive", file: "a.gguf") {
            _ = try lifted { $1.zeros("rope_freqs.weight", [4]) }
        }
        expectRejection("not a vector", file: "a.gguf") { _ = try lifted { $1.zeros("rope_freqs.weight", [2, 2]) } }
        expectRejection("rope_freqs.weight is Q8_0 [32], not a vector", file: "a.gguf") {
            _ = try lifted { $1.tensor("rope_freqs.weight", [32], type: 8, bytes: [UInt8](repeating: 0, count: 34)) }
        }
    }

    /// Bases and factors whose context lies beyond all integers are kept as they are.
    @Test(arguments: [Float(3e38), 1e30, 1e-30, 1e-38, 4]) func extremeRotaries(_ base: Float) throws {
        for factors: [Float] in [[1, 1, 2, 8], [1, 2, 3, 3e38], [1e-38, 1, 2, 3e38], [1, 1.000001, 1, 1]] {
            let model = try lifted { pairs, file in
                pairs.append(("llama.rope.freq_base", GGUFBuilder.f32(base)))
                file.tensor("rope_freqs.weight", [4], bytes: factors.flatMap { bytes($0.bitPattern) })
            }
            let found = try #require(model.graph.configuration.rope.ggufFactors)
            #expect(zip(found, factors).allSatisfy { abs($0 / $1 - 1) < 2e-5 }, "\(base) \(factors): \(found)")
        }
    }

    private func bytes(_ number: UInt32) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.put(number)
        return bytes
    }

    /// Stacks of other experts than the keys say, of which each number would be a tensor.
    @Test func stacks() {
        expectRejection("blk.0.ffn_up_exps.weight has the shape [100000, 1, 1], though there are 2 experts") {
            _ = try lifted { pairs, file in
                pairs.append(("llama.expert_count", GGUFBuilder.u32(2)))
                pairs.append(("llama.expert_used_count", GGUFBuilder.u32(1)))
                file.zeros("blk.0.ffn_up_exps.weight", [1, 1, 100_000])
            }
        }
        expectRejection("unknown: blk.0.ffn_up_exps.weight") {
            _ = try lifted { $1.zeros("blk.0.ffn_up_exps.weight", [1, 1, 100_000]) }
        }
    }

    /// Rows of a bias are exchanged one by one, which blocks of 32 do not allow.
    @Test func blocksInAVector() {
        expectRejection("blk.0.attn_q.bias is stored as Q8_0, whose blocks of 32 do not lie in rows", file: "a.gguf") {
            _ = try lifted { $1.tensor("blk.0.attn_q.bias", [32], type: 8, bytes: [UInt8](repeating: 0, count: 34)) }
        }
    }
}
