import TestSupport
import Testing

@testable import Recast

/// What consumers are known to refuse is warned of, and nothing else is.
struct ConsumerLintTests {
    private func weight(
        _ role: Role, layer: Int = 0, expert: Int? = nil, _ name: String? = "gptq-int4", shape: [Int] = [256, 256],
        _ choose: (inout Packing.Choices) -> Void = { _ in }
    ) throws -> ConsumerLint.Weight {
        var choices = Packing.Choices()
        choose(&choices)
        let packing = try name.map { try #require(try Packing.named($0, choices)) }
        return ConsumerLint.Weight(
            slot: Slot(role, layer: layer, expert: expert), name: "\(role).\(layer).weight", shape: shape,
            encoding: packing?.encoding(of: .zeros(.f32, shape), modelType: .bf16))
    }

    private func warnings(_ weights: ConsumerLint.Weight...) -> [String] { ConsumerLint(weights: weights).warnings }

    @Test func evenModels() throws {
        for name in ["gptq-int4", "gptq-int8", "ct-int4", "ct-int8", "awq-int4", "ct-fp8", "nf4", "mlx-int4", "fp8"] {
            let weights = try [Role.query, .key, .value, .gate, .up, .down].map { try weight($0, name) }
            #expect(ConsumerLint(weights: weights).warnings == [], "\(name)")
        }
    }

    @Test func fusedPartsThatDiffer() throws {
        let said = try warnings(
            weight(.query), weight(.key, nil), weight(.value), weight(.gate), weight(.up),
            weight(.query, layer: 1), weight(.key, layer: 1), weight(.value, layer: 1),
            weight(.gate, layer: 1), weight(.up, layer: 1) { $0.groupSize = 64 })
        #expect(said.count == 2)
        #expect(said[0].contains("q, k and v are stored differently in layer 0:"))
        #expect(said[1].contains("gate and up are stored differently in layer 1:"))
    }

    @Test func expertsLeftPlain() throws {
        let said = try warnings(
            weight(.gate, expert: 0), weight(.gate, expert: 1, nil), weight(.gate, expert: 2))
        #expect(said.count == 1 && said[0].contains("1 of 3 expert weights are not quantized, such as gate.0.weight"))
        #expect(try warnings(weight(.gate, expert: 0, nil), weight(.down)) == [])
    }

    @Test func severalWidths() throws {
        let said = try warnings(weight(.down), weight(.attentionOutput, "gptq-int8"))
        #expect(said.count == 1 && said[0].contains("under `dynamic`"))
        #expect(try warnings(weight(.down, "mlx-int4"), weight(.query, "mlx-int8"), weight(.key, "mlx-int4")) == [])
        let experts = try warnings(weight(.gate, expert: 0, "ct-int4"), weight(.gate, expert: 1, "ct-int8"))
        #expect(experts.contains { $0.contains("experts are stored differently in layer 0: vLLM") })
    }

    @Test func slowKernels() throws {
        #expect(try warnings(weight(.down, "gptq-int3"))[0].contains("do not take 3-bit codes;"))
        #expect(try warnings(weight(.down) { $0.groupSize = 256 })[0].contains("do not take groups of 256;"))
        #expect(try warnings(weight(.down, "int8-absmax") { $0.per = .tensor })[0].contains("one scale for a tensor"))
        #expect(try warnings(weight(.down, "int4-group") { $0.isSymmetric = false })[0].contains("asymmetric codes"))
        let first = try warnings(weight(.down, "gptq-v1-int4") { $0.isSymmetric = false })
        #expect(first.contains { $0.contains("zeros are kept above 0") })
    }

    @Test func sizesThatDoNotDivide() throws {
        let said = try warnings(
            weight(.down, shape: [96, 256]), weight(.up),
            weight(.down, layer: 1, shape: [256, 192]) {
                $0.groupSize = 64
            })
        #expect(
            said.count == 1
                && said[0].contains("2 weights, such as down.0.weight of 96 × 256, are not made of whole tiles"))
    }
}
