import TestSupport
import Testing

@testable import Recast

/// What comes before the mix, and after it.
struct GGUFTypePolicyTests {
    private static func weight(_ name: String, _ shape: [Int] = [256, 256], _ dtype: DType = .f16) -> NamedTensor {
        NamedTensor(name, .zeros(dtype, shape))
    }

    private static func metadata(_ architecture: String = "llama", _ sizes: [(String, GGUFValue)] = []) -> GGUFMetadata
    {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string(architecture)
        for (key, value) in sizes { metadata["\(architecture).\(key)"] = value }
        return metadata
    }

    private static func choices(
        _ tensors: [NamedTensor], _ fileType: GGUFFileType, _ metadata: GGUFMetadata = metadata(),
        _ options: QuantizationOptions = QuantizationOptions()
    ) throws -> [GGUFTypeChoice] {
        var policy = try GGUFTypePolicy(fileType, GGUFModelTraits(metadata, tensors: tensors), options)
        return try tensors.map { try policy.choice(for: $0) }
    }

    // MARK: What is never quantized

    // swift-format-ignore
    static let kept = [
        "output_norm.weight", "blk.0.attn_q_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.ffn_gate_tid2eid.weight",
        "blk.0.altup_proj.weight", "blk.0.laurel_l.weight", "per_layer_model_proj.weight", "position_embd.weight",
        "token_types.weight", "blk.0.ssm_conv1d.weight", "blk.0.shortconv.conv.weight", "blk.0.indexer.k_proj.weight",
        "blk.0.indexer.q_proj.weight", "blk.0.time_mix_first.weight", "blk.0.time_mix_w0.weight",
        "blk.0.time_mix_v1.weight", "blk.0.time_mix_a2.weight", "blk.0.time_mix_g1.weight",
        "blk.0.time_mix_decay_w2.weight", "blk.0.time_mix_lerp_fused.weight", "enc.blk.0.attn_rel_b.weight",
        "v.position_embd.weight", "v.sam.pos_embd.weight", "v.sam.neck.0.weight", "v.sam.net_2.weight",
        "v.blk.0.attn.rel_pos_h.weight", "v.patch_embd.weight", "v.patch_merger.weight", "a.rvq.codebook.weight",
        "mm.a.code_embd.weight", "blk.0.attn_q.bias", "blk.0.ssm_a", "weight.x",
    ]

    // What llama.cpp's library allows, by asking it.
    static let quantized = [
        "token_embd.weight", "output.weight", "blk.0.attn_q.weight", "blk.0.ffn_gate_inp_shexp.weight",
        "v.sam.x.weight",
        "blk.0.indexer.proj.weight", "blk.0.attn_v_b.weight", "blk.0.time_mix_lerp_w.weight", "rope_freqs.weight",
        "blk.0.exp_probs_b.weight", "cls.weight",
    ]

