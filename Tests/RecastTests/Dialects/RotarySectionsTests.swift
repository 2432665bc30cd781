import Recast
import TestSupport
import Testing

@testable import Recast

/// Rotary pairs of the dimensions of positions: as many as there are, or the model is none that programs load.
///
/// transformers 5.23 fails in `split` where they add up to others, and llama.cpp demands four.
struct RotarySectionsTests {
    /// Heads of 8 elements have 4 pairs.
    private static func model(_ sections: JSON, _ key: String, isWrapped: Bool) -> SmallModel {
        var model = SmallModel("qwen2")
        var inner = model.configuration
        inner[key] = ["type": "mrope", "rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections]
        guard isWrapped else {
            model.configuration = inner
            return model
        }
        inner["architectures"] = nil
        model.configuration["architectures"] = ["Qwen2VLForConditionalGeneration"]
        model.configuration["vision_config"] = ["hidden_size": 4]
        model.configuration["text_config"] = .object(inner)
        return model
    }

    static let wrong: [(JSON, said: String)] = [
        ([1, 1, 1], "3 rotary pairs"), ([1, 1, 3], "5 rotary pairs"), ([16, 24, 24], "64 rotary pairs"),
        ([0, 0, 0], "0 rotary pairs"), ([1, 1, 1, 1], "not 3 integers"), ([2, 2], "not 3 integers"),
        ([], "not 3 integers"),
        ([-1, 3, 2], "not 3 integers"), ([1.5, 1.5, 1], "not 3 integers"), (["1", "1", "2"], "not 3 integers"),
        (4, "not 3 integers"),
        ([.int(.max), .int(.max), 6], "\(Int.max) rotary pairs"), (.array(Array(repeating: 1, count: 9000)), "…"),
    ]

    @Test(arguments: wrong, ["rope_scaling", "rope_parameters"])
    func areTold(_ wrong: (JSON, said: String), _ key: String) throws {
        for isWrapped in [true, false] {
            let directory = TemporaryDirectory()
            let path = Self.model(wrong.0, key, isWrapped: isWrapped).write(to: directory)
            let place = (isWrapped ? "text_config." : "") + key + ".mrope_section"
            expectRejection(.malformedInput, [place, wrong.said, "config.json"]) {
                _ = try Model(Checkpoint(path: path))
            }
        }
    }

    @Test(arguments: [[1, 1, 2], [4, 0, 0], [0, 0, 4]] as [JSON]) func areRead(_ sections: JSON) throws {
        for key in ["rope_scaling", "rope_parameters"] {
            let directory = TemporaryDirectory()
            let path = Self.model(sections, key, isWrapped: true).write(to: directory)
            let found = try Model(Checkpoint(path: path)).wrapped?.rotarySections?.counts
            #expect(found == sections.array?.compactMap(\.int))
        }
    }

    /// The key of a GGUF file, in place of four numbers of 32 bits.
    private func expectGGUF(_ replace: (inout [UInt8], Int) -> Void) throws -> String {
        let directory = TemporaryDirectory()
        let source = Self.model([1, 1, 2], "rope_scaling", isWrapped: true).write(to: directory)
        let path = directory.file("a.gguf")
        _ = try Conversion(
            Planning(Checkpoint(path: source), ConversionOptions(target: .gguf)).plan(destination: path), to: path
        ).run()
        var bytes = try #require(directory.bytes("a.gguf"))
        let key = Array("qwen2vl.rope.dimension_sections".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: key) }) + key.count
        replace(&bytes, place)
        directory.write("b.gguf", bytes)
        let error = #expect(throws: RecastError.self) { try Model(Checkpoint(path: directory.file("b.gguf"))) }
        return error.map { "\($0.code) \($0)" } ?? ""
    }

    @Test func areToldOfGGUF() throws {
        // A type of arrays, a type of their numbers, how many there are, and the numbers.
        let start = 16
        for (numbers, said) in [
            ([1, 1, 1, 0], "3 rotary pairs"), ([1, 1, 3, 0], "5 rotary pairs"), ([-1, 3, 2, 0], "not 4 integers"),
            ([.max, .max, 4, 0], "\(2 * Int(Int32.max) + 4) rotary pairs"), ([1, 1, 1, 1], "the fourth dimension"),
        ] as [([Int32], String)] {
            let text = try expectGGUF { bytes, place in
                for (index, number) in numbers.enumerated() {
                    for byte in 0..<4 {
                        bytes[place + start + 4 * index + byte] = UInt8(truncatingIfNeeded: number >> (8 * Int32(byte)))
                    }
                }
            }
            #expect(text.contains(said) && text.contains("qwen2vl.rope.dimension_sections"), "\(text)")
            #expect(text.contains("b.gguf"))
        }
        // The same bytes as two numbers of 64 bits.
        let text = try expectGGUF { bytes, place in
            bytes[place + 4] = 10
            bytes[place + 8] = 2
        }
        #expect(text.contains("not 4 integers"), "\(text)")
    }
}
