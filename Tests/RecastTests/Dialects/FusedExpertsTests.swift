import TestSupport
import Testing

@testable import Recast

/// Experts in one tensor for all, as transformers 5 has them in memory.
struct FusedExpertsTests {
    /// In memory, and as transformers 4 has saved Qwen3-VL-MoE.
    @Test(
        .enabled(if: Fixtures.hasGolden), arguments: ["qwen3_moe", "mixtral", "qwen2_moe", "deepseek_v3"],
        [false, true])
    func fusedIsTheSame(name: String, isTransposed: Bool) throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("families/\(name)"))
        let object = try #require(checkpoint.huggingFaceFiles?.configuration)
        let family = try Family.of(object, file: name)
        let configuration = try HuggingFaceConfiguration(object: object, file: name).configuration(of: family)
        let model = try Model(checkpoint)
        let fused = try Self.fused(checkpoint.tensors, model.graph, family, isTransposed: isTransposed)
        #expect(fused.count < checkpoint.tensors.count)
        let experts = try #require(FusedExperts(fused, family, configuration))
        let separated = try experts.separated(fused, file: name)
        #expect(separated.map(\.name).sorted() == checkpoint.tensors.map(\.name).sorted())
        var reader = Reader(files: FilePool(checkpoint.files))
        var other = Reader(files: FilePool(checkpoint.files))
        for tensor in checkpoint.tensors {
            let twin = try #require(separated.first { $0.name == tensor.name })
            #expect(try tensor.tensor.hasSameBits(as: twin.tensor, &reader, &other), "\(tensor.name)")
        }

        // And back: the stored tensors themselves, or others with the same numbers where weights are no longer windows of them.
        let biases = try HuggingFaceConfiguration(object: object, file: name).biases(of: family)
        var graph = try Lifting(
            table: family.table, configuration: configuration, biases: biases, optional: [], ignored: { _ in false }
        ).lift(separated, allowsUnknown: false, file: name).graph
        for isSame in [true, false] {
            if !isSame {
                for entry in graph.entries { graph[entry.slot] = try entry.tensor.held(using: &reader) }
            }
            let lowered = try Lowering(table: family.table, target: name).lower(graph, order: .ofTable)
            let again = experts.fused(lowered)
            #expect(again.map(\.name).sorted() == fused.map(\.name).sorted())
            for tensor in fused {
                let twin = try #require(again.first { $0.name == tensor.name })
                #expect(twin.tensor.shape == tensor.tensor.shape)
                #expect(try tensor.tensor.hasSameBits(as: twin.tensor, &reader, &other), "\(tensor.name)")
                if isSame { #expect(twin.tensor == tensor.tensor) }
            }
        }

        var broken = fused
        let index = try #require(broken.firstIndex { $0.name.hasSuffix("experts.gate_up_proj") })
        broken[index] = NamedTensor(broken[index].name, broken[index].tensor.columns(0..<8))
        let error = #expect(throws: RecastError.self) {
            try FusedExperts(broken, family, configuration)?.separated(broken, file: name)
        }
        #expect(error?.code == .malformedInput)
    }

    /// Experts without a gate may be squares in both tensors: they are stored as transformers has them in memory, and not otherwise.
    @Test func squares() throws {
        let path = Fixtures.smallFamily("nemotron_h-latent")
        var object = try #require(try Checkpoint(path: path).huggingFaceFiles?.configuration)
        object["moe_latent_size"] = 20
        let configuration = try HuggingFaceConfiguration(object: object, file: "a").configuration(of: .nemotronH)
        let count = try #require(configuration.experts).count
        let numbers = (0..<count * 20 * 20).map(Float.init)
        let stack = LazyTensor.literal(.f32, [count, 20, 20], numbers.withUnsafeBytes(Array.init))
        let tensors = ["up_proj", "down_proj"].map { NamedTensor("backbone.layers.1.mixer.experts.\($0)", stack) }
        let experts = try #require(FusedExperts(tensors, .nemotronH, configuration))
        let separated = try experts.separated(tensors, file: "a")
        #expect(separated.count == 2 * count)
        var reader = Reader(files: FilePool([]))
        for tensor in separated where tensor.name.contains("experts.1.") {
            #expect(
                try tensor.tensor.floats(rows: 0..<1, using: &reader) == Array(numbers[400..<420]), "\(tensor.name)")
        }
    }

    /// As transformers 5.23 writes them with `save_original_format=False`.
    private static func fused(
        _ tensors: [NamedTensor], _ graph: Graph, _ family: Family, isTransposed: Bool
    ) throws -> [NamedTensor] {
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
            let matrices: [(String, [LazyTensor])] = [
                ("gate_up_proj", experts.map { .concatenatedRows([weight(.gate, $0), weight(.up, $0)]) }),
                ("down_proj", experts.map { weight(.down, $0) }),
            ]
            for (name, parts) in matrices {
                let parts = isTransposed ? parts.map { $0.transposed() } : parts
                result.append(NamedTensor(prefix + name, .stackedMatrices(parts)))
            }
        }
        return result
    }
}

extension LazyTensor {
    /// The same numbers as part of the recipe.
    fileprivate func held(using reader: inout Reader) throws -> LazyTensor {
        .literal(dtype, shape, try bytes(using: &reader))
    }
}
