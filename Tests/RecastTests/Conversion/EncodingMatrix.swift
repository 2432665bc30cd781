import TestSupport
import Testing

@testable import Recast

/// Every way in which a model's weights can be stored, and what each may do to their numbers.
enum EncodingMatrix {
    /// Rows of 256, which every block fills, of 32, and of 24, which are cut short in most; 256 rows are two squares of FP8.
    static let matrices: [(role: Role, huggingFace: String, gguf: String, shape: [Int])] = [
        (.query, "self_attn.q_proj", "attn_q", [32, 256]), (.key, "self_attn.k_proj", "attn_k", [8, 256]),
        (.value, "self_attn.v_proj", "attn_v", [8, 256]),
        (.attentionOutput, "self_attn.o_proj", "attn_output", [256, 32]),
        (.gate, "mlp.gate_proj", "ffn_gate", [24, 256]), (.up, "mlp.up_proj", "ffn_up", [24, 256]),
        (.down, "mlp.down_proj", "ffn_down", [256, 24]),
    ]

    static func name(_ matrix: String) -> String { "model.layers.0.\(matrix).weight" }

    static var model: SmallModel {
        var model = SmallModel("llama")
        for (key, size) in [
            ("vocab_size", 8), ("hidden_size", 256), ("intermediate_size", 24), ("num_hidden_layers", 1),
            ("num_attention_heads", 4), ("num_key_value_heads", 1), ("head_dim", 8),
        ] {
            model.configuration[key] = .int(size)
        }
        model.configuration["tie_word_embeddings"] = true
        model.tensors = []
        model.add("model.embed_tokens.weight", [8, 256])
        for (_, matrix, _, shape) in matrices { model.add(name(matrix), shape) }
        for norm in ["layers.0.input_layernorm", "layers.0.post_attention_layernorm", "norm"] {
            model.add("model.\(norm).weight", [256])
        }
        return model
    }

    /// The model with all its numbers in a type.
    static func model(as dtype: DType) throws -> SmallModel {
        var model = model
        for index in model.tensors.indices {
            let tensor = model.tensors[index]
            let numbers = tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            var bytes = [UInt8](repeating: 0, count: numbers.count * dtype.blockBytes)
            if dtype == .f64 {
                // With bits that a float32 has no room for.
                bytes = numbers.flatMap { number in
                    withUnsafeBytes(of: (Double(number) * 1.000_000_001).bitPattern.littleEndian, Array.init)
                }
            } else {
                var tally = Tally()
                try numbers.withUnsafeBufferPointer { numbers in
                    try bytes.withUnsafeMutableBytes {
                        try dtype.encode(numbers, columns: numbers.count, into: $0, tally: &tally)
                    }
                }
            }
            model.tensors[index].dtype = dtype.name
            model.tensors[index].bytes = bytes
        }
        model.configuration["torch_dtype"] = .string(dtype == .f64 ? "float64" : dtype.torchName)
        return model
    }
}

// MARK: Sources

extension EncodingMatrix {
    /// A way to store weights from which they are read.
    struct Source: CustomTestStringConvertible, Sendable {
        enum Kind: Sendable {
            case plain(DType)
            case blocks(DType)
            case packed(String, Packing.Choices, modelType: DType)
        }

        /// What is done to a packed checkpoint after it was written.
        enum Change: Sendable { case none, order, signedBytes, powerScales, microscaling }

        var testDescription: String
        var kind: Kind
        var change = Change.none

        var isDouble: Bool { if case .plain(.f64) = kind { true } else { false } }
    }

