import Testing

@testable import Recast

/// One lowering for all dialects: names, and the places in the graph that stay with them.
struct LoweringTests {
    private static var graph: Graph { get throws { try FamilySupport(.llama).sample } }

    /// What is lifted by a table is lowered by it: the same names, and every place once.
    @Test(arguments: Family.all.map(\.name)) func placesAreThoseOfTheGraph(family: String) throws {
        let graph = try FamilySupport(Family.named(family)).sample
        let table = try Family.named(family).table
        for order in [Lowering.Order.ofGraph, .ofTable] {
            let tensors = try Lowering(table: table, target: family).lower(graph, order: order)
            let slots = tensors.flatMap(\.slots)
            #expect(Set(slots).count == slots.count && Set(slots) == Set(graph.entries.map(\.slot)))
            for tensor in tensors {
                let match = try #require(table.match(tensor.name))
                #expect(match.row.roles == tensor.slots.map(\.role))
                #expect(tensor.slots.allSatisfy { $0.layer == match.layer && $0.expert == match.expert })
                let shapes = tensor.slots.map(graph.configuration.shape)
                #expect(tensor.tensor.shape == match.row.layout.storedShape(shapes, graph.configuration))
                // By hand, as the layout's own answer may be wrong.
                let rows = shapes.reduce(0) { $0 + ($1.first ?? 1) }
                switch match.row.layout {
                case .oneRow: #expect(tensor.tensor.shape[0] == 1)
                case .direct: #expect(tensor.tensor.shape == shapes[0])
                case .transposedRows: #expect(tensor.tensor.shape.last == rows)
                default: #expect(tensor.tensor.shape[0] == rows)
                }
            }
        }
    }

    /// Tensors in the order of a table, whatever that of the graph.
    @Test func order() throws {
        let graph = try Self.graph
        var reversed = Graph(configuration: graph.configuration)
        for entry in graph.entries.reversed() { reversed[entry.slot] = entry.tensor }
        let lowering = Lowering(table: Family.llama.table, target: "llama")
        let names = try lowering.lower(graph, order: .ofTable).map(\.name)
        #expect(try lowering.lower(reversed, order: .ofTable).map(\.name) == names)
        #expect(
            try lowering.lower(reversed, order: .ofGraph).map(\.name)
                == lowering.lower(graph, order: .ofGraph).map(\.name).reversed())
    }

    /// Heads of an odd size, as models without positions may have, are no rotary pairs: neither there nor back.
    @Test func oddHeads() throws {
        let own = try Self.graph.configuration
        for rotary in [RotaryLayout.interleaved, .halfSplitOfWholeHead] {
            var configuration = own
            (configuration.headDimension, configuration.rope.dimensions) = (17, rotary == .interleaved ? 17 : 8)
            let table = MappingTable([Row(.query, "blk.{layer}.attn_q.weight", rotary: rotary)])
            var graph = Graph(configuration: configuration)
            let slot = Slot(.query, layer: 0)
            graph[slot] = .zeros(.f32, configuration.shape(of: slot))
            expectRejection(.unsupported, "there has layers.0.query.weight in rotary pairs, and heads of 17 elements") {
                _ = try Lowering(table: table, target: "there").lower(graph, order: .ofGraph)
            }
            let stored = NamedTensor("blk.0.attn_q.weight", .zeros(.f32, configuration.shape(of: slot)))
            expectRejection("blk.0.attn_q.weight is in rotary pairs, and heads of 17 elements have none", file: "a") {
                _ = try Lifting(
                    table: table, configuration: configuration, biases: [], optional: [], ignored: { _ in false }
                )
                .lift([stored], allowsUnknown: false, file: "a")
            }
        }
    }

    /// Where nothing is moved heads may be of any size.
    @Test func oddHeadsInOnePiece() throws {
        var configuration = try Self.graph.configuration
        (configuration.headDimension, configuration.rope.dimensions) = (17, 17)
        let row = Row(.query, "q.weight", rotary: .halfSplitOfWholeHead)
        let slot = Slot(.query, layer: 0)
        let tensor = LazyTensor.zeros(.f32, configuration.shape(of: slot))
        #expect(row.fits(configuration))
        #expect(row.split(tensor, shapes: [configuration.shape(of: slot)], configuration) == [tensor])
    }

    /// Nothing is dropped for want of a place, and nothing fused that is not whole.
    @Test func refusals() throws {
        var graph = try Self.graph
        graph[Slot(.queryNorm, layer: 0)] = .zeros(.bf16, [16])
        expectRejection(.unsupported, "llama has no layers.0.queryNorm.weight") {
            _ = try Lowering(table: Family.llama.table, target: "llama").lower(graph, order: .ofTable)
        }
        graph = try Self.graph
        graph[Slot(.key, layer: 1)] = nil
        for order in [Lowering.Order.ofGraph, .ofTable] {
            expectRejection(.unsupported, "phi3 has query, key, value fused, and needs all of them") {
                _ = try Lowering(table: Family.phi3.table, target: "phi3").lower(graph, order: order)
            }
        }
    }
}
