import Testing

@testable import Recast

/// What decides types sees a tensor's role where it is known, and llama.cpp its name: they must agree.
struct GGUFTensorClassTests {
    @Test(arguments: GGUFArchitecture.all.flatMap(\.families)) func rolesAreWhatNamesSay(family: String) throws {
        let graph = try FamilySupport(Family.named(family)).sample
        let table = try GGUFArchitecture.of(family: family).table
        let tensors = GGUFStacks.packed(
            try Lowering(table: table, target: family).lower(graph, order: .ofGraph),
            latent: graph.configuration.latentAttention)
        #expect(tensors.count > 20)
        for tensor in tensors {
            let nameless = NamedTensor(tensor.name, tensor.tensor)
            #expect(!tensor.slots.isEmpty)
            #expect(tensor.isQuantizable(in: family) == nameless.isQuantizable(in: family), "\(tensor.name)")
            #expect(tensor.isAlwaysSingle == nameless.isAlwaysSingle, "\(tensor.name)")
            #expect(tensor.block == nameless.block, "\(tensor.name)")
            guard tensor.isQuantizable(in: family) else { continue }
            #expect(GGUFTensorClass(tensor) == GGUFTensorClass(nameless), "\(tensor.name)")
        }
    }
}
