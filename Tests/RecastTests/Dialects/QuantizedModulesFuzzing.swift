import TestSupport
import Testing

@testable import Recast

/// Quantized checkpoints changed at random are read or refused: nothing traps, and what is refused leaves no output.
struct QuantizedModulesFuzzing {
    private static let encodings = [
        "gptq-int4", "gptq-int3", "gptq-v1-int4", "awq-int4", "int4-group", "int8-zero-point", "ct-fp8", "ct-mxfp4",
        "nf4",
        "fp4-nested", "llm-int8", "fp8", "mlx-int4", "mlx-int3",
    ]
    private static let types = ["I64", "F32", "I32", "U32", "F16", "BF16", "U8", "I8", "F8_E4M3", "F8_E8M0", "BOOL"]
    private static let widths = [8, 4, 4, 4, 2, 2, 1, 1, 1, 1, 1]

    @Test(arguments: encodings) func mutationsAreReadOrRefused(_ encoding: String) throws {
        let original = try PackedModel(
            encoding, isSymmetric: ["gptq-int3", "gptq-v1-int4"].contains(encoding) ? false : nil)
        var random = SeededGenerator(seed: 11)
        var refusedCount = 0
        for _ in 0..<120 {
            var model = original
            for _ in 0..<Int.random(in: 1...3, using: &random) { Self.mutate(&model, &random) }
            do { try model.decoded() } catch is RecastError { refusedCount += 1 }
        }
        #expect(refusedCount > 30)
    }

    private static func mutate(_ model: inout PackedModel, _ random: inout SeededGenerator) {
        let index = Int.random(in: 0..<model.tensors.count, using: &random)
        var tensor = model.tensors[index]
        switch Int.random(in: 0..<8, using: &random) {
        case 0: model.tensors.remove(at: index)
        case 1:
            // Another type for the same bytes.
            let choice = Int.random(in: 0..<types.count, using: &random)
            let count = tensor.bytes.count / widths[choice]
            tensor.dtype = types[choice]
            tensor.shape =
                tensor.shape.count == 2 && tensor.shape[0] > 0 && count % tensor.shape[0] == 0
                ? [tensor.shape[0], count / tensor.shape[0]] : [count]
            tensor.bytes = Array(tensor.bytes.prefix(count * widths[choice]))
            model.tensors[index] = tensor
        case 2:
            // Another shape of as many elements.
            let count = tensor.shape.reduce(1, *)
            let divisors = (1...max(1, min(count, 64))).filter { count % $0 == 0 }
            let rows = divisors.randomElement(using: &random)!
            tensor.shape = [[rows, count / rows], [count], [1, count], [count, 1], [1, 1, count]].randomElement(
                using: &random)!
            model.tensors[index] = tensor
        case 3:
            // Fewer or more elements.
            guard !tensor.shape.isEmpty, let place = types.firstIndex(of: tensor.dtype) else { return }
            let axis = Int.random(in: 0..<tensor.shape.count, using: &random)
            tensor.shape[axis] = [0, 1, 2, tensor.shape[axis] - 1, tensor.shape[axis] + 1, 2 * tensor.shape[axis]]
                .filter { $0 >= 0 }.randomElement(using: &random)!
            let size = tensor.shape.reduce(widths[place], *)
            tensor.bytes = (0..<size).map { tensor.bytes.isEmpty ? 0 : tensor.bytes[$0 % tensor.bytes.count] }
            model.tensors[index] = tensor
        case 4, 5:
            // Other bytes.
            for _ in 0..<4 where !tensor.bytes.isEmpty {
                tensor.bytes[Int.random(in: 0..<tensor.bytes.count, using: &random)] = [0, 0x7F, 0x80, 0xFF]
                    .randomElement(using: &random)!
            }
            model.tensors[index] = tensor
        case 6:
            let section = model.configuration["quantization"] == nil ? "quantization_config" : "quantization"
            guard let keys = model.configuration[section]?.object?.members.map(\.key), !keys.isEmpty else { return }
            let values: [JSON?] = [nil, .null, 0, -1, 3, 8, .int(.max), .int(.min), 2.5, "gptq", [], [1, 2], [:]]
            model.configure(keys.randomElement(using: &random)!, values.randomElement(using: &random)!, under: section)
        default: model.tensors.swapAt(index, Int.random(in: 0..<model.tensors.count, using: &random))
        }
    }
}
