import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// NVFP4 of ModelOpt and compressed-tensors in GGUF's type of that name: the same codes and scales, and the factor of the
/// weight in a tensor beside it.
struct NVFP4ToGGUFTests {
    private let directory = TemporaryDirectory()

    enum Producer: CaseIterable { case modelOpt, compressedTensors }

    /// Each weight of the layers as codes of E2M1, random scales of E4M3 and a factor of its own.
    private static func quantized(_ model: SmallModel, by producer: Producer) -> SmallModel {
        var model = model
        var random = SeededGenerator(seed: 4)
        model.tensors = model.tensors.flatMap { tensor -> [SmallModel.Tensor] in
            guard tensor.name.contains(".layers."), tensor.shape.count == 2, !tensor.name.contains(".gate.weight"),
                tensor.shape[1].isMultiple(of: 64)
            else { return [tensor] }
            let stem = String(tensor.name.dropLast(".weight".count))
            let count = tensor.shape[0] * tensor.shape[1]
            let codes = (0..<count / 2).map { _ in UInt8.random(in: 0...255, using: &random) }
            let scales = (0..<count / 16).map { _ in UInt8.random(in: 1...0x7E, using: &random) }
            var factor: [UInt8] = []
            // Powers of two, whose reciprocals are no others' than theirs.
            factor.put(Float(sign: .plus, exponent: -Int.random(in: 1...9, using: &random), significand: 1).bitPattern)
            let isModelOpt = producer == .modelOpt
            return [
                .init(
                    name: stem + (isModelOpt ? ".weight" : ".weight_packed"), dtype: "U8",
                    shape: [tensor.shape[0], tensor.shape[1] / 2], bytes: codes),
                .init(
                    name: stem + ".weight_scale", dtype: "F8_E4M3", shape: [tensor.shape[0], tensor.shape[1] / 16],
                    bytes: scales),
                .init(
                    name: stem + (isModelOpt ? ".weight_scale_2" : ".weight_global_scale"), dtype: "F32",
                    shape: isModelOpt ? [] : [1], bytes: factor),
            ]
        }
        model.configuration["quantization_config"] =
            producer == .modelOpt
            ? ["quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16]
            : [
                "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized",
                "config_groups": [
                    "group_0": [
                        "targets": ["Linear"],
                        "weights": [
                            "num_bits": 4, "type": "float", "symmetric": true, "strategy": "tensor_group",
                            "group_size": 16,
                        ],
                    ]
                ],
                "ignore": ["lm_head"],
            ]
        return model
    }

    @Test(arguments: Producer.allCases, ["llama", "qwen2", "mixtral"])
    func sameCodes(_ producer: Producer, _ family: String) throws {
        var plain = family == "mixtral" ? SmallModel.mixtral() : SmallModel(family)
        plain.widen(to: 64)
        let model = Self.quantized(plain, by: producer)
        let path = model.write(to: directory)
        let checkpoint = try Checkpoint(path: path)
        let plan = try Planning(checkpoint, ConversionOptions(target: .gguf)).plan(destination: "out.gguf")
        #expect(plan.notes.contains { $0.contains("codes move as they are") && $0.contains("NVFP4") })
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: directory.file("out.gguf")).run()
        let written = try Checkpoint(path: directory.file("out.gguf"))
        let weights = written.tensors.filter { $0.tensor.dtype == .nvfp4 }
        #expect(weights.count == 2 * 7)
        for weight in weights {
            let name = weight.name.dropLast(".weight".count) + ".scale"
            let factor = try #require(written.tensors.first { $0.name == name })
            #expect(factor.tensor.elementCount == (weight.name.contains("exps") ? 6 : 1), "\(name)")
        }
        // The same numbers, wherever they lie.
        let difference = try GraphDifference(Model(checkpoint), Model(written))
        #expect(difference.isEqual, "\(difference.rows.filter { $0.outcome != .zeroOrMissing }.prefix(3))")
    }
}

extension SmallModel {
    /// Matrices whose rows fill blocks of as many numbers.
    fileprivate mutating func widen(to width: Int) {
        configuration["hidden_size"] = .int(width)
        let old = tensors
        tensors = []
        for tensor in old {
            let shape = tensor.shape.enumerated().map { place, size in
                size == 32
                    ? width
                    : tensor.name.contains("k_proj") || tensor.name.contains("v_proj")
                        ? (place == 0 && size == 16 ? width / 2 : size) : size
            }
            add(tensor.name, shape)
        }
    }
}