    // swift-format-ignore
    static let sources: [Source] = {
        var sources = [DType.f32, .f16, .bf16, .f64, .f8e4m3, .f8e5m2].map {
            Source(testDescription: "\($0)", kind: .plain($0))
        }
        sources += DType.all.filter { $0.isQuantized && $0.isDecodable }.map {
            Source(testDescription: "\($0)", kind: .blocks($0))
        }
        func add(
            _ names: String..., per: Packing.Choices.Granularity? = nil, group: Int? = nil, symmetric: [Bool?] = [nil],
            types: [DType] = [.f32], change: Source.Change = .none
        ) {
            for name in names { for isSymmetric in symmetric { for type in types {
                var choices = Packing.Choices()
                (choices.per, choices.groupSize, choices.isSymmetric) = (per, group, isSymmetric)
                let words = [
                    name, isSymmetric.map { $0 ? "symmetric" : "asymmetric" }, per.map { "per \($0.rawValue)" },
                    group.map { "g\($0)" }, types.count > 1 ? type.name : nil, change == .none ? nil : "\(change)",
                ]
                sources.append(
                    Source(
                        testDescription: words.compactMap { $0 }.joined(separator: " "),
                        kind: .packed(name, choices, modelType: type), change: change))
            } } }
        }
        let scaleTypes: [DType] = [.f32, .f16, .bf16]
        for bits in [2, 3, 4, 8] {
            add("gptq-v1-int\(bits)", "gptq-v2-int\(bits)", group: 32, symmetric: [true, false])
        }
        add("gptq-v2-int4", "gptq-v1-int4", group: 32, symmetric: [true, false], change: .order)
        add("gptq-v2-int4", per: .channel, symmetric: [true, false])
        add("awq-int4", group: 32, symmetric: [true, false])
        add("int4-group", group: 32, symmetric: [true, false], types: [.f32, .bf16])
        add("int4-group", group: 128)
        add("int8-absmax", "int8-zero-point", per: .tensor)
        add("int8-absmax", "int8-zero-point", per: .channel, types: scaleTypes)
        add("int8-absmax", "int8-zero-point", group: 32)
        add("ct-int8", per: .channel, symmetric: [true, false], types: [.bf16], change: .signedBytes)
        add("ct-fp8", per: .tensor)
        add("ct-fp8", per: .channel, types: scaleTypes)
        add("ct-mxfp4", "nf4", "fp4", "nf4-nested", "fp4-nested", "llm-int8", "fp8")
        add("fp8", change: .powerScales)
        for bits in [2, 3, 4, 5, 6, 8] {
            add("mlx-int\(bits)", group: 32, types: bits == 4 ? scaleTypes : [bits == 8 ? .f32 : .f16])
        }
        add("mlx-int4", group: 32, change: .microscaling)
        return sources
    }()
}

extension EncodingMatrix.Source {
    /// Writes a checkpoint of random codes and scales and returns its path.
    func write(to directory: TemporaryDirectory) throws -> String {
        switch kind {
        case .plain(let dtype): return try EncodingMatrix.model(as: dtype).write(to: directory, "source")
        case .blocks(let dtype): return try writeBlocks(dtype, to: directory)
        case .packed(let name, let choices, let modelType):
            let packing = try Packing.named(name, choices)!
            var model = try PackedModel(packing, source: EncodingMatrix.model(as: modelType))
            var random = SeededGenerator(seed: 5)
            for (_, matrix, _, shape) in EncodingMatrix.matrices {
                let module = "model.layers.0.\(matrix)"
                var encoding = packing.encoding(of: .zeros(modelType, shape), modelType: modelType)
                if encoding.format == .bitsandbytes { encoding.flatShape = shape }
                let size = encoding.format == .bitsandbytes ? [shape[0] * shape[1] / 64, 64] : shape
                guard encoding.obstacle(rows: size[0], columns: size[1]) == nil else { continue }
                for part in encoding.layouts(rows: size[0], columns: size[1]) { model.remove(module + part.suffix) }
                change(&encoding)
                var tally = Tally()
                let tile = encoding.randomTile(rows: size[0], columns: size[1], &random)
                let parts = try encoding.stored(tile, cuts: [0, size[0]], tally: &tally)
                for (part, tensor) in zip(encoding.layouts(rows: size[0], columns: size[1]), parts) {
                    guard case .literal(var bytes) = tensor.recipe else { continue }
                    if part.content == .groupOfColumn, change == .order {
                        bytes = (0..<size[1]).flatMap { column in
                            withUnsafeBytes(of: Int32(column * 7 % size[1] / 32).littleEndian, Array.init)
                        }
                    }
                    model.tensors.append(
                        SmallModel.Tensor(
                            name: module + part.suffix, dtype: part.dtype.name, shape: part.shape, bytes: bytes))
                }
            }
            if change == .signedBytes { model.configure("format", "int-quantized") }
            if change == .microscaling {
                for section in ["quantization", "quantization_config"] {
                    model.configure("mode", "mxfp4", under: section)
                }
                // That of the model has minima.
                model.tensors.removeAll { $0.name.hasPrefix("model.embed_tokens.") }
                model.tensors.append(EncodingMatrix.model["model.embed_tokens.weight"])
            }
            directory.write("source/config.json", JSON.object(model.configuration).serialized(.indented))
            directory.write("source/model.safetensors", model.file)
            return directory.file("source")
        }
    }

