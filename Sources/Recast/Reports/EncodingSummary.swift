/// What there is to say of an encoding that `--encoding` takes.
public struct EncodingSummary: Sendable {
    public let name: String
    /// Other names for the same.
    public let aliases: [String]
    public let isOfGGUF: Bool
    /// Of a weight that has it, scales included; of GGUF's mixes of most weights, as others get more.
    public let bitsPerWeight: Double
    /// Mean KL divergence from the original of the small model of this repository, in nats, with the encoding's own defaults; nil
    /// where none was measured.
    public let divergence: Double?
    /// Whether that was measured with an importance matrix, without which the type is not written or was not measured.
    public let isMeasuredWithImportance: Bool
    /// The programs that load it.
    public let consumers: [String]

    /// Every encoding, in the order of the tables they are in.
    public static var all: [EncodingSummary] {
        var all: [EncodingSummary] = []
        for (name, meaning) in EncodingName.known where !GGUFFileType.aliases.contains(where: { $0.name == name }) {
            switch meaning {
            case .fileType(let type): all.append(EncodingSummary(type))
            case .packing(let name): if let packing = try? Packing.named(name) { all.append(EncodingSummary(packing)) }
            }
        }
        return all
    }

    private init(_ type: GGUFFileType) {
        name = type.name
        aliases = GGUFFileType.aliases.filter { $0.type == type }.map(\.name)
        isOfGGUF = true
        bitsPerWeight = type.dtype.bitsPerElement
        consumers = ["llama.cpp"]
        (divergence, isMeasuredWithImportance) = Self.measured(type.name)
    }

    private init(_ packing: Packing) {
        name = packing.name
        aliases = []
        isOfGGUF = false
        bitsPerWeight = packing.bitsPerElement
        consumers = Self.consumers(of: packing.template.format)
        (divergence, isMeasuredWithImportance) = Self.measured(packing.name)
    }

    private static func consumers(of format: PackedEncoding.Format) -> [String] {
        switch format {
        case .gptq, .gptqV2: ["GPTQModel", "vLLM", "transformers"]
        case .awq: ["AutoAWQ", "GPTQModel", "vLLM", "transformers"]
        case .packQuantized, .intQuantized, .floatQuantized, .mxfp4PackQuantized, .nvfp4: ["vLLM", "transformers"]
        case .bitsandbytes, .bitsandbytesInt8: ["transformers with bitsandbytes"]
        case .mlx: ["mlx-lm"]
        case .blockFP8: ["vLLM", "SGLang", "transformers"]
        }
    }

    private static func measured(_ name: String) -> (Double?, Bool) {
        measurements[name].map { ($0.divergence, $0.withImportance) } ?? (nil, false)
    }

    // Source: Specs/quality.md, to which a test holds it.
    // swift-format-ignore
    private static let measurements: [String: (divergence: Double, withImportance: Bool)] = [
        "int8-absmax":       (0.000052, false),
        "int8-zero-point":   (0.000044, false),
        "int4-group":        (0.011686, false),
        "ct-int4":           (0.011686, false),
        "ct-int8":           (0.000055, false),
        "ct-fp8":            (0.000638, false),
        "ct-mxfp4":          (0.012709, false),
        "awq-int4":          (0.009506, false),
        "fp8":               (0.000678, false),
        "nf4":               (0.007961, false),
        "nf4-nested":        (0.007985, false),
        "fp4":               (0.01515, false),
        "fp4-nested":        (0.0152, false),
        "llm-int8":          (0.000052, false),
        "gptq-int2":         (0.404747, false),
        "gptq-v1-int2":      (0.404747, false),
        "gptq-v2-int2":      (0.404747, false),
        "gptq-int3":         (0.059647, false),
        "gptq-v1-int3":      (0.059647, false),
        "gptq-v2-int3":      (0.059647, false),
        "gptq-int4":         (0.011766, false),
        "gptq-v1-int4":      (0.011766, false),
        "gptq-v2-int4":      (0.011766, false),
        "gptq-int8":         (0.000041, false),
        "gptq-v1-int8":      (0.000041, false),
        "gptq-v2-int8":      (0.000041, false),
        "mlx-int2":          (0.42729, false),
        "mlx-int3":          (0.07349, false),
        "mlx-int4":          (0.016097, false),
        "mlx-int5":          (0.003613, false),
        "mlx-int6":          (0.000888, false),
        "mlx-int8":          (0.000057, false),
        "f32":               (0.0, false),
        "f16":               (0.0, false),
        "bf16":              (0.0, false),
        "q4_0":              (0.009756, false),
        "q4_1":              (0.007896, false),
        "q5_0":              (0.002664, false),
        "q5_1":              (0.002094, false),
        "q8_0":              (0.000056, false),
        "q2_k":              (0.091062, false),
        "q2_k_s":            (0.102961, true),
        "q3_k_s":            (0.030655, false),
        "q3_k_m":            (0.020009, false),
        "q3_k_l":            (0.018331, false),
        "q4_k_s":            (0.006329, false),
        "q4_k_m":            (0.006007, false),
        "q5_k_s":            (0.001912, false),
        "q5_k_m":            (0.001769, false),
        "q6_k":              (0.000621, false),
        "iq4_nl":            (0.007131, false),
        "iq4_xs":            (0.007248, false),
        "tq1_0":             (1.982192, false),
        "tq2_0":             (1.982192, false),
        "mxfp4_moe":         (0.000056, false),
        "q1_0":              (2.344991, false),
        "q2_0":              (0.984866, false),
    ]
}
