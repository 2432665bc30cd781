import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Text models with the experts of a layer in one tensor, inside of models for images: Qwen3-VL-MoE and its like.
struct WrappedExpertsTests {
    /// Transposed as transformers 4 has saved it, or as transformers 5 does; some sizes make a stack's matrices squares.
    struct Case: Sendable {
        var isTransposed: Bool
        var size: Int
    }

    static let cases = [false, true].flatMap { isTransposed in
        [24, 16, 32].map { Case(isTransposed: isTransposed, size: $0) }
    }
    private static let expertCount = 3
    private static let hiddenSize = 32

    /// The text model by itself, a matrix for each expert.
    private static func plain(_ size: Int) -> SmallModel {
        var model = SmallModel("qwen2")
        model.configuration["architectures"] = ["Qwen3MoeForCausalLM"]
        model.configuration["model_type"] = "qwen3_moe"
        model.configuration["head_dim"] = 8
        model.configuration["num_experts"] = .int(expertCount)
        model.configuration["num_experts_per_tok"] = 2
        model.configuration["moe_intermediate_size"] = .int(size)
        model.configuration["norm_topk_prob"] = true
        model.tensors.removeAll { $0.name.hasSuffix(".bias") || $0.name.contains(".mlp.") }
        for layer in 0..<SmallModel.layerCount {
            let prefix = "model.layers.\(layer)."
            for norm in ["q_norm", "k_norm"] { model.add("\(prefix)self_attn.\(norm).weight", [8]) }
            model.add("\(prefix)mlp.gate.weight", [expertCount, hiddenSize])
            for expert in 0..<expertCount {
                for name in ["gate", "up"] {
                    model.add("\(prefix)mlp.experts.\(expert).\(name)_proj.weight", [size, hiddenSize])
                }
                model.add("\(prefix)mlp.experts.\(expert).down_proj.weight", [hiddenSize, size])
            }
        }
        return model
    }

    /// Rows and columns exchanged, of numbers of four bytes.
    private static func transposed(_ bytes: [UInt8], rows: Int, columns: Int) -> [UInt8] {
        var result: [UInt8] = []
        for column in 0..<columns {
            for row in 0..<rows {
                let start = 4 * (row * columns + column)
                result += bytes[start..<start + 4]
            }
        }
        return result
    }

    /// The same inside of a model for images, as programs save it.
    private static func wrapped(_ given: Case) -> SmallModel {
        let plain = plain(given.size)
        var model = plain
        model.tensors.removeAll { $0.name.contains(".experts.") }
        for layer in 0..<SmallModel.layerCount {
            let prefix = "model.layers.\(layer).mlp.experts."
            for (name, parts) in [("gate_up_proj", ["gate", "up"]), ("down_proj", ["down"])] {
                let rows = parts.count == 2 ? 2 * given.size : hiddenSize
                let columns = parts.count == 2 ? hiddenSize : given.size
                var bytes: [UInt8] = []
                for expert in 0..<expertCount {
                    let matrix = parts.flatMap { plain["\(prefix)\(expert).\($0)_proj.weight"].bytes }
                    bytes += given.isTransposed ? transposed(matrix, rows: rows, columns: columns) : matrix
                }
                let shape = given.isTransposed ? [columns, rows] : [rows, columns]
                model.tensors.append(
                    SmallModel.Tensor(name: prefix + name, dtype: "F32", shape: [expertCount] + shape, bytes: bytes))
            }
        }
        for index in model.tensors.indices where model.tensors[index].name.hasPrefix("model.") {
            model.tensors[index].name = "model.language_model." + model.tensors[index].name.dropFirst("model.".count)
        }
        model.add("model.visual.patch.weight", [2, 2])
        var inner = plain.configuration
        inner["architectures"] = nil
        inner["model_type"] = "qwen3_vl_moe_text"
        inner["rope_scaling"] = ["rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": true]
        model.configuration = JSON.Object()
        model.configuration["architectures"] = ["Qwen3VLMoeForConditionalGeneration"]
        model.configuration["model_type"] = "qwen3_vl_moe"
        model.configuration["tie_word_embeddings"] = false
        model.configuration["vision_config"] = ["deepstack_visual_indexes": [3, 5]]
        model.configuration["text_config"] = .object(inner)
        return model
    }