    private func change(_ encoding: inout PackedEncoding) {
        switch change {
        case .none, .order: break
        case .signedBytes: encoding.format = .intQuantized
        case .powerScales: encoding.scaleType = .f8e8m0
        case .microscaling:
            encoding = PackedEncoding(.mlx, Scheme(.table(.e2m1), .symmetric, .group(32)), scaleType: .f8e8m0)
        }
    }

    /// A GGUF file whose matrices are random blocks of the type, where these fill their rows, and others elsewhere.
    private func writeBlocks(_ dtype: DType, to directory: TemporaryDirectory) throws -> String {
        let plain = directory.file("plain.gguf")
        let source = try Checkpoint(path: EncodingMatrix.model.write(to: directory, "plain"))
        var options = ConversionOptions(target: .gguf)
        options.dtype = .f32
        _ = try Conversion(try Planning(source, options).plan(destination: plain), to: plain).run()
        let checkpoint = try Checkpoint(path: plain)
        var random = SeededGenerator(seed: 6)
        let tensors = checkpoint.tensors.map { tensor in
            let shape = tensor.tensor.shape
            guard EncodingMatrix.matrices.contains(where: { "blk.0.\($0.gguf).weight" == tensor.name }) else {
                return TypedTensor(tensor, .f32)
            }
            let type = [dtype, .q8_0].first { shape[1].isMultiple(of: $0.blockElements) }
            guard let type else { return TypedTensor(tensor, .f16) }
            let bytes = type.randomBlocks(shape.reduce(1, *) / type.blockElements, &random)
            return TypedTensor(NamedTensor(tensor.name, .literal(type, shape, bytes)), type)
        }
        var plan = Plan(sources: checkpoint.files, form: .file)
        try GGUFLayout(metadata: checkpoint.ggufSet!.metadata, tensors: tensors)
            .lay(out: "source.gguf", maximumShardSize: nil, into: &plan)
        let path = directory.file("source.gguf")
        _ = try Conversion(plan, to: path).run()
        return path
    }
}

