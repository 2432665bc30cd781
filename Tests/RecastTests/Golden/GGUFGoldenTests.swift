import Foundation
import TestSupport
import Testing

@testable import Recast

/// Every tensor of a GGUF file against llama.cpp's: name, order, type, shape and bytes.
struct GGUFGoldenTests {
    struct Row: Equatable, CustomStringConvertible {
        var name: String
        var type: String
        var shape: String
        var hash = ""

        var description: String { "\(name) \(type) \(shape) \(hash)" }

        var withoutHash: Row { Row(name: name, type: type, shape: shape) }
    }

    /// A file that llama.cpp has written.
    struct Case: Sendable, CustomTestStringConvertible {
        var model: String
        var mix: String
        var hasImportance = false
        var isConverted: Bool

        var testDescription: String { "\(model) \(mix)" + (hasImportance ? " with importance" : "") }

        var source: String {
            model == "qwen2-tiny" ? Fixtures.tinyModel : Fixtures.golden("families/\(model)")
        }

        var rows: [Row] {
            model == "qwen2-tiny"
                ? GGUFGoldenTests.tiny["\(mix) \(hasImportance ? "yes" : "no")"] ?? []
                : GGUFGoldenTests.others["\(model) \(mix)"] ?? []
        }

        /// What the conversion is told. Some files come from llama.cpp's converter; all others from its quantizer, which
        /// orders tensors its own way.
        var planning: Planning {
            get throws {
                var options = ConversionOptions(target: .gguf)
                options.allowsInexact = Fixtures.inexactInGGUF.contains(model)
                if isConverted {
                    options.dtype = DType(named: mix.uppercased())
                } else {
                    options.encoding = try GGUFFileType.named(mix)
                }
                if hasImportance {
                    options.quantization.importance = try Importance(
                        path: Fixtures.golden("gguf/qwen2-tiny.imatrix.gguf"))
                }
                return Planning(try Checkpoint(path: source), options)
            }
        }

        /// Whether all types of the file can be written, with the importance.
        var isWritable: Bool {
            let types = rows.compactMap { DType(named: $0.type) }
            return types.allSatisfy { $0.isEncodable && (!hasImportance || Self.heedsImportance($0)) }
        }

        // Types whose codes are not searched for have no use for an importance.
        private static let heedless: Set<DType> = [.f32, .f16, .bf16, .q8_0, .mxfp4, .tq1_0, .tq2_0]

        private static func heedsImportance(_ dtype: DType) -> Bool {
            if heedless.contains(dtype) { return true }
            var generator = SeededGenerator(seed: 1)
            let numbers = (0..<256).map { _ in Float.random(in: -1...1, using: &generator) }
            let weights = (0..<256).map { _ in Float.random(in: 0...1, using: &generator) }
            let tensor = LazyTensor.vector(numbers).reshaped([1, 256])
            var reader = Reader(files: FilePool([]))
            let importance = LazyTensor.vector(weights).reshaped([1, 256])
            return (try? tensor.converted(to: dtype, importance: importance).bytes(using: &reader))
                != (try? tensor.converted(to: dtype).bytes(using: &reader))
        }
    }

    static let families = [
        "llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "llama_mha_bin", "yi", "qwen2_untied",
        "qwen3_tied", "qwen1", "qwen2_moe", "qwen3_moe", "mixtral", "mistral_swa", "deepseek_v3", "chatglm3", "glm",
        "glm4_0414", "gemma1", "gemma2", "granite", "internlm2", "minicpm", "olmo1", "olmo2", "phi3", "phi3_longrope",
        "smollm3", "stablelm2",
    ]

    static let tiny = files(in: "gguf/qwen2-tiny.tsv")
    static let others = files(in: "gguf/families.tsv")

    /// The tensors of each file of a table, by its first two columns.
    private static func files(in table: String) -> [String: [Row]] {
        guard Fixtures.hasGolden, let lines = try? Fixtures.table(Fixtures.golden(table)) else { return [:] }
        return Dictionary(grouping: lines) { "\($0[0]) \($0[1])" }
            .mapValues { $0.map { Row(name: $0[2], type: $0[3], shape: $0[4], hash: $0[5]) } }
    }