    private static func tensors(_ path: String) throws -> [String: (tensor: LazyTensor, bytes: [UInt8])] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: checkpoint.sources)
        return Dictionary(
            uniqueKeysWithValues: try checkpoint.tensors.map {
                ($0.name, ($0.tensor, try $0.tensor.bytes(using: &reader)))
            })
    }

    private func convert(_ source: String, to path: String, _ options: ConversionOptions) throws -> Plan {
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        return plan
    }

    @Test(arguments: cases) func isTheModel(_ given: Case) throws {
        let directory = TemporaryDirectory()
        let plain = try Model(Checkpoint(path: Self.plain(given.size).write(to: directory, "plain")))
        let found = try Model(Checkpoint(path: Self.wrapped(given).write(to: directory, "wrapped")))
        #expect(try GraphDifference(plain, found).isEqual)
    }

    /// The own layout has the stored tensors, bit for bit, and so has a copy in shards.
    @Test(arguments: cases, [nil, 4000]) func isKept(_ given: Case, _ shardSize: Int?) throws {
        let directory = TemporaryDirectory()
        let source = Self.wrapped(given).write(to: directory, "wrapped")
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.maximumShardSize = shardSize
        let plan = try convert(source, to: directory.file("copy"), options)
        #expect(plan.exactness == .bit)
        let (theirs, mine) = (try Self.tensors(source), try Self.tensors(directory.file("copy")))
        #expect(Set(mine.keys) == Set(theirs.keys))
        for (name, stored) in theirs {
            #expect(mine[name]?.tensor.shape == stored.tensor.shape && mine[name]?.bytes == stored.bytes, "\(name)")
        }
        let configuration = try JSON(parsing: #require(directory.bytes("copy/config.json")), file: "config.json")
        #expect(configuration["architectures"]?.array?.first?.string == "Qwen3VLMoeForConditionalGeneration")
        #expect(configuration["text_config"]?["rope_scaling"]?["mrope_section"] == [2, 1, 1])
    }

    /// Another type rounds each number, wherever it lies.
    @Test(arguments: cases) func isRounded(_ given: Case) throws {
        let directory = TemporaryDirectory()
        let source = Self.wrapped(given).write(to: directory, "wrapped")
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.dtype = .bf16
        _ = try convert(source, to: directory.file("copy"), options)
        let (theirs, mine) = (try Self.tensors(source), try Self.tensors(directory.file("copy")))
        for (name, stored) in theirs where name.contains("language_model") {
            var rounded: [UInt8] = []
            for place in stride(from: 0, to: stored.bytes.count, by: 4) {
                var bits: UInt32 = 0
                for index in 0..<4 { bits |= UInt32(stored.bytes[place + index]) << UInt32(8 * index) }
                // To the nearest, ties to even.
                let half = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
                rounded += [UInt8(truncatingIfNeeded: half), UInt8(truncatingIfNeeded: half >> 8)]
            }
            #expect(mine[name]?.tensor.dtype == .bf16 && mine[name]?.bytes == rounded, "\(name)")
        }
    }

    /// Through GGUF's stacks, and the text model by itself.
    @Test(arguments: cases) func throughGGUF(_ given: Case) throws {
        let directory = TemporaryDirectory()
        let source = Self.wrapped(given).write(to: directory, "wrapped")
        _ = try convert(source, to: directory.file("a.gguf"), ConversionOptions(target: .gguf))
        let metadata = try #require(try Checkpoint(path: directory.file("a.gguf")).content.gguf).metadata
        #expect(metadata["general.architecture"]?.string == "qwen3vlmoe")
        #expect(metadata["qwen3vlmoe.rope.dimension_sections"]?.ints == [2, 1, 1, 0])
        _ = try convert(
            directory.file("a.gguf"), to: directory.file("b"), ConversionOptions(target: .huggingFace(family: nil)))
        _ = try convert(
            source, to: directory.file("c"), ConversionOptions(target: .huggingFace(family: "qwen3_moe")))
        let expected = Self.plain(given.size).tensors
        for name in ["b", "c"] {
            let found = try Self.tensors(directory.file(name))
            #expect(found.count == expected.count)
            for tensor in expected {
                #expect(
                    found[tensor.name]?.tensor.shape == tensor.shape && found[tensor.name]?.bytes == tensor.bytes,
                    "\(tensor.name)")
            }
        }
    }

    /// Codes are of single experts, where transformers reads these.
    @Test(arguments: cases) func isQuantizedByExperts(_ given: Case) throws {
        let directory = TemporaryDirectory()
        var model = Self.wrapped(given)
        model.configuration["architectures"] = ["Qwen3OmniMoeThinkerForConditionalGeneration"]
        model.configuration["model_type"] = "qwen3_omni_moe_thinker"
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("ct-int8", Packing.Choices())
        let plan = try convert(model.write(to: directory, "wrapped"), to: directory.file("copy"), options)
        #expect(plan.notes.contains { $0.contains("experts.down_proj") && $0.contains("matrices of their own") })
        // The same numbers have the same codes.
        let plain = Self.plain(given.size).write(to: directory, "plain")
        _ = try convert(plain, to: directory.file("expected"), options)
        let found = try Self.tensors(directory.file("copy"))
        let expected = try Self.tensors(directory.file("expected"))
        #expect(found.count == expected.count + 1)
        for (name, tensor) in expected {
            let own = name.hasPrefix("model.") ? "model.language_model." + name.dropFirst("model.".count) : name
            #expect(found[own]?.tensor.shape == tensor.tensor.shape && found[own]?.bytes == tensor.bytes, "\(name)")
        }
    }

    /// Codes of stacks have no layout that programs agree on; what can be done is said.
    @Test(arguments: ["ct-int4", "ct-int8", "nf4", "gptq-int4", "awq-int4", "fp8", "mlx-int4"])
    func isNotQuantized(_ encoding: String) throws {
        let directory = TemporaryDirectory()
        let source = Self.wrapped(Self.cases[0]).write(to: directory, "wrapped")
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named(encoding, Packing.Choices())
        let said = ["model.language_model.layers.0.mlp.experts.down_proj", "--family qwen3_moe", "GGUF"]
        expectRejection(.unsupported, said) { _ = try convert(source, to: directory.file("copy"), options) }
    }
}