    @Test func exclusions() {
        for name in Self.kept { #expect(!Self.weight(name).isQuantizable(in: "llama"), "\(name)") }
        for name in Self.quantized { #expect(Self.weight(name).isQuantizable(in: "llama"), "\(name)") }
        for shape in [[256], [1, 256], [1, 1, 256], [1]] {
            #expect(!Self.weight("blk.0.ffn_gate_inp_shexp.weight", shape).isQuantizable(in: "llama"), "\(shape)")
        }
        #expect(Self.weight("a.weight", [2, 1, 256]).isQuantizable(in: "llama"))
        #expect(!Self.weight("a.weight", [4, 256], .i32).isQuantizable(in: "llama"))
        #expect(Self.weight("a.weight", [4, 256], .q8_0).isQuantizable(in: "llama"))
    }

    @Test func exclusionsOfOneArchitecture() throws {
        for name in ["blk.0.indexer.attn_k.weight", "blk.0.hc_attn_fn.weight", "blk.0.attn_kv_a_mqa.weight"] {
            #expect(
                !Self.weight(name).isQuantizable(in: "glm5-next") && Self.weight(name).isQuantizable(in: "deepseek2"))
        }
        let tensors = ["output.weight", "blk.0.attn_q_a.weight", "blk.0.nextn.eh_proj.weight"].map { Self.weight($0) }
        for (architecture, expected) in [("glm5-next", DType.q8_0), ("deepseek2", .q4_0)] {
            let found = try Self.choices(tensors, .q4_0, Self.metadata(architecture)).map(\.dtype)
            #expect(found == [.q6_k, expected, expected])
        }
    }

    @Test func latentAttentionIsNoExpert() throws {
        let tensors = ["blk.0.attn_k_b.weight", "blk.0.ffn_up_exps.weight"].map { Self.weight($0, [4, 256, 256]) }
        for (architecture, expected) in [("bailingmoe3", DType.q8_0), ("deepseek2", .mxfp4)] {
            let found = try Self.choices(tensors, .mxfp4_moe, Self.metadata(architecture)).map(\.dtype)
            #expect(found == [expected, .mxfp4])
        }
    }

    // MARK: Rows that blocks do not fill

    // swift-format-ignore
    static let fallbacks: [(DType, at96: DType?, at40: DType?)] = [
        (.q4_k,    .q5_0,   .f16), (.q5_k,   .q5_1,   .f16), (.q6_k,    .q8_0,   .f16), (.q2_k,  .q4_0,   .f16),
        (.q3_k,    .q4_0,   .f16), (.tq1_0,  .q4_0,   .f16), (.tq2_0,   .q4_0,   .f16), (.q2_0,  .q4_0,   .f16),
        (.iq4_xs,  .iq4_nl, .f16), (.iq3_s,  .iq4_nl, .f16), (.iq3_xxs, .iq4_nl, .f16), (.iq2_s, .iq4_nl, .f16),
        (.iq2_xs,  .iq4_nl, .f16), (.iq1_s,  .iq4_nl, .f16), (.iq1_m,   .iq4_nl, .f16), (.q4_0,  .q4_0,   .f16),
        (.iq2_xxs, .iq4_nl, .f16), (.iq4_nl, .iq4_nl, .f16), (.mxfp4,   .mxfp4,  .f16), (.q8_0,  .q8_0,   .f16),
        (.q1_0,    nil,     nil),  (.nvfp4,  nil,     nil),  (.bf16,    .bf16,   .bf16), (.f32,  .f32,    .f32),
    ]

    @Test func rowsThatBlocksDoNotFill() {
        for (dtype, at96, at40) in Self.fallbacks {
            #expect(GGUFTypePolicy.fitting(dtype, columns: 96) == at96, "\(dtype)")
            #expect(GGUFTypePolicy.fitting(dtype, columns: 40) == at40, "\(dtype)")
            #expect(GGUFTypePolicy.fitting(dtype, columns: 512) == dtype)
        }
        #expect(GGUFTypePolicy.fitting(.q2_0, columns: 192) == .q2_0)
        #expect(GGUFTypePolicy.fitting(.q1_0, columns: 384) == .q1_0)
    }

    // MARK: Precedence

    private static func overrides(_ texts: String...) throws -> [TypeOverride] {
        try texts.map { try TypeOverride(parsing: $0) }
    }

    @Test func precedence() throws {
        let names = ["output.weight", "token_embd.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight"]
        let tensors = names.map { Self.weight($0) }
        var options = QuantizationOptions()
        options.overrides = try Self.overrides("^output=q5_0", "embd|attn=q5_1", "attn_q=f16")
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.q5_0, .q5_1, .f16, .q5_1])
        options.outputType = .bf16
        options.embeddingType = .q8_0
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.bf16, .q8_0, .f16, .q5_1])
        // Also where the file type quantizes nothing.
        #expect(try Self.choices(tensors, .f16, Self.metadata(), options).map(\.dtype) == [.bf16, .q8_0, .f16, .q5_1])
        options.overrides = []
        options.isPure = true
        #expect(
            try Self.choices(tensors, .q4_k_m, Self.metadata(), options).map(\.dtype) == [.bf16, .q8_0, .f16, .q4_k])
        options.outputType = nil
        options.embeddingType = nil
        #expect(
            try Self.choices(tensors, .q4_k_m, Self.metadata(), options).map(\.dtype) == [.q4_k, .q4_k, .f16, .q4_k])
    }

    /// The type of the head is the tied embedding's, but comes after everything else that is asked for.
    @Test func tiedEmbedding() throws {
        let tensors = [Self.weight("token_embd.weight")]
        var options = QuantizationOptions()
        options.outputType = .q5_0
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.q5_0])
        options.isPure = true
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.q4_0])
        options.isPure = false
        options.overrides = try Self.overrides("embd=q5_1")
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.q5_1])
        options.embeddingType = .f32
        #expect(try Self.choices(tensors, .q4_0, Self.metadata(), options).map(\.dtype) == [.f32])
    }

    /// The mix does not see tensors that were given a type: what llama.cpp's library chose for 16 layers.
    @Test func overriddenTensorsAreNotCounted() throws {
        let values = (0..<16).map { Self.weight("blk.\($0).attn_v.weight") } + [Self.weight("output.weight")]
        let metadata = Self.metadata("llama", [("block_count", .u32(16))])
        var options = QuantizationOptions()
        let (a, b) = (DType.q6_k, DType.q4_k)
        #expect(
            try Self.choices(values, .q4_k_m, metadata, options).dropLast().map(\.dtype)
                == [a, a, b, b, a, b, b, a, b, b, a, b, b, a, a, a])
        options.overrides = try Self.overrides(#"blk\.[0-1]\.attn_v=q8_0"#)
        #expect(
            try Self.choices(values, .q4_k_m, metadata, options).dropLast().map(\.dtype)
                == [.q8_0, .q8_0, a, a, b, b, a, b, b, a, b, b, a, b, b, a])
    }

    @Test func coarseTypesNeedImportance() {
        for dtype in [DType.iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs] {
            #expect(
                GGUFTypePolicy.needsImportance(
                    dtype, for: NamedTensor("blk.0.attn_q.weight", .zeros(.f32, [1, 256])), in: .q4_0))
            #expect(
                !GGUFTypePolicy.needsImportance(
                    dtype, for: NamedTensor("output.weight", .zeros(.f32, [1, 256])), in: .q4_0))
            #expect(
                !GGUFTypePolicy.needsImportance(
                    dtype, for: NamedTensor("token_embd.weight", .zeros(.f32, [1, 256])), in: .q4_0))
        }
        for dtype in [DType.iq3_s, .q3_k, .tq1_0, .q1_0, .f16] {
            #expect(
                !GGUFTypePolicy.needsImportance(
                    dtype, for: NamedTensor("blk.0.attn_q.weight", .zeros(.f32, [1, 256])), in: .q2_k_s))
        }
        #expect(
            GGUFTypePolicy.needsImportance(
                .q2_k, for: NamedTensor("blk.0.attn_q.weight", .zeros(.f32, [1, 256])), in: .q2_k_s))
        #expect(
            !GGUFTypePolicy.needsImportance(
                .q2_k, for: NamedTensor("blk.0.attn_q.weight", .zeros(.f32, [1, 256])), in: .q2_k))
    }

    // MARK: Traits

    @Test func traitsOfStrangers() {
        func traits(_ sizes: [(String, GGUFValue)], architecture: String = "x") -> GGUFModelTraits {
            GGUFModelTraits(Self.metadata(architecture, sizes), tensors: [Self.weight("blk.6.ffn_up.weight")])
        }
        let usual = traits([
            ("block_count", .u32(9)), ("attention.head_count", .u32(8)), ("attention.head_count_kv", .u32(2)),
            ("expert_count", .u16(4)),
        ])
        #expect(usual.layerCount == 9 && usual.headGroup == 4 && usual.expertCount == 4 && usual.isTied)
        // A list counts by its first layer; without key/value heads there are as many as others.
        #expect(
            traits([("attention.head_count", .array(.u32([6, 4]))), ("attention.head_count_kv", .i32(2))]).headGroup
                == 3)
        #expect(traits([("attention.head_count", .u32(6))]).headGroup == 1)
        let broken = traits([
            ("block_count", .u64(.max)), ("attention.head_count", .i64(.min)), ("attention.head_count_kv", .u32(0)),
            ("expert_count", .string("many")),
        ])
        #expect(broken.layerCount == 7 && broken.headGroup == 0 && broken.expertCount == 0)
        #expect(GGUFModelTraits(GGUFMetadata(), tensors: []).layerCount == 0)
        for (architecture, layers, kv, expected) in [
            ("llama", 80, 8, true), ("llama", 80, 64, false), ("llama", 79, 8, false), ("qwen2", 80, 64, true),
            ("deci", 80, 8, true), ("olmo", 80, 8, true), ("jais2", 68, 8, true), ("jais2", 80, 8, false),
            ("qwen3", 80, 8, false),
        ] {
            let sizes: [(String, GGUFValue)] = [
                ("block_count", .u32(UInt32(layers))), ("attention.head_count", .u32(64)),
                ("attention.head_count_kv", .u32(UInt32(kv))),
            ]
            #expect(traits(sizes, architecture: architecture).hasFewValues == expected, "\(architecture) \(layers)")
        }
    }

    @Test func order() {
        let names = ["blk.10.a", "blk.2.b", "token_embd.weight", "blk.2.a", "output.weight", "Z", "blk.x", "blk.0.z"]
        let sorted = ["Z", "blk.x", "output.weight", "token_embd.weight", "blk.0.z", "blk.2.a", "blk.2.b", "blk.10.a"]
        #expect(names.map { Self.weight($0) }.inQuantizerOrder.map(\.name) == sorted)
    }
}

