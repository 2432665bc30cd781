import TestSupport
import Testing

@testable import Recast

/// Experts in one tensor for all, as transformers 5 has them in memory.
struct FusedExpertsTests {
    @Test(.enabled(if: Fixtures.hasGolden), arguments: ["qwen3_moe", "mixtral", "qwen2_moe", "deepseek_v3"])
    func fusedIsTheSame(name: String) throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("families/\(name)"))
        let object = try #require(checkpoint.huggingFaceFiles?.configuration)
        let family = try Family.of(object, file: name)
        let configuration = try HuggingFaceConfiguration(object: object, file: name).configuration(of: family)
        let model = try Model(checkpoint)
        let fused = try Self.fused(checkpoint.tensors, model.graph, family)
        #expect(fused.count < checkpoint.tensors.count)
        let separated = try FusedExperts.separated(fused, family, configuration, file: name)
        #expect(separated.map(\.name).sorted() == checkpoint.tensors.map(\.name).sorted())
        var reader = Reader(files: FilePool(checkpoint.files))
        var other = Reader(files: FilePool(checkpoint.files))
        for tensor in checkpoint.tensors {
            let twin = try #require(separated.first { $0.name == tensor.name })
            #expect(try tensor.tensor.hasSameBits(as: twin.tensor, &reader, &other), "\(tensor.name)")
        }

        var broken = fused
        let index = try #require(broken.firstIndex { $0.name.hasSuffix("experts.gate_up_proj") })
        broken[index] = NamedTensor(broken[index].name, broken[index].tensor.columns(0..<8))
        let error = #expect(throws: RecastError.self) {
            try FusedExperts.separated(broken, family, configuration, file: name)
        }
        #expect(error?.code == .malformedInput)
    }

    /// As transformers 5.23 writes them with `save_original_format=False`.
    private static func fused(_ tensors: [NamedTensor], _ graph: Graph, _ family: Family) throws -> [NamedTensor] {
        let configuration = graph.configuration
        var result: [NamedTensor] = []
        for tensor in tensors {
            guard let match = family.table.match(tensor.name) else { continue }
            guard match.expert == nil else { continue }
            let isRouter = match.row.roles == [.router]
            result.append(
                isRouter ? NamedTensor("model.layers.\(match.layer!).mlp.gate.weight", tensor.tensor) : tensor)
        }
        for layer in 0..<configuration.layerCount where configuration.hasExperts(inLayer: layer) {
            let experts = 0..<configuration.experts!.count
            func weight(_ role: Role, _ expert: Int) -> LazyTensor { graph[Slot(role, layer: layer, expert: expert)]! }
            let prefix = "model.layers.\(layer).mlp.experts."
            result.append(
                NamedTensor(
                    prefix + "gate_up_proj",
                    .stackedMatrices(experts.map { .concatenatedRows([weight(.gate, $0), weight(.up, $0)]) })))
            result.append(NamedTensor(prefix + "down_proj", .stackedMatrices(experts.map { weight(.down, $0) })))
        }
        return result
    }
}
