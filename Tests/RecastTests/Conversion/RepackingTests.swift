import TestSupport
import Testing

@testable import Recast

/// Codes that move from one encoding to another stand for the same numbers there.
struct RepackingTests {
    /// An encoding to pass through: of the packed ones, or of GGUF's.
    struct Stage: CustomTestStringConvertible, Sendable {
        var name: String
        var isSymmetric: Bool?
        var isGGUF = false

        static func gguf(_ name: String) -> Stage { Stage(name: name, isGGUF: true) }
        static func symmetric(_ name: String) -> Stage { Stage(name: name, isSymmetric: true) }
        static func asymmetric(_ name: String) -> Stage { Stage(name: name, isSymmetric: false) }

        var testDescription: String { name + (isSymmetric.map { $0 ? " symmetric" : " asymmetric" } ?? "") }
    }

    private let directory = TemporaryDirectory()

    private func model() -> String { SmallModel("llama").write(to: directory) }

    /// Converts, with every matrix in this type where it is a GGUF's.
    private func convert(_ source: String, _ name: String, _ stage: Stage?) throws -> (path: String, plan: Plan) {
        var options = ConversionOptions(target: stage?.isGGUF == true ? .gguf : .huggingFace(family: nil))
        if let stage, stage.isGGUF {
            options.encoding = try GGUFFileType.named(stage.name)
            options.quantization.isPure = true
        } else if let stage {
            var choices = Packing.Choices()
            choices.isSymmetric = stage.isSymmetric
            choices.groupSize = ["ct-mxfp4", "fp8"].contains(stage.name) ? nil : 32
            options.packing = try Packing.named(stage.name, choices)
        } else {
            options.dtype = .f32
        }
        let path = directory.file(name)
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        return (path, plan)
    }

    /// The numbers of the linear layers.
    private func numbers(_ path: String) throws -> [String: [Float]] {
        let (decoded, _) = try convert(path, "decoded", nil)
        defer { directory.remove("decoded") }
        let checkpoint = try Checkpoint(path: decoded)
        var reader = Reader(files: FilePool(checkpoint.files))
        var numbers: [String: [Float]] = [:]
        for tensor in checkpoint.tensors where tensor.name.hasSuffix("_proj.weight") {
            numbers[tensor.name] = try tensor.tensor.numbers(
                rows: 0..<tensor.tensor.rowCount, as: Float.self, using: &reader)
        }
        return numbers
    }

    private func treatments(_ plan: Plan) -> Set<String> {
        Set(
            plan.transfers.filter { $0.source.rowCount > 24 || $0.name.contains("_k") || $0.name.contains("attn") }
                .filter { $0.source.shape.count == 2 && !$0.name.contains("norm") }.map(\.treatment))
    }

    // MARK: One step

