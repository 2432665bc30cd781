import TestSupport
import Testing

@testable import Recast

/// Quantized checkpoints that contradict themselves are refused, by what contradicts what; those that only look odd are read.
struct QuantizedModulesTests {
    private static let module = "model.layers.0.self_attn.q_proj"

    /// A change to a packed checkpoint and what is said of it.
    struct Damage: CustomTestStringConvertible, Sendable {
        var encoding: String
        var isSymmetric: Bool?
        var per: Packing.Choices.Granularity?
        var said: [String]
        var code: RecastError.Code
        var change: @Sendable (inout PackedModel) -> Void

        init(
            _ encoding: String, _ said: String..., symmetric: Bool? = nil, per: Packing.Choices.Granularity? = nil,
            code: RecastError.Code = .malformedInput, change: @escaping @Sendable (inout PackedModel) -> Void
        ) {
            (self.encoding, self.said, self.code, self.change) = (encoding, said, code, change)
            (isSymmetric, self.per) = (symmetric, per)
        }

        var testDescription: String { "\(encoding): \(said.joined(separator: ", "))" }
    }

    private static func path(_ part: String) -> String { module + "." + part }

    /// A part with another type and shape, of zeros.
    private static func zeros(_ part: String, _ dtype: String, _ shape: [Int]) -> @Sendable (inout PackedModel) -> Void
    {
        let width = ["I64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2][dtype] ?? 1
        return { $0.replace(path(part), dtype, shape, [UInt8](repeating: 0, count: shape.reduce(width, *))) }
    }

    private static func without(_ part: String) -> @Sendable (inout PackedModel) -> Void { { $0.remove(path(part)) } }

    private static func integers(_ numbers: [Int32]) -> [UInt8] {
        numbers.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
    }

    private static func configured(_ key: String, _ value: JSON) -> @Sendable (inout PackedModel) -> Void {
        { $0.configure(key, value) }
    }

    private static let gptq: [Damage] = [
        Damage("gptq-int4", "q_proj.qzeros is missing", change: without("qzeros")),
        Damage("gptq-int4", "q_proj.scales is missing", change: without("scales")),
        Damage("gptq-int4", "do not fit a llama model", "q_proj.qzeros", "q_proj.weight", change: without("qweight")),
        Damage("gptq-int4", "qweight is F32 of shape [4, 32]", change: zeros("qweight", "F32", [4, 32])),
        Damage("gptq-int4", "qweight is I32 of shape [128]", change: zeros("qweight", "I32", [128])),
        Damage("gptq-int4", "scales of shape [1, 32]", "for 31 outputs", change: zeros("qweight", "I32", [4, 31])),
        Damage("gptq-int4", "part of shape [0, 32] is empty", change: zeros("qweight", "I32", [0, 32])),
        Damage("gptq-int4", "qzeros is I32 of shape [1, 3]", change: zeros("qzeros", "I32", [1, 3])),
        Damage("gptq-int4", "qzeros is I32 of shape [2, 4]", change: zeros("qzeros", "I32", [2, 4])),
        Damage("gptq-int4", "2 groups of scales", "have 1", change: zeros("scales", "F16", [2, 32])),
        Damage("gptq-int4", "scales is stored as I32", change: zeros("scales", "I32", [1, 32])),
        Damage("gptq-int4", "part of shape [0, 32] is empty", change: zeros("scales", "F16", [0, 32])),
        Damage("gptq-int4", "g_idx is I32 of shape [16, 2]", change: zeros("g_idx", "I32", [16, 2])),
        Damage("gptq-int4", "g_idx is I64 of shape [32]", change: zeros("g_idx", "I64", [32])),
        Damage("gptq-int4", "g_idx puts column 3 into group 7 of 1") {
            $0.replace(path("g_idx"), "I32", [32], integers((0..<32).map { $0 == 3 ? 7 : 0 }))
        },
        Damage("gptq-int4", "g_idx puts column 31 into group -1 of 1") {
            $0.replace(path("g_idx"), "I32", [32], integers((0..<32).map { $0 == 31 ? -1 : 0 }))
        },
        Damage("gptq-int4", "GPTQ layout \"marlin\"", code: .unsupported) {
            $0.configure("checkpoint_format", "marlin")
            $0.configure("format", "marlin")
        },
        Damage("gptq-int4", "method \"hqq\" cannot be read", code: .unsupported) {
            $0.configure("quant_method", "hqq")
        },
        Damage("gptq-int4", "codes of 5 bits cannot be read", code: .unsupported) {
            $0.configure("bits", 5)
            for tensor in $0.tensors where tensor.name.hasSuffix("g_idx") { $0.remove(tensor.name) }
        },
    ]

    private static let others: [Damage] = [
        Damage("awq-int4", "qzeros is missing", change: without("qzeros")),
        Damage(
            "awq-int4", "scales of shape [2, 32]", "zeros of shape [1, 4]", change: zeros("scales", "F16", [2, 32])),
        Damage("awq-int4", "scales is F16 of shape [1, 16]", change: zeros("scales", "F16", [1, 16])),
        Damage("awq-int4", "codes of 8 bits cannot be read", code: .unsupported, change: configured("bits", 8)),
        Damage("awq-int4", "layout \"gemv\"", code: .unsupported, change: configured("version", "gemv")),

        Damage("int4-group", "weight_shape is missing", change: without("weight_shape")),
        Damage("int4-group", "weight_packed has the shape [128]", change: zeros("weight_packed", "I32", [128])),
        Damage("int4-group", "weight_shape is F32 of shape [2]", change: zeros("weight_shape", "F32", [2])),
        Damage("int4-group", "weight_shape says 0 × 0", change: zeros("weight_shape", "I64", [2])),
        Damage("int4-group", "weight_shape says 32 × -8") {
            $0.replace(path("weight_shape"), "I64", [2], PackedEncoding.bytes(of: [32, -8]))
        },
        Damage("int4-group", "4 words a row hold 40 codes of none of the configured widths") {
            $0.replace(path("weight_shape"), "I64", [2], PackedEncoding.bytes(of: [32, 40]))
        },
        Damage("int4-group", "scales of shape [32, 3] for 32 × 32", change: zeros("weight_scale", "F32", [32, 3])),
        Damage("int4-group", "weight_scale is stored as I32", change: zeros("weight_scale", "I32", [32, 1])),
        Damage(
            "int4-group", "do not fit a llama model", "q_proj.weight_packed", "q_proj.weight",
            change: without("weight_scale")),
        Damage("int4-group", "weight_zero_point is missing", symmetric: false, change: without("weight_zero_point")),
        Damage(
            "int8-zero-point", "weight_zero_point is I32 of shape [4, 1]", per: .channel,
            change: zeros("weight_zero_point", "I32", [4, 1])),
        Damage("ct-fp8", "q_proj.weight is F8_E4M3 without a scale", change: without("weight_scale")),
        Damage("ct-mxfp4", "weight_scale is U8 of shape [32, 2]", change: zeros("weight_scale", "U8", [32, 2])),
        Damage("ct-mxfp4", "nvfp4-pack-quantized of", change: zeros("weight_scale", "F32", [32, 1])),

        Damage("nf4", "has no quant_state", change: without("weight.quant_state.bitsandbytes__nf4")),
        Damage("nf4", "quant_map is missing", change: without("weight.quant_map")),
        Damage("nf4", "another table than bitsandbytes has", code: .unsupported) {
            $0.replace(path("weight.quant_map"), "F32", [16], PackedEncoding.bytes(of: LevelTable.fp4.values))
        },
        Damage("nf4", "absmax is F32 of shape [8]", change: zeros("weight.absmax", "F32", [8])),
        Damage("nf4", "is U8 of shape [511, 1]", change: zeros("weight", "U8", [511, 1])),
        Damage("nf4", "quant_state") {
            $0.replace(path("weight.quant_state.bitsandbytes__nf4"), "U8", [5], Array("{\"a\":".utf8))
        },
        Damage("nf4", "no shape of a matrix") {
            $0.rewriteState { $0["shape"] = [1024] }
        },
        Damage("nf4", "no shape of a matrix") {
            $0.rewriteState { $0["shape"] = .array([.int(1 << 62), .int(1 << 62)]) }
        },
        Damage("nf4", "nf4 of 8 × 128 needs F32 of shape [8]") { $0.rewriteState { $0["blocksize"] = 128 } },
        Damage("nf4", "blocksize cannot be read", code: .unsupported) { $0.rewriteState { $0["blocksize"] = 100 } },
        Damage("nf4-nested", "has no nested_offset") {
            $0.rewriteState { $0["nested_offset"] = nil }
        },
        Damage("nf4-nested", "nested blocks of 64 cannot be read", code: .unsupported) {
            $0.rewriteState { $0["nested_blocksize"] = 64 }
        },
        Damage(
            "nf4-nested", "nested_quant_map is F32 of shape [16]", change: zeros("weight.nested_quant_map", "F32", [16])
        ),
        Damage("llm-int8", "SCB is F32 of shape [31]", change: zeros("SCB", "F32", [31])),
        Damage("llm-int8", "in another order than by rows", code: .unsupported) {
            $0.replace(path("weight_format"), "U8", [], [1])
        },

        Damage("fp8", "q_proj.weight is F8_E4M3 without a scale", change: without("weight_scale_inv")),
        Damage("fp8", "weight_scale_inv is F32 of shape [2, 1]", change: zeros("weight_scale_inv", "F32", [2, 1])),
        Damage("fp8", "weight_block_size is not a pair", change: configured("weight_block_size", [0, 128])),
        Damage("fp8", "weight_block_size is not a pair", change: configured("weight_block_size", [128])),

        Damage("mlx-int4", "biases is missing", change: without("biases")),
        Damage("mlx-int4", "weight is I32 of shape [32, 4]", change: zeros("weight", "I32", [32, 4])),
        Damage("mlx-int4", "scales of shape [32, 2]", change: zeros("scales", "F32", [32, 2])),
        Damage("mlx-int4", "gives no bits and group_size") { $0.configure("bits", nil, under: "quantization") },
        Damage("mlx-int4", "gives no bits and group_size") { $0.configure("group_size", 0, under: "quantization") },
        Damage("mlx-int4", "mode \"nvfp4\"", code: .unsupported) {
            $0.configure("mode", "nvfp4", under: "quantization")
        },
    ]

    /// Scales are told apart from their transposes.
    @Test func transposedScales() throws {
        var model = try PackedModel("ct-mxfp4")
        let name = "model.layers.0.mlp.down_proj.weight_scale"
        #expect(model[name].shape == [32, 2])
        model[name].shape = [2, 32]
        expectRejection("weight_scale is U8 of shape [2, 32]") { try model.decoded() }
    }

    @Test(arguments: gptq + others) func contradictions(_ damage: Damage) throws {
        var model = try PackedModel(damage.encoding, isSymmetric: damage.isSymmetric, per: damage.per)
        damage.change(&model)
        expectRejection(damage.code, damage.said) { try model.decoded() }
        #expect(!model.directory.names.contains("decoded"), "something was written")
    }

    // MARK: What is only odd

    /// What the file says in `quantize_config.json` only.
    @Test func configurationInItsOwnFile() throws {
        var model = try PackedModel("gptq-int4")
        let expected = try numbers(of: model)
        let own = try #require(model.configuration["quantization_config"])
        model.configuration["quantization_config"] = nil
        model.directory.write("changed/quantize_config.json", own.serialized())
        #expect(try numbers(of: model) == expected)
        let options = ConversionOptions(target: .huggingFace(family: nil))
        let path = model.directory.file("copy")
        _ = try Conversion(
            try Planning(Checkpoint(path: model.directory.file("changed")), options).plan(destination: path), to: path
        ).run()
        let written = try JSON(parsing: try #require(model.directory.bytes("copy/config.json")), file: "")
        #expect(written["quantization_config"]?["bits"]?.int == 4)
    }

    /// Codes that are only carried along do not carry a lie with them.
    @Test func configurationIsCorrected() throws {
        var model = try PackedModel("gptq-v1-int4")
        let expected = try numbers(of: model)
        model.configure("checkpoint_format", "gptq_v2")
        model.configure("bits", 8)
        let source = model.write()
        let path = model.directory.file("copy")
        let options = ConversionOptions(target: .huggingFace(family: nil))
        _ = try Conversion(try Planning(Checkpoint(path: source), options).plan(destination: path), to: path).run()
        let written = try JSON(parsing: try #require(model.directory.bytes("copy/config.json")), file: "")
        #expect(written["quantization_config"]?["checkpoint_format"]?.string == "gptq")
        #expect(written["quantization_config"]?["bits"]?.int == 4)
        try model.decoded(from: path)
        #expect(model.directory.bytes("decoded/model.safetensors") == expected)
    }

    /// Names of kernels and programs for the same formats.
    @Test(arguments: [("gptq_marlin", nil), ("GPTQ", nil), ("intel/auto-round", "auto_round:auto_gptq")])
    func otherNames(name: String, packing: String?) throws {
        var model = try PackedModel("gptq-int4")
        let expected = try numbers(of: model)
        model.configure("quant_method", .string(name))
        model.configure("packing_format", packing.map(JSON.string))
        #expect(try numbers(of: model) == expected)
    }

    /// Static quantization of activations says nothing about weights.
    @Test(arguments: ["ct-fp8", "fp8"]) func activationScalesAreLeftOut(encoding: String) throws {
        var model = try PackedModel(encoding)
        let expected = try numbers(of: model)
        for part in ["q_proj.input_scale", "k_proj.k_scale"] {
            model.tensors.append(
                SmallModel.Tensor(
                    name: "model.layers.0.self_attn." + part, dtype: "F32", shape: [1], bytes: [0, 0, 0x80, 0x3F]))
        }
        model.configure("activation_scheme", "static")
        let warnings = try model.decoded().warnings
        #expect(warnings.contains { $0.contains("1 × input_scale, 1 × k_scale") })
        #expect(try numbers(of: model) == expected)
        let path = model.directory.file("copy")
        let options = ConversionOptions(target: .huggingFace(family: nil))
        _ = try Conversion(
            try Planning(Checkpoint(path: model.write()), options).plan(destination: path), to: path
        ).run()
        let written = try JSON(parsing: try #require(model.directory.bytes("copy/config.json")), file: "")
        #expect(written["quantization_config"]?["activation_scheme"]?.string == "dynamic")
    }

    /// Codes that have nothing to do with their zeros are no evidence against the configuration.
    @Test(arguments: ["gptq-v1-int4", "gptq-v2-int4", "gptq-v1-int2", "gptq-v1-int3"])
    func codesAtRandom(encoding: String) throws {
        var model = try PackedModel(encoding, isSymmetric: false)
        var random = SeededGenerator(seed: 5)
        for index in model.tensors.indices {
            let name = model.tensors[index].name
            guard name.hasSuffix(".qweight") || name.hasSuffix(".qzeros") else { continue }
            for place in model.tensors[index].bytes.indices {
                model.tensors[index].bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
        }
        #expect(try !model.decoded().warnings.contains { $0.contains("is believed") })
        let evidence = try Planning(
            Checkpoint(path: model.write()), ConversionOptions(target: .huggingFace(family: nil))
        ).plan(destination: "x").evidence
        #expect(evidence.contains { $0.answer.contains("as the configuration says") })
    }

    /// Zeros of asymmetric weights that happen to be all alike are still what the configuration says.
    @Test(arguments: ["gptq-v1-int2", "gptq-v2-int2", "gptq-v1-int4", "gptq-v2-int4"])
    func zerosThatAreAllAlike(encoding: String) throws {
        var source = SmallModel("llama")
        // From −1 to 2: zeros of 1 in two bits, of 5 in four.
        for tensor in source.tensors where tensor.name.hasSuffix("_proj.weight") {
            for index in 0..<tensor.shape.reduce(1, *) {
                source.set(tensor.name, at: index, to: Float(index % 4) - 1)
            }
        }
        var choices = Packing.Choices()
        (choices.isSymmetric, choices.groupSize) = (false, 32)
        let model = try PackedModel(try #require(try Packing.named(encoding, choices)), source: source)
        try model.decoded()
        let found = try Checkpoint(path: model.directory.file("decoded"))
        var reader = Reader(files: FilePool(found.files))
        for tensor in found.tensors where tensor.name.hasSuffix("_proj.weight") {
            let numbers = try tensor.tensor.numbers(
                rows: 0..<tensor.tensor.rowCount, as: Float.self, using: &reader)
            #expect(
                numbers.enumerated().allSatisfy { abs($0.element - (Float($0.offset % 4) - 1)) < 0.01 },
                "\(tensor.name)")
        }
    }

    private func numbers(of model: PackedModel) throws -> [UInt8] {
        try model.decoded()
        return try #require(model.directory.bytes("decoded/model.safetensors"))
    }

    /// The order of the groups goes without saying where it is that of the columns.
    @Test func groupsMayBeLeftOut() throws {
        var model = try PackedModel("gptq-int4")
        let expected = try numbers(of: model)
        for tensor in model.tensors where tensor.name.hasSuffix("g_idx") { model.remove(tensor.name) }
        #expect(try numbers(of: model) == expected)
    }

    /// A checkpoint of another program whose configuration names the other of GPTQ's formats: its zeros and codes say which it
    /// is.
    @Test(
        arguments: ["gptq-v1-int4", "gptq-v2-int4", "gptq-v1-int3", "gptq-v2-int3", "gptq-v1-int2", "gptq-v2-int2"],
        [
            true, false,
        ])
    func metadataLiesAboutZeros(encoding: String, isSymmetric: Bool) throws {
        var model = try PackedModel(encoding, isSymmetric: isSymmetric)
        model.configure("meta", ["quantizer": ["another:1.0"]])
        let expected = try numbers(of: model)
        let other = encoding.contains("v1") ? "gptq_v2" : "gptq"
        model.configure("checkpoint_format", .string(other))
        model.configure("format", .string(other))
        let warnings = try model.decoded().warnings
        #expect(
            warnings.contains { $0.contains("stored as in \(other),") && $0.contains("is believed") }, "\(warnings)")
        #expect(try numbers(of: model) == expected)
    }
}

extension PackedModel {
    /// Changes the document of one weight of bitsandbytes.
    fileprivate mutating func rewriteState(_ change: (inout JSON.Object) -> Void) {
        let name = "model.layers.0.self_attn.q_proj.weight.quant_state.bitsandbytes__nf4"
        var object = try! JSON(parsing: self[name].bytes, file: name).object!
        change(&object)
        let bytes = JSON.object(object).serialized()
        replace(name, "U8", [bytes.count], bytes)
    }
}
