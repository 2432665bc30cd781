import TestSupport
import Testing

@testable import Recast

/// Experts in stacks: each where its number says, whatever the order of names.
struct GGUFStacksTests {
    private func named(_ count: Int) -> [NamedTensor] {
        // As a safetensors header sorts them: 0, 1, 10, 11, 2, …
        (0..<count).map { "\($0)" }.sorted().map { expert in
            let value = Float(expert)!
            return NamedTensor(
                "blk.0.ffn_up_exps.\(expert).weight", LazyTensor.vector([value, value + 0.5]).reshaped([1, 2]))
        }
    }

    @Test(arguments: [1, 9, 12, 130]) func expertsStandWhereTheirNumbersSay(_ count: Int) throws {
        let packed = GGUFStacks.packed(named(count), latent: nil)
        #expect(packed.map(\.name) == ["blk.0.ffn_up_exps.weight"])
        let stack = try #require(packed.first?.tensor)
        #expect(stack.shape == [count, 1, 2])
        var reader = Reader(files: FilePool([]))
        let numbers = try stack.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        #expect(numbers == (0..<count).flatMap { [Float($0), Float($0) + 0.5] })
        let unpacked = try GGUFStacks.unpacked(packed, file: "a.gguf")
        #expect(unpacked.map(\.name) == (0..<count).map { "blk.0.ffn_up_exps.\($0).weight" })
    }

    /// Keys are transposed, values are not.
    @Test func latentAttention() throws {
        let latent = LatentAttention(
            queryRank: nil, keyValueRank: 3, nopeHeadDimension: 2, ropeHeadDimension: 2, valueDimension: 1)
        let both = LazyTensor.vector((0..<18).map { Float($0) }).reshaped([6, 3])
        let packed = GGUFStacks.packed([NamedTensor("blk.4.attn_kv_b.weight", both)], latent: latent)
        #expect(packed.map(\.name) == ["blk.4.attn_k_b.weight", "blk.4.attn_v_b.weight"])
        #expect(packed.map(\.tensor.shape) == [[2, 3, 2], [2, 1, 3]])
        var reader = Reader(files: FilePool([]))
        func numbers(_ tensor: LazyTensor) throws -> [Float] {
            try tensor.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        #expect(try numbers(packed[0].tensor) == [0, 3, 1, 4, 2, 5, 9, 12, 10, 13, 11, 14])
        #expect(try numbers(packed[1].tensor) == [6, 7, 8, 15, 16, 17])
        let back = try GGUFStacks.unpacked(packed, file: "a.gguf")
        #expect(back.map(\.name) == ["blk.4.attn_kv_b.weight"])
        #expect(try numbers(back[0].tensor) == (0..<18).map { Float($0) })
        for broken in [[packed[0]], [packed[0], NamedTensor("blk.4.attn_v_b.weight", both)]] {
            #expect(throws: RecastError.self) { try GGUFStacks.unpacked(broken, file: "a.gguf") }
        }
        #expect(throws: RecastError.self) {
            try GGUFStacks.unpacked([NamedTensor("blk.0.ffn_up_exps.weight", both)], file: "a.gguf")
        }
    }
}
