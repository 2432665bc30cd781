import TestSupport
import Testing

@testable import Recast

/// What is written to GGUF is read back the same.
struct GGUFRoundTripTests {
    static let values: [GGUFValue] = [
        .u8(.max), .i8(.min), .u16(.max), .i16(.min), .u32(.max), .i32(.min), .f32(-0.1), .bool(true), .bool(false),
        .string("grüße\n"), .u64(.max), .i64(.min), .f64(.pi),
        .array(.u8([0, 255])), .array(.i8([-128, 127])), .array(.u16([1, .max])), .array(.i16([.min])),
        .array(.u32([.max])), .array(.i32([.min, 0])), .array(.f32([1.5, -.infinity])), .array(.bool([true, false])),
        .array(.string(["a", "", "ĠĠ"])), .array(.u64([.max])), .array(.i64([.min])), .array(.f64([-.pi])),
    ]

    @Test(arguments: [8, 32, 64, 4096])
    func everyTypeAndAlignment(alignment: Int) throws {
        let directory = TemporaryDirectory()
        var metadata = GGUFMetadata()
        metadata["general.alignment"] = .u32(UInt32(alignment))
        for (index, value) in Self.values.enumerated() { metadata["value.\(index)"] = value }
        let tensors = [
            TypedTensor(NamedTensor("a", .vector([1, 2, 3])), .f32), TypedTensor(NamedTensor("b", .vector([4])), .f32),
            TypedTensor(NamedTensor("c.weight", .literal(.i8, [2, 3], [1, 2, 3, 4, 5, 6])), .i8),
            TypedTensor(NamedTensor("d.weight", .literal(.i16, [1, 2], [1, 2, 3, 0xFF])), .i16),
            TypedTensor(NamedTensor("e", .literal(.i32, [1], [1, 2, 3, 0xFF])), .i32),
            TypedTensor(NamedTensor("f", .literal(.i64, [1], [1, 2, 3, 4, 5, 6, 7, 0xFF])), .i64),
        ]
        var plan = Plan(sources: [], form: .file)
        let path = directory.file("a.gguf")
        try GGUFLayout(metadata: metadata, tensors: tensors, alignment: alignment)
            .lay(out: "a.gguf", maximumShardSize: nil, into: &plan)
        _ = try Conversion(plan, to: path).run()

        let checkpoint = try Checkpoint(path: path)
        let set = try #require(checkpoint.ggufSet)
        #expect(set.metadata == metadata && set.alignment == alignment && set.version == 3)
        #expect(checkpoint.warnings.isEmpty)
        #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c.weight", "d.weight", "e", "f"])
        var reader = Reader(files: FilePool(checkpoint.files))
        for (read, written) in zip(checkpoint.tensors, tensors) {
            #expect(read.tensor.shape == written.tensor.shape && read.tensor.dtype == written.dtype)
            #expect(try read.tensor.bytes(using: &reader) == written.tensor.bytes(using: &reader))
        }
        // And once more through the command's own path.
        let again = directory.file("b.gguf")
        _ = try Conversion(
            Planning(checkpoint, ConversionOptions(target: .gguf)).plan(destination: again), to: again
        ).run()
        #expect(try FileSource.contents(of: again) == FileSource.contents(of: path))
    }

    @Test func tokenizerFromElsewhere() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel()
        model.configuration["vocab_size"] = 2048
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            model.remove(name)
            model.add(name, [2048, 32])
        }
        let source = try Checkpoint(path: model.write(to: directory))
        var options = ConversionOptions(target: .gguf)
        let without = try Planning(source, options).plan(destination: "a.gguf")
        #expect(without.warnings.contains { $0.contains("--tokenizer DIR adds one") })

        options.tokenizer = Fixtures.tinyModel
        let path = directory.file("a.gguf")
        let with = try Planning(source, options).plan(destination: path)
        #expect(with.warnings == ["EOS token: config.json says 2, the tokenizer 2045, which GGUF's key holds"])
        _ = try Conversion(with, to: path).run()
        let expected = try Checkpoint(path: Fixtures.tinyModel).vocabulary(size: 2048)
        let written = try Checkpoint(path: path).vocabulary(size: nil)
        #expect(written?.tokens == expected?.tokens && written?.merges == expected?.merges)
        #expect(written?.special.eos == 2045)
    }

    /// Byte ranges cannot be copied inside the kernel between all file systems; reading and writing must do as well.
    @Test(.enabled(if: POSIX.status("/dev/shm")?.isDirectory == true)) func betweenFileSystems() throws {
        let directory = TemporaryDirectory()
        let copy = "/dev/shm/" + Path.name(directory.path)
        defer { _ = POSIX.remove(copy) }
        for (source, path) in [(Fixtures.tinyModel, copy), (copy, directory.file("back"))] {
            let options = ConversionOptions(target: .huggingFace(family: nil))
            _ = try Conversion(
                Planning(Checkpoint(path: source), options).plan(destination: path), to: path
            ).run()
        }
        #expect(
            try FileSource.contents(of: directory.file("back/model.safetensors"))
                == FileSource.contents(of: Fixtures.tinyModel + "/model.safetensors"))
    }
}
