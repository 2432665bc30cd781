import TestSupport
import Testing

@testable import Recast

/// What quantizing must keep of any numbers, whatever the encoding.
struct BlockQuantizerLaws {
    private static let columns = 256
    /// A row each.
    private static let rows: [(name: String, numbers: [Float])] = {
        var random = SeededGenerator(seed: 3)
        func row(_ number: (Int) -> Float) -> [Float] { (0..<columns).map(number) }
        return [
            ("zeros", row { _ in 0 }), ("negative zeros", row { _ in -0.0 }), ("constant", row { _ in 0.37 }),
            ("negative constant", row { _ in -0.37 }), ("one number", row { $0 == 77 ? 3 : 0 }),
            ("one negative number", row { $0 == 77 ? -3 : 0 }), ("positive", row { 1 + Float($0) / 300 }),
            ("negative", row { -1 - Float($0) / 300 }), ("two numbers", row { $0 % 2 == 0 ? -0.5 : 0.25 }),
            ("wide", row { ($0 % 2 == 0 ? 1 : -1) * Float(sign: .plus, exponent: $0 % 24 - 20, significand: 1.3) }),
            ("random", row { _ in Float.random(in: -1...1, using: &random) }),
            ("far from zero", row { _ in Float.random(in: 10...10.1, using: &random) }),
            ("nearly none", row { Float($0 % 7) * 0x1p-140 }),
        ]
    }()

    private func quantized(_ each: PackingCase, _ row: [Float], modelType: DType) throws -> (
        numbers: [Float], tile: Tile, Tally
    ) {
        let encoding = each.encoding(modelType: modelType, shape: [1, row.count])
        let shape = each.matrix(of: [1, row.count])
        var tally = Tally()
        let tile = row.withUnsafeBufferPointer { buffer in
            encoding.quantize(
                buffer, rows: shape.rows, columns: shape.columns, method: each.choices.method,
                reduced: encoding.reduction == nil ? nil : encoding.reduce(buffer), tally: &tally)
        }
        return (tile.numbers, tile, tally)
    }

    @Test(arguments: PackingCase.all) func everyNumberIsNearItsOwn(_ each: PackingCase) throws {
        for method in each.packing.scheme.grid == .table(.e4m3) ? [.round] : QuantizationMethod.allCases {
            var each = each
            each.choices.method = method
            for (name, row) in Self.rows {
                for modelType in [DType.f32, .bf16] {
                    let (numbers, tile, tally) = try quantized(each, row, modelType: modelType)
                    #expect(tally.lostBlockCount == 0 && numbers.allSatisfy(\.isFinite), "\(name)")
                    if row.allSatisfy({ $0 == 0 }) { #expect(numbers.allSatisfy { $0 == 0 }, "\(name)") }
                    if method == .search { continue }
                    for (index, (found, wanted)) in zip(numbers, row).enumerated() {
                        let block = index * tile.scales.count / row.count
                        let scale = tile.scales[block]
                        // Minima are rounded like scales.
                        let offset = each.packing.scheme.origin == .affineMinimum ? tile.offsets[block] : 0
                        let limit = Self.limit(each.packing, scale: abs(scale), of: wanted) + abs(offset) * 0x1p-8
                        #expect(
                            abs(found - wanted) <= limit, "\(name) \(index): \(wanted) became \(found), scale \(scale)")
                        if abs(found - wanted) > limit { break }
                    }
                }
            }
        }
    }

    /// Half the distance of two neighbours, and what rounding the scale to 8 bits does to the farthest code.
    private static func limit(_ packing: Packing, scale: Float, of number: Float) -> Float {
        switch packing.scheme.grid {
        case .table(.e4m3): max(abs(number) / 16, scale * 0x1p-10) * 1.0001
        // 6 is the last step where 7.9 would be needed.
        case .table(.e2m1): max(scale, abs(number) / 4) * 1.0001
        case .table: scale * 0.17
        case .integers(let bits):
            // Of minima the far end is not met: the near one and zero are.
            (packing.scheme.origin == .affineMinimum ? 1 : 0.5) * scale + scale * Float(1 << bits) * 0x1p-8
        }
    }