    /// What each step does, from the definitions of the formats: symmetric codes go anywhere; a symmetric scheme takes no
    /// others; a minimum is a rounded product.
    static let steps: [(from: Stage, to: Stage, treatment: String)] = [
        (.symmetric("gptq-int4"), .gguf("q4_0"), "re-packed exactly"),
        (.symmetric("gptq-v1-int4"), .gguf("q4_0"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .gguf("q4_1"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .symmetric("gptq-v2-int4"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .symmetric("int4-group"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .asymmetric("int4-group"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .asymmetric("awq-int4"), "re-packed exactly"),
        (.symmetric("gptq-int4"), .symmetric("awq-int4"), "re-packed exactly"),
        (.symmetric("gptq-int4"), Stage(name: "mlx-int4"), "re-packed exactly"),
        (.symmetric("gptq-int8"), .gguf("q8_0"), "re-packed exactly"),
        (.symmetric("ct-int4"), .gguf("q4_0"), "re-packed with rounded scales"),
        (.symmetric("ct-int8"), .gguf("q8_0"), "re-packed with rounded scales"),
        (.symmetric("int4-group"), .symmetric("gptq-int4"), "re-packed with rounded scales"),
        (.asymmetric("gptq-v2-int4"), .asymmetric("int4-group"), "re-packed exactly"),
        (.asymmetric("gptq-v2-int4"), .asymmetric("awq-int4"), "re-packed exactly"),
        (.asymmetric("gptq-v1-int4"), .asymmetric("gptq-v2-int4"), "re-packed exactly"),
        (.asymmetric("gptq-v2-int4"), Stage(name: "mlx-int4"), "re-packed with rounded scales"),
        (.asymmetric("gptq-v2-int4"), .gguf("q4_1"), "re-packed with rounded scales"),
        (.asymmetric("gptq-v2-int4"), .gguf("q4_0"), "re-quantized"),
        (.asymmetric("awq-int4"), .symmetric("gptq-int4"), "re-quantized"),
        (.symmetric("gptq-int4"), .gguf("q5_0"), "re-quantized"),
        (.symmetric("gptq-int4"), .symmetric("gptq-int8"), "re-quantized"),
        (Stage(name: "mlx-int4"), .gguf("q4_1"), "re-packed with rounded scales"),
        (.gguf("q4_0"), .symmetric("gptq-int4"), "re-packed exactly"),
        (.gguf("q4_0"), .symmetric("int4-group"), "re-packed exactly"),
        (.gguf("q8_0"), .symmetric("gptq-int8"), "re-packed exactly"),
        (.gguf("q4_1"), Stage(name: "mlx-int4"), "re-packed exactly"),
        (.symmetric("int4-group"), Stage(name: "mlx-int4"), "re-packed with rounded scales"),
        (.gguf("q6_k"), .gguf("q4_0"), "re-quantized"),
    ]

    @Test(arguments: steps) func oneStep(_ step: (from: Stage, to: Stage, treatment: String)) throws {
        let (first, _) = try convert(model(), step.from.isGGUF ? "a.gguf" : "a", step.from)
        let (second, plan) = try convert(first, step.to.isGGUF ? "b.gguf" : "b", step.to)
        #expect(treatments(plan) == [step.treatment])
        let isAgain = step.treatment == "re-quantized"
        #expect(plan.warnings.contains { $0.contains("are quantized again") } == isAgain, "\(plan.warnings)")
        let (before, after) = try (numbers(first), numbers(second))
        #expect(before.count == 14 && after.keys == before.keys)
        for (name, old) in before {
            let new = try #require(after[name])
            if step.treatment == "re-packed exactly" { #expect(old == new, "\(name)") }
            if step.treatment == "re-packed with rounded scales" {
                // Codes reach 15 (of bytes 127) times the scale, and so do zeros; both are rounded to 11 bits.
                let greatest = old.reduce(0) { max($0, abs($1)) }
                #expect(zip(old, new).allSatisfy { abs($0 - $1) <= 3 * greatest * 0x1p-11 }, "\(name)")
                #expect(old != new || step.from.name == "mlx-int4", "\(name): nothing was rounded")
            }
        }
    }

    // MARK: And back again

    /// Through other formats and back, the files are what they were.
    @Test(arguments: [
        [
            Stage.symmetric("gptq-v2-int4"), .symmetric("int4-group"), .asymmetric("awq-int4"), .gguf("q4_0"),
            .symmetric("gptq-v1-int4"), .symmetric("gptq-v2-int4"),
        ],
        [
            .asymmetric("gptq-v2-int4"), .asymmetric("int4-group"), .asymmetric("awq-int4"),
            .asymmetric("gptq-v2-int4"),
        ],
        [.asymmetric("gptq-v2-int4"), Stage(name: "mlx-int4"), .asymmetric("gptq-v2-int4")],
        [.symmetric("gptq-v2-int8"), .gguf("q8_0"), .symmetric("ct-int8"), .symmetric("gptq-v2-int8")],
        [Stage(name: "ct-mxfp4"), .gguf("mxfp4_moe"), Stage(name: "ct-mxfp4")],
    ])
    func circles(_ stages: [Stage]) throws {
        var path = model()
        var first: [NamedTensor: [UInt8]]?
        for (index, stage) in stages.enumerated() {
            (path, _) = try convert(path, "stage\(index)" + (stage.isGGUF ? ".gguf" : ""), stage)
            if index == 0 { first = try stored(path) }
        }
        let last = try stored(path)
        #expect(first!.count > 20 && Set(first!.keys.map(\.name)) == Set(last.keys.map(\.name)))
        for (tensor, bytes) in first! {
            #expect(last.first { $0.key.name == tensor.name }?.value == bytes, "\(tensor.name)")
        }
    }

    /// The bytes of the stored tensors of the linear layers.
    private func stored(_ path: String) throws -> [NamedTensor: [UInt8]] {
        var files = FileList()
        let file = try SafetensorsFile(path: path + "/model.safetensors", files: &files)
        var reader = Reader(files: FilePool(files.files))
        var stored: [NamedTensor: [UInt8]] = [:]
        for tensor in file.tensors where tensor.name.contains("_proj.") {
            stored[tensor] = try tensor.tensor.bytes(using: &reader)
        }
        return stored
    }

    // MARK: What is not asked for

    /// Without a type, codes that a block type of GGUF holds exactly move into it; others become float32.
    @Test(arguments: [
        (Stage.symmetric("gptq-int4"), "Q4_0"), (.symmetric("gptq-int8"), "Q8_0"), (Stage(name: "ct-mxfp4"), "MXFP4"),
        (.asymmetric("gptq-v2-int4"), "F32"), (.symmetric("int4-group"), "F32"),
    ]) func conversionToGGUF(stage: Stage, type: String) throws {
        let (source, _) = try convert(model(), "a", stage)
        let path = directory.file("b.gguf")
        let plan = try Planning(Checkpoint(path: source), ConversionOptions(target: .gguf)).plan(destination: path)
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: path).run()
        let types = try Checkpoint(path: path).tensors.filter { $0.name.contains("ffn_up") }.map(\.tensor.dtype.name)
        #expect(types == [type, type])
        #expect(try numbers(source) == numbers(path))
        #expect(
            plan.notes.contains {
                $0.contains(type == "F32" ? "14 quantized weights are written as F32" : "\(type) × 14")
            })
    }

    /// Groups in the order of their importance stay so where the format has them, and are said to be lost elsewhere.
    @Test func groupsOutOfOrder() throws {
        var model = try PackedModel("gptq-v1-int4")
        for layer in 0..<2 {
            let order = (0..<64).map { Int32(($0 * 7 + layer) % 64 / 32) }
            model.replace(
                "model.layers.\(layer).mlp.down_proj.g_idx", "I32", [64],
                order.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) })
        }
        let source = model.write()
        let expected = try numbers(source)
        let (again, plan) = try convert(source, "again", .symmetric("gptq-v2-int4"))
        #expect(treatments(plan) == ["re-packed exactly"])
        #expect(try numbers(again) == expected)
        let configuration = try JSON(parsing: directory.bytes("again/config.json")!, file: "")
        #expect(configuration["quantization_config"]?["desc_act"]?.bool == true)
        let (_, other) = try convert(source, "b.gguf", .gguf("q4_0"))
        #expect(
            other.warnings.contains { $0.contains("2 tensors are already quantized (gptq int4 g32 act-order × 2)") })
    }

    /// Squares that share a scale, of which the last are cut short: rows of several squares, read in any windows.
    @Test func squares() throws {
        var model = SmallModel("llama")
        model.configuration["intermediate_size"] = 300
        for layer in 0..<2 {
            for (name, shape) in [("gate", [300, 32]), ("up", [300, 32]), ("down", [32, 300])] {
                model.remove("model.layers.\(layer).mlp.\(name)_proj.weight")
                model.add("model.layers.\(layer).mlp.\(name)_proj.weight", shape)
            }
        }
        // Scales that differ from square to square.
        for row in 0..<300 {
            model.set("model.layers.0.mlp.up_proj.weight", at: 32 * row, to: Float(row / 128 + 1) * 3)
        }
        var packed = try PackedModel(try #require(try Packing.named("ct-fp8")), source: model)
        // Written by row, and told to be in squares of 7 × 32 and others.
        for (height, width) in [(7, 32), (128, 16), (100, 300)] {
            for tensor in packed.tensors where tensor.name.hasSuffix("weight_scale") {
                let weight = packed[String(tensor.name.dropLast("_scale".count))]
                let shape = [(weight.shape[0] + height - 1) / height, (weight.shape[1] + width - 1) / width]
                packed.replace(
                    tensor.name, "F32", shape,
                    PackedEncoding.bytes(of: (0..<shape[0] * shape[1]).map { 0.5 + Float($0) }))
            }
            packed.configure(
                "config_groups",
                [
                    "group_0": [
                        "targets": ["Linear"],
                        "weights": [
                            "num_bits": 8, "type": "float", "symmetric": true, "strategy": "block",
                            "block_structure": [.int(height), .int(width)],
                        ],
                    ]
                ])
            let path = packed.write("squares")
            let found = try numbers(path)
            for (name, numbers) in found {
                let weight = packed[name]
                let columns = weight.shape[1]
                let across = (columns + width - 1) / width
                let expected = weight.bytes.enumerated().map { index, byte in
                    let scale = 0.5 + Float(index / columns / height * across + index % columns / width)
                    return LevelTable.e4m3.values[Int(byte)] * scale
                }
                #expect(numbers == expected, "\(name) in \(height) × \(width)")
            }
            // The rows of a GGUF target are read in windows of their own.
            directory.remove("x.gguf")
            let (copy, _) = try convert(path, "x.gguf", .gguf("f32"))
            #expect(try self.numbers(copy) == found)
        }
    }

    /// FP8 in squares stays as it is.
    @Test func squaresStay() throws {
        var model = SmallModel("llama")
        model.configuration["intermediate_size"] = 384
        for layer in 0..<2 {
            for (name, shape) in [("gate", [384, 32]), ("up", [384, 32]), ("down", [32, 384])] {
                model.remove("model.layers.\(layer).mlp.\(name)_proj.weight")
                model.add("model.layers.\(layer).mlp.\(name)_proj.weight", shape)
            }
        }
        for row in 0..<384 {
            model.set("model.layers.0.mlp.up_proj.weight", at: 32 * row, to: Float(row / 128 + 1) * 3)
            model.set("model.layers.1.mlp.down_proj.weight", at: row, to: Float(row / 128 + 1) * 3)
        }
        let (first, _) = try convert(model.write(to: directory), "a", Stage(name: "fp8"))
        let (_, plan) = try convert(first, "b", Stage(name: "fp8"))
        #expect(treatments(plan) == ["re-packed exactly"])
        #expect(directory.bytes("a/model.safetensors") == directory.bytes("b/model.safetensors"))
        let (third, _) = try convert(first, "c.gguf", .gguf("f32"))
        #expect(try numbers(third) == numbers(first))
    }

    /// Weights that a GGUF file has as float32 are quantized like any others, though the file knows what they were.
    @Test func widenedWeights() throws {
        var options = ConversionOptions(target: .gguf)
        options.dtype = .f32
        let path = directory.file("wide.gguf")
        let source = try Checkpoint(path: Fixtures.tinyModel)
        _ = try Conversion(try Planning(source, options).plan(destination: path), to: path).run()
        options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("gptq-int4")
        let plan = try Planning(Checkpoint(path: path), options).plan(destination: "x")
        #expect(plan.exactness == .quantized && plan.transfers.count { $0.exactness == .quantized } == 28)
        options.packing = nil
        #expect(try Planning(Checkpoint(path: path), options).plan(destination: "x").exactness == .bit)
    }

    /// A float32 scale that half precision cannot hold.
    @Test func scalesTooLarge() throws {
        var model = SmallModel("llama")
        model.set("model.layers.1.mlp.up_proj.weight", at: 7, to: 1e6)
        let (source, _) = try convert(model.write(to: directory), "a", .symmetric("int4-group"))
        expectRejection(.unsupported, ["blk.1.ffn_up.weight", "1 scales are too large or too small for Q4_0"]) {
            _ = try convert(source, "b.gguf", .gguf("q4_0"))
        }
        #expect(!directory.names.contains("b.gguf"))
    }
}