    static let cases =
        tiny.keys.sorted().map { key in
            let parts = key.split(separator: " ").map(String.init)
            return Case(
                model: "qwen2-tiny", mix: parts[0], hasImportance: parts[1] == "yes",
                isConverted: ["f32", "bf16"].contains(parts[0]))
        }
        + families.flatMap { family in
            ["f32", "bf16", "q8_0", "q4_0", "q4_k_m", "q2_k"].map {
                Case(model: family, mix: $0, isConverted: $0 == "f32")
            }.filter { !$0.rows.isEmpty }
        }

    /// Every model of the table is among the cases, in each of its types.
    @Test(.enabled(if: Fixtures.hasGolden)) func nothingOfTheTableIsLeftOut() {
        let named = Set(Self.cases.filter { $0.model != "qwen2-tiny" }.map { "\($0.model) \($0.mix)" })
        #expect(named == Set(Self.others.keys))
        #expect(named.count > 150)
    }

    /// Whether the types can be written or not.
    @Test(.enabled(if: Fixtures.hasGolden), arguments: cases)
    func types(file: Case) throws {
        let rows = file.rows
        try #require(rows.count >= 20)
        let draft = try file.planning.ggufDraft()
        let found = draft.tensors.map {
            Row(name: $0.name, type: $0.dtype.name, shape: Self.text(of: $0.tensor.shape))
        }
        #expect(found == rows.map(\.withoutHash))
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: cases.filter(\.isWritable))
    func bytes(file: Case) throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        _ = try Conversion(file.planning.plan(destination: path), to: path).run()
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        let found = try checkpoint.tensors.map { tensor in
            Row(
                name: tensor.name, type: tensor.tensor.dtype.name, shape: Self.text(of: tensor.tensor.shape),
                hash: String(SHA256.hex(try tensor.tensor.bytes(using: &reader)).prefix(32)))
        }
        #expect(found == file.rows)
    }

    /// The length of a row first.
    private static func text(of shape: [Int]) -> String { shape.reversed().map(String.init).joined(separator: "x") }

    /// Every key that the reference converter writes, with its type and value; keys beyond those are allowed.
    @Test(.enabled(if: Fixtures.hasGolden), arguments: families)
    func metadata(family: String) throws {
        let text = try String(contentsOfFile: Fixtures.golden("gguf/families.metadata.txt"), encoding: .utf8)
        let sections = text.components(separatedBy: "\n[")
        let section = try #require(sections.first { $0.hasPrefix("\(family)]") || $0.hasPrefix("[\(family)]") })
        let lines = section.split(separator: "\n").dropFirst()
        try #require(lines.count > 9)
        let directory = TemporaryDirectory()
        var options = ConversionOptions(target: .gguf)
        options.allowsInexact = Fixtures.inexactInGGUF.contains(family)
        options.dtype = .f32
        let path = directory.file("model.gguf")
        let source = try Checkpoint(path: Fixtures.golden("families/\(family)"))
        _ = try Conversion(Planning(source, options).plan(destination: path), to: path).run()
        let metadata = try #require(try Checkpoint(path: path).ggufSet).metadata
        for line in lines {
            // `  key = value   (type number)`
            let parts = line.components(separatedBy: " = ")
            let tail = parts[1].components(separatedBy: "   (type ")
            let value = try #require(metadata[parts[0].trimmingCharacters(in: .whitespaces)], "\(line)")
            #expect("\(value.typeNumber))" == tail[1], "\(line)")
            if case .bool(let flag) = value {
                #expect(tail[0] == (flag ? "True" : "False"), "\(line)")
            } else if let expected = Double(tail[0]) {
                #expect(value.double.map(Float.init) == Float(expected), "\(line)")
            } else {
                #expect(value.string.map { "'\($0)'" } == tail[0], "\(line)")
            }
        }
    }
}
