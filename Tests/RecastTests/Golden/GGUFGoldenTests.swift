import Foundation
import Recast
import TestSupport
import Testing

/// Every tensor of a written GGUF file against llama.cpp's: name, order, type, shape and bytes.
struct GGUFGoldenTests {
    struct Row: Equatable, CustomStringConvertible {
        var name: String
        var type: String
        var shape: String
        var hash: String

        var description: String { "\(name) \(type) \(shape) \(hash)" }
    }

    static let families = ["llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "yi", "qwen2_untied"]

    @Test(.enabled(if: Fixtures.hasGolden), arguments: ["f32", "bf16", "f16", "q8_0", "q6_k", "q4_0"])
    func tinyModel(mix: String) throws {
        let rows = try Fixtures.table(Fixtures.golden("gguf/qwen2-tiny.tsv"))
            .filter { $0[0] == mix && $0[1] == "no" }
            .map { Row(name: $0[2], type: $0[3], shape: $0[4], hash: $0[5]) }
        try #require(rows.count == 51)
        #expect(try written(Fixtures.tinyModel, mix: mix, converted: ["f32", "bf16"]) == rows)
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: families, ["f32", "bf16", "q8_0", "q4_0"])
    func family(_ name: String, mix: String) throws {
        let rows = try Fixtures.table(Fixtures.golden("gguf/families.tsv"))
            .filter { $0[0] == name && $0[1] == mix }
            .map { Row(name: $0[2], type: $0[3], shape: $0[4], hash: $0[5]) }
        try #require(!rows.isEmpty)
        #expect(try written(Fixtures.golden("families/\(name)"), mix: mix, converted: ["f32"]) == rows)
    }

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
            if let expected = Double(tail[0]) {
                #expect(value.double.map(Float.init) == Float(expected), "\(line)")
            } else {
                #expect(value.string.map { "'\($0)'" } == tail[0], "\(line)")
            }
        }
    }

    /// - Parameter converted: the mixes that come from llama.cpp's converter; all others come from its quantizer, which
    ///   orders tensors its own way.
    private func written(_ source: String, mix: String, converted: Set<String>) throws -> [Row] {
        let directory = TemporaryDirectory()
        var options = ConversionOptions(target: .gguf)
        if converted.contains(mix) {
            options.dtype = DType(named: mix.uppercased())
        } else {
            options.encoding = try GGUFFileType.named(mix)
        }
        let path = directory.file("model.gguf")
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()

        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        return try checkpoint.tensors.map { tensor in
            Row(
                name: tensor.name, type: tensor.tensor.dtype.name,
                shape: tensor.tensor.shape.reversed().map(String.init).joined(separator: "x"),
                hash: String(SHA256.hex(try tensor.tensor.bytes(using: &reader)).prefix(32)))
        }
    }
}