extension DType {
    /// Any codes, and scales between a sixteenth and two, of either sign.
    func randomBlocks(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        func half() -> UInt16 {
            UInt16.random(in: 11...15, using: &random) << 10 | UInt16.random(in: 0..<1024, using: &random)
                | UInt16.random(in: 0...1, using: &random) << 15
        }
        var bytes = (0..<count * blockBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
        for block in 0..<count {
            let base = block * blockBytes
            switch self {
            case .mxfp4: bytes[base] = UInt8.random(in: 120...126, using: &random)
            // E4M3 without its NaN; the sign is ignored.
            case .nvfp4: for group in 0..<4 { bytes[base + group] = UInt8.random(in: 0...126, using: &random) }
            case .iq1_m:
                let scale = half()
                for word in 0..<4 {
                    let high = UInt8(scale >> (4 * UInt16(word)) & 15) << 4
                    bytes[base + 49 + 2 * word] = bytes[base + 49 + 2 * word] & 15 | high
                }
            default:
                for offset in scalePlaces {
                    let scale = half()
                    bytes[base + offset] = UInt8(truncatingIfNeeded: scale)
                    bytes[base + offset + 1] = UInt8(scale >> 8)
                }
            }
        }
        return bytes
    }

    /// Where the halves of a block lie (gguf.md §b.1).
    private var scalePlaces: [Int] {
        switch self {
        case .q4_1, .q5_1, .q4_k, .q5_k: [0, 2]
        case .q2_k: [80, 82]
        case .q3_k: [108]
        case .q6_k: [208]
        case .tq1_0: [52]
        case .tq2_0: [64]
        default: [0]
        }
    }
}

// MARK: Targets

extension EncodingMatrix {
    /// A way to store weights in which they can be written.
    enum Target: CustomTestStringConvertible, Sendable {
        case huggingFace(DType?)
        case gguf(DType?)
        case fileType(GGUFFileType)
        case packed(PackingCase)

        var testDescription: String {
            switch self {
            case .huggingFace(let dtype): "plain \(dtype?.name ?? "as it is")"
            case .gguf(let dtype): "GGUF \(dtype?.name ?? "as it is")"
            case .fileType(let type): "GGUF \(type.name)"
            case .packed(let packing): packing.testDescription
            }
        }

        var isGGUF: Bool {
            switch self {
            case .gguf, .fileType: true
            case .huggingFace, .packed: false
            }
        }

        var options: ConversionOptions {
            var options = ConversionOptions(target: isGGUF ? .gguf : .huggingFace(family: nil))
            switch self {
            case .huggingFace(let dtype), .gguf(let dtype): options.dtype = dtype
            case .fileType(let type):
                options.encoding = type
                options.quantization.isPure = true
                // Nothing stands in for it where rows are too short.
                if type == .q1_0 {
                    options.quantization.overrides = ["attn_output=q8_0", "ffn_down=f16"].map {
                        try! TypeOverride(parsing: $0)
                    }
                }
            case .packed(let packing): options.packing = packing.packing
            }
            return options
        }
    }

    static let targets: [Target] = {
        let plain: [DType?] = [nil, .f32, .f16, .bf16]
        var types: Set<DType> = []
        // Those that want an importance have none here.
        let weight = NamedTensor("blk.0.attn_q.weight", .zeros(.f32, [1, 256]))
        let fileTypes = GGUFFileType.allCases.filter {
            !GGUFTypePolicy.needsImportance($0.dtype, for: weight, in: $0) && types.insert($0.dtype).inserted
        }
        // Of groups those of 32, of which the weights have some.
        let packings = PackingCase.all.filter { packing in
            let isDefault = packing.choices == Packing.Choices()
            switch packing.packing.scheme.block {
            case .group(32): return packing.choices.groupSize == 32 || isDefault
            case .group(64), .group(128): return packing.packing.format == .bitsandbytes && isDefault
            // Of whole rows, 4 and 8 bits speak for the others.
            case .channel where [2, 3].contains(packing.packing.scheme.bits): return false
            default: return packing.choices.groupSize == nil && (packing.choices.per != nil || isDefault)
            }
        }
        var targets: [Target] = plain.map { .huggingFace($0) }
        targets += plain.map { .gguf($0) }
        targets += fileTypes.map { .fileType($0) }
        // Some have several names.
        var seen: Set<PackedEncoding> = []
        for packing in packings where seen.insert(packing.packing.template).inserted {
            targets.append(.packed(packing))
        }
        return targets
    }()
}

// MARK: Limits

/// How far numbers may be from those they were made of, from the definition of what they are stored as: half the distance of
/// two numbers of its grid, and what rounding the scales does to the farthest.
struct EncodingLimit {
    /// Numbers side by side that share a scale, or scales of scales; 0 is a row, nil the whole tensor.
    var run: Int?
    /// Whether the limit is for the root of the mean square of a run: a search may move some numbers further for the sake of
    /// others.
    var isMean = false
    /// The limit for a number, given the least and the greatest of its run, zero included, and the greatest magnitude of all.
    var limit: (_ number: Float, _ lowest: Float, _ highest: Float, _ farthest: Float) -> Float