    /// A search may only lessen the squared error.
    @Test(arguments: PackingCase.all) func searchesAreNoWorse(_ each: PackingCase) throws {
        for (name, row) in Self.rows {
            var errors: [QuantizationMethod: Double] = [:]
            for method in QuantizationMethod.allCases {
                var each = each
                each.choices.method = method
                let (numbers, _, _) = try quantized(each, row, modelType: .f32)
                errors[method] = zip(numbers, row).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
            #expect(errors[.search]! <= errors[.round]! * 1.00001, "\(name)")
        }
    }
}

/// What a packed encoding cannot hold is refused, and nothing is written.
struct PackedLossTests {
    private static let encodings = [
        "gptq-int4", "gptq-int3", "awq-int4", "int4-group", "int8-absmax", "int8-zero-point", "ct-fp8", "ct-mxfp4",
        "nf4",
        "nf4-nested", "llm-int8", "fp8", "mlx-int4",
    ]

    private func pack(_ model: SmallModel, _ encoding: String, into directory: TemporaryDirectory) throws -> String {
        var choices = Packing.Choices()
        choices.groupSize = 32
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try (try? Packing.named(encoding, choices)) ?? Packing.named(encoding)
        let path = directory.file("packed")
        let source = try Checkpoint(path: model.write(to: directory))
        _ = try Conversion(try Planning(source, options).plan(destination: path), to: path).run()
        return path
    }

    @Test(arguments: encodings, [Float.nan, .infinity, -.infinity]) func notFinite(encoding: String, number: Float) {
        let directory = TemporaryDirectory()
        var model = SmallModel("llama")
        model.set("model.layers.1.mlp.up_proj.weight", at: 7, to: number)
        model.set("model.layers.1.mlp.up_proj.weight", at: 1999, to: number)
        expectRejection(.unsupported, ["layers.1.mlp.up_proj", "2 NaN or infinite values"]) {
            _ = try pack(model, encoding, into: directory)
        }
        #expect(directory.names == ["model"])
    }

    /// Half-precision scales end at 65504.
    @Test(arguments: [("gptq-int4", Float(6e5)), ("gptq-int3", 3e5), ("awq-int4", 6e5), ("gptq-int8", 1e7)])
    func scalesTooLarge(encoding: String, number: Float) throws {
        for (factor, isTooLarge) in [(Float(1), false), (3, true)] {
            let directory = TemporaryDirectory()
            var model = SmallModel("llama")
            for index in [7, 8] {
                model.set(
                    "model.layers.1.mlp.up_proj.weight", at: index, to: (index == 7 ? -0.7 : 0.7) * factor * number)
            }
            guard isTooLarge else {
                _ = try pack(model, encoding, into: directory)
                continue
            }
            expectRejection(.unsupported, ["layers.1.mlp.up_proj", "blocks have values too large"]) {
                _ = try pack(model, encoding, into: directory)
            }
            #expect(directory.names == ["model"])
        }
    }

    /// Weights that no block fits stay as they are, and the notes say which; if none fits, that is an error.
    @Test func groupsThatDoNotFit() throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: SmallModel("llama").write(to: directory))
        var choices = Packing.Choices()
        choices.groupSize = 64
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("gptq-int4", choices)
        let plan = try Planning(source, options).plan(destination: directory.file("out"))
        let notes = plan.notes.filter {
            $0.contains("and 9 more are not quantized: their 32 columns are not a multiple of the group size 64")
        }
        #expect(notes.count == 1, "\(plan.notes)")
        choices.groupSize = 128
        options.packing = try Packing.named("gptq-int4", choices)
        expectRejection(.unsupported, ["no weight can be stored as gptq-int4", "group size 128"]) {
            _ = try Planning(source, options).plan(destination: directory.file("out"))
        }
    }
}