struct NamePatternTests {
    private func isFound(_ pattern: String, in name: String) throws -> Bool {
        try NamePattern(pattern).compiled().isFound(in: name)
    }

    @Test func isLookedForAnywhere() throws {
        let name = "blk.17.ffn_down_exps.weight"
        for pattern in [
            "down", #"blk\.(1|17)\."#, "^blk", "weight$", "FFN_Down", "ffn_(up|down)", #"\.\d+\."#, "[[:digit:]]7",
        ] {
            #expect(try isFound(pattern, in: name), "\(pattern)")
        }
        for pattern in ["^down", "blk$", #"blk\.(1|7)\."#, "attn|up", #"\.\d\."#] {
            #expect(try !isFound(pattern, in: name), "\(pattern)")
        }
        // Classes are not turned into their opposites.
        #expect(try isFound(#"^\D+\d\D+$"#, in: "blk.1.a") && !isFound(#"^\D+$"#, in: "blk.1.a"))
        #expect(try isFound(#"\\"#, in: #"a\B"#))
    }

    @Test func whatTakesTooLongIsAnError() throws {
        let pattern = try NamePattern("(x+x+)+y").compiled()
        let error = #expect(throws: RecastError.self) {
            try pattern.isFound(in: String(repeating: "x", count: 60))
        }
        #expect(error?.code == .unsupported)
    }

    @Test func lastEqualsSignCounts() throws {
        let override = try TypeOverride(parsing: "(?=.*attn)v=Q8_0")
        #expect(override.pattern.text == "(?=.*attn)v" && override.type == .dtype(.q8_0))
    }

    @Test func rejections() {
        // swift-format-ignore
        let cases = [
            ("attn_v",        "is not PATTERN=TYPE"),
            ("=q8_0",         "is not PATTERN=TYPE"),
            ("attn(=q8_0",    "is not a regular expression"),
            ("attn_v=",       "unknown tensor type \"\""),
            ("attn_v=q4_k_m", "unknown tensor type \"q4_k_m\"; did you mean q4_k"),
            ("attn_v=q8_1",   "unknown tensor type"),
            ("attn_v=i8",     "unknown tensor type"),
        ]
        for (text, message) in cases { expectRejection(.usage, message) { _ = try TypeOverride(parsing: text) } }
        expectRejection(.usage, "unknown encoding \"q4_k_n\"; did you mean q4_k_") { _ = try EncodingName("q4_k_n") }
        #expect(throws: Never.self) { try EncodingName("Q4_K") == .fileType(.q4_k_m) }
    }
}
