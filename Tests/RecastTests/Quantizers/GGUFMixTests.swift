import TestSupport
import Testing

@testable import Recast

/// The choice of types is the reference's: by the specification's script, which was compared with llama-quantize itself.
struct GGUFMixTests {
    @Test func everyFileTypeOfInventedModels() throws {
        let table = try Fixtures.table(Fixtures.ggufMix)
        let fileTypes = try table[0].map { try GGUFFileType.named($0) }
        #expect(Set(fileTypes) == Set(GGUFFileType.allCases.filter(\.dtype.isQuantized)))
        try #require(table.count == 201)
        for (seed, expected) in table.dropFirst().enumerated() {
            let model = InventedModel(seed: seed)
            let tensors = model.tensors.inQuantizerOrder
            let traits = GGUFModelTraits(model.metadata, tensors: tensors)
            let weights = tensors.filter { $0.isQuantizable(in: traits.architecture) }
            let found = fileTypes.map { digest($0, traits, weights) }
            for (fileType, pair) in zip(fileTypes, zip(found, expected)) where pair.0 != pair.1 {
                Issue.record("model \(seed), \(fileType.name): \(pair.0) instead of \(pair.1)")
            }
        }
    }

    private func digest(
        _ fileType: GGUFFileType, _ traits: GGUFModelTraits, _ weights: [NamedTensor]
    ) -> String {
        var texts: [String] = []
        for hasImportance in [false, true] {
            var mix = GGUFMix(fileType, traits, hasImportance: hasImportance)
            var types: [String] = []
            for tensor in weights {
                let wanted = mix.dtype(of: tensor)
                guard let dtype = GGUFTypePolicy.fitting(wanted, columns: tensor.tensor.columnCount) else {
                    return "------"
                }
                types.append(dtype.name.lowercased())
            }
            texts.append(types.joined(separator: " "))
        }
        return String(SHA256.hex(texts.joined(separator: "\n").utf8).prefix(6))
    }
}