    init(run: Int?, isMean: Bool = false, _ limit: @escaping (Float, Float, Float, Float) -> Float) {
        (self.run, self.isMean, self.limit) = (run, isMean, limit)
    }

    /// How much a scale may be moved by being rounded to its type.
    static func rounding(_ scale: Float, to dtype: DType) -> Float {
        switch dtype {
        case .f16: max(scale * 0x1p-11, 0x1p-25)
        case .bf16: scale * 0x1p-8
        default: scale * 0x1p-23
        }
    }

    init(_ encoding: Encoding) {
        switch encoding {
        case .plain(let dtype): self.init(dtype)
        case .packed(let packed): self.init(packed)
        }
    }

    private init(_ packed: PackedEncoding) {
        let scheme = packed.scheme
        let type = packed.scaleType
        let isRow = scheme.block.rows == 1
        let run: Int? = isRow ? scheme.block.columns : nil
        switch scheme.grid {
        case .table(.e4m3):
            // Three bits of mantissa; below 2^-6 steps of 2^-9.
            self.init(run: run) { x, low, high, _ in
                let scale = max(-low, high) / 448
                return max(abs(x) / 16, scale * 0x1p-10) + 448 * Self.rounding(scale, to: type)
            }
        case .table(.e2m1):
            self.init(run: run) { _, low, high, _ in max(-low, high) / 4 }
        case .table(let book):
            let values = Set(book.values).sorted()
            let gap = zip(values, values.dropFirst()).map { $1 - $0 }.max()! / 2
            // The widest steps of the table of nested scales are 0.9 / 64 of the greatest distance from the mean.
            let nesting: Float = packed.isDoubleQuantized ? 0.9 / 64 / 2 : 0
            self.init(run: run) { _, low, high, farthest in max(-low, high) * gap + farthest * nesting }
        case .integers(let bits):
            let codes = Float(1 << bits)
            switch scheme.origin {
            case .symmetric:
                let steps = packed.isFullRange ? (codes - 1) / 2 : codes / 2 - 1
                self.init(run: run) { _, low, high, _ in
                    let scale = max(-low, high) / steps
                    return scale / 2 + codes / 2 * Self.rounding(scale, to: type)
                }
            case .zeroPoint:
                // The first GPTQ format keeps one code for numbers below zero, whether there are any or not.
                let steps = packed.format == .gptq ? codes - 2 : codes - 1
                self.init(run: run) { _, low, high, _ in
                    let scale = (high - low) / steps
                    return scale / 2 + codes * Self.rounding(scale, to: type)
                }
            case .affineMinimum:
                // The near edge and zero are met, and the far end is missed by up to a step.
                self.init(run: run) { _, low, high, _ in
                    let scale = (high - low) / (codes - 1)
                    return scale + 2 * codes * Self.rounding(scale, to: type) + Self.rounding(max(-low, high), to: type)
                }
            }
        }
    }

    private init(_ dtype: DType) {
        let half = { (scale: Float) in Self.rounding(scale, to: .f16) }
        let run = dtype.blockElements
        switch dtype {
        case .f32: self.init(run: 0) { x, _, _, _ in abs(x) * 0x1p-24 }
        case .f16, .bf16: self.init(run: 0) { x, _, _, _ in Self.rounding(abs(x), to: dtype) }
        // The farthest number is met by the code that has no counterpart: on the other side a step is missing.
        case .q4_0: self.init(run: run) { _, a, b, _ in max(-a, b) / 8 + 8 * half(max(-a, b) / 8) }
        case .q5_0: self.init(run: run) { _, a, b, _ in max(-a, b) / 16 + 16 * half(max(-a, b) / 16) }
        case .q8_0: self.init(run: run) { _, a, b, _ in max(-a, b) / 254 + 127 * half(max(-a, b) / 127) }
        case .q4_1: self.init(run: run) { _, a, b, _ in (b - a) / 30 + 15 * half((b - a) / 15) + half(max(-a, b)) }
        case .q5_1: self.init(run: run) { _, a, b, _ in (b - a) / 62 + 31 * half((b - a) / 31) + half(max(-a, b)) }
        case .q2_k: self.init(levels: 3, scales: 15)
        case .q3_k: self.init(levels: 7, scales: 31)
        case .q4_k: self.init(levels: 15, scales: 63)
        case .q5_k: self.init(levels: 31, scales: 63)
        case .q6_k: self.init(levels: 63, scales: 127)
        // The widest step of the levels is 24 of 127; one end of them is 14 shorter than the other.
        case .iq4_nl: self.init(run: run, isMean: true) { _, a, b, _ in max(-a, b) * 14 / 127 }
        case .iq4_xs: self.init(run: run, isMean: true) { _, a, b, _ in max(-a, b) * (14.0 / 127 + 0.5 / 31) }
        // Levels are odd numbers 1...15, of either sign; codewords lie further away.
        case .iq3_s: self.init(run: run, isMean: true) { _, a, b, _ in max(-a, b) * (2.5 / 15 + 1 / 31) }
        case .tq1_0, .tq2_0, .q2_0: self.init(run: run) { _, a, b, _ in max(-a, b) / 2 + half(max(-a, b)) }
        // A sign, and the mean magnitude.
        case .q1_0: self.init(run: run) { _, a, b, _ in max(-a, b) }
        case .mxfp4: self.init(run: run) { _, a, b, _ in max(-a, b) / 4 }
        default: preconditionFailure("no limit for \(dtype)")
        }
    }

    /// Blocks of 256 in groups, whose scales and minima are quantized themselves: half a step of the levels, and of either
    /// grid, which covers the whole block.
    private init(levels: Float, scales: Float) {
        let share = 0.5 / levels + 1 / scales
        self.init(run: 256, isMean: true) { _, a, b, _ in 2 * max(-a, b) * share }
    }

    /// What is wrong with what numbers have become; nil for nothing.
    func complaint(_ source: [Float], _ result: [Float], columns: Int) -> String? {
        let run = run == 0 ? columns : run ?? source.count
        let farthest = source.reduce(0) { max($0, abs($1)) }
        for first in stride(from: 0, to: source.count, by: run) {
            let numbers = source[first..<min(source.count, first + run)]
            let (low, high) = numbers.reduce((Float(0), Float(0))) { (min($0.0, $1), max($0.1, $1)) }
            var squares = 0.0
            for index in numbers.indices {
                let distance = abs(source[index] - result[index])
                squares += Double(distance) * Double(distance)
                let limit = limit(source[index], low, high, farthest) * 1.0001
                // Whatever a search does, no number ends far outside the range of all.
                if !(distance <= (isMean ? high - low : limit)) {
                    return "\(source[index]) became \(result[index]) at \(index), in \(low)...\(high), limit \(limit)"
                }
            }
            let mean = Float((squares / Double(numbers.count)).squareRoot())
            let limit = limit(0, low, high, farthest)
            if isMean, mean > limit {
                return "numbers among \(low)...\(high) from \(first) on are off by \(mean); limit \(limit)"
            }
        }
        return nil
    }
}
