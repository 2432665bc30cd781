import TestSupport
import Testing

@testable import Recast

/// Quantizing checkpoints: what is written, and what the user is told.
struct QuantizingTests {
    private let directory = TemporaryDirectory()

    // MARK: Sources

    /// A GGUF file of an architecture that no table knows.
    private func strange(
        _ tensors: [(name: String, shape: [Int])], sizes: [(String, UInt32)] = [], alignment: Int = 32,
        name: String = "strange.gguf", shardSize: Int? = nil
    ) throws -> Checkpoint {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string("strange")
        if alignment != 32 { metadata["general.alignment"] = .u32(UInt32(alignment)) }
        metadata["general.file_type"] = .u32(0)
        for (key, size) in sizes { metadata["strange.\(key)"] = .u32(size) }
        metadata["strange.last"] = .string("key")
        let typed = tensors.enumerated().map { index, tensor in
            var random = SeededGenerator(seed: UInt64(index))
            let numbers = (0..<tensor.shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }
            return TypedTensor(NamedTensor(tensor.name, LazyTensor.vector(numbers).reshaped(tensor.shape)), .f32)
        }
        var plan = Plan(sources: [], form: .file)
        try GGUFLayout(metadata: metadata, tensors: typed, alignment: alignment)
            .lay(out: name, maximumShardSize: shardSize, into: &plan)
        _ = try Conversion(plan, to: directory.file(name)).run()
        return try Checkpoint(
            path: shardSize == nil ? directory.file(name) : directory.file(plan.outputs[plan.outputs.count - 1].name))
    }

    private func options(_ encoding: String, _ change: (inout QuantizationOptions) throws -> Void = { _ in }) throws
        -> ConversionOptions
    {
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named(encoding)
        try change(&options.quantization)
        return options
    }

    private func quantized(
        _ source: Checkpoint, _ options: ConversionOptions, to name: String = "out.gguf"
    ) throws -> (plan: Plan, checkpoint: Checkpoint) {
        let path = directory.file(name)
        let plan = try Planning(source, options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        let shard = plan.form == .fileSet ? directory.file(plan.outputs[0].name) : path
        return (plan, try Checkpoint(path: shard))
    }

    private func types(_ checkpoint: Checkpoint) -> [String] {
        checkpoint.tensors.map { "\($0.name) \($0.tensor.dtype)" }
    }

    // MARK: Metadata, order, shapes

    @Test func metadataOrder() throws {
        let source = try strange([("output.weight", [8, 256]), ("blk.0.attn_q.weight", [8, 256])])
        let importance = try Importance(
            path: directory.write(
                "i.gguf",
                ImportanceBuilder.gguf([
                    .init(name: "blk.0.attn_q.weight", sums: [Array(repeating: 1, count: 256)], counts: [2])
                ]).bytes))
        let (plan, written) = try quantized(source, options("q4_0") { $0.importance = importance })
        let pairs = try #require(written.ggufSet).metadata.pairs
        #expect(
            pairs.map(\.key) == [
                "general.architecture", "strange.last", "general.quantization_version", "general.file_type",
                "quantize.imatrix.file", "quantize.imatrix.dataset", "quantize.imatrix.entries_count",
                "quantize.imatrix.chunks_count",
            ])
        #expect(
            pairs.dropFirst(2).map(\.value) == [
                .u32(2), .u32(2), .string(directory.file("i.gguf")), .string("prose.txt"), .u32(1), .u32(200),
            ])
        #expect(types(written) == ["output.weight Q6_K", "blk.0.attn_q.weight Q4_0"])
        #expect(plan.transfers.map { $0.importance != nil } == [false, true])
        #expect(plan.notes == ["quantized without importance: output.weight"] && plan.warnings.isEmpty)
        // A journal of one must not be taken for one of the other.
        let other = try Planning(source, options("q4_0")).plan(destination: "out.gguf")
        #expect(other.fingerprint != plan.fingerprint)
    }

    @Test(arguments: [8, 64, 4096]) func alignmentIsKept(alignment: Int) throws {
        let source = try strange(
            [("output.weight", [3, 256]), ("blk.0.attn_norm.weight", [5])], alignment: alignment)
        let (_, written) = try quantized(source, options("q8_0"))
        #expect(written.ggufSet?.alignment == alignment && written.warnings.isEmpty)
        #expect(types(written) == ["output.weight Q8_0", "blk.0.attn_norm.weight F32"])
    }

    @Test func leadingDimensionsOfOneGo() throws {
        let source = try strange([
            ("blk.0.a.weight", [1, 256]), ("blk.0.b.weight", [1, 2, 256]), ("blk.0.c.weight", [1]),
            ("output.weight", [2, 1, 256]),
        ])
        let (_, written) = try quantized(source, options("q8_0"))
        #expect(written.tensors.map(\.tensor.shape) == [[2, 1, 256], [256], [2, 256], [1]])
        #expect(written.tensors.map(\.tensor.dtype) == [.q8_0, .f32, .q8_0, .f32])
        // What is only copied keeps its shape.
        let (_, copy) = try quantized(source, ConversionOptions(target: .gguf), to: "copy.gguf")
        #expect(copy.tensors.map(\.tensor.shape) == source.tensors.map(\.tensor.shape))
    }

    @Test func splitFilesAreKeptApart() throws {
        let names = ["output.weight", "blk.1.attn_q.weight", "blk.0.attn_q.weight", "blk.0.ffn_norm.weight"]
        let source = try strange(
            names.map { ($0, $0.hasSuffix("norm.weight") ? [256] : [4, 256]) }, alignment: 64, shardSize: 4 * 4 * 256)
        let keeping = try options("q4_0") { $0.keepsSplit = true }
        let (plan, written) = try quantized(source, keeping)
        #expect(plan.outputs.map(\.name) == (1...4).map { "out-0000\($0)-of-00004.gguf" })
        #expect(written.tensors.map(\.name) == names)
        for (index, name) in names.enumerated() {
            var files = FileList()
            let file = try GGUFFile(path: directory.file(plan.outputs[index].name), files: &files)
            #expect(file.tensors.map(\.name) == [name] && file.alignment == 64)
            #expect(file.metadata["split.no"] == .u16(UInt16(index)) && file.metadata["split.count"] == .u16(4))
            #expect(file.metadata["split.tensors.count"] == .i32(4))
        }
        let (joined, one) = try quantized(source, options("q4_0"), to: "joined.gguf")
        #expect(joined.outputs.count == 1 && one.tensors.map(\.name) == [0, 2, 3, 1].map { names[$0] })
        #expect(one.ggufSet?.metadata["split.count"] == nil)

        var both = keeping
        both.maximumShardSize = 1 << 20
        expectRejection(.usage, "--keep-split and --max-shard-size") { _ = try quantized(source, both) }
        let directoryOfFiles = try Checkpoint(path: SmallModel("llama").write(to: directory))
        expectRejection(.usage, "--keep-split is for split GGUF files") { _ = try quantized(directoryOfFiles, keeping) }
    }

    // MARK: What the user is told

    @Test func typesThatStandIn() throws {
        let source = try strange([
            ("output.weight", [2, 256]), ("blk.0.attn_q.weight", [2, 96]), ("blk.0.attn_k.weight", [2, 40]),
        ])
        let wanted = try options("q4_0") { $0.overrides = [try TypeOverride(parsing: "attn_q=q6_k")] }
        let (plan, written) = try quantized(source, wanted)
        #expect(types(written) == ["output.weight Q6_K", "blk.0.attn_k.weight F16", "blk.0.attn_q.weight Q8_0"])
        // What was asked for and is not done is worth more than a note.
        #expect(
            plan.warnings == [
                "rows do not fill Q6_K blocks of 256: Q8_0 stands in, in 1 tensor (blk.0.attn_q.weight)"
            ])
        #expect(
            plan.notes == ["rows do not fill Q4_0 blocks of 32: F16 stands in, in 1 tensor (blk.0.attn_k.weight)"])
        #expect(
            plan.transfers.map(\.remark) == [
                "mix of q4_0", "rows of 40 do not fill Q4_0 blocks of 32", "rows of 96 do not fill Q6_K blocks of 256",
            ])
    }

    @Test func headAndEmbeddingThatDoNotFit() throws {
        let source = try strange([("output.weight", [2, 96]), ("token_embd.weight", [2, 96])])
        let wanted = try options("q8_0") {
            $0.outputType = .q6_k
            $0.embeddingType = .q4_k
        }
        let draft = try Planning(source, wanted).ggufDraft()
        #expect(draft.tensors.map(\.dtype) == [.q8_0, .q5_0] && draft.plan.warnings.count == 2)
    }

    @Test func noTypeStandsIn() throws {
        let source = try strange([("output.weight", [2, 96]), ("blk.0.attn_q.weight", [2, 96])])
        expectRejection(.unsupported, ["blk.0.attn_q.weight: rows of 96 do not fill Q1_0 blocks of 128", "--override"])
        {
            _ = try quantized(source, options("q1_0"))
        }
        let given = try options("q1_0") { $0.overrides = [try TypeOverride(parsing: "attn_q=q8_0")] }
        #expect(try Planning(source, given).ggufDraft().tensors.map(\.dtype) == [.q8_0, .q8_0])
    }

    @Test func overridesThatHitNothing() throws {
        let source = try strange([("output.weight", [2, 256]), ("blk.0.attn_norm.weight", [2, 256])])
        let wanted = try options("q8_0") {
            $0.overrides = [try TypeOverride(parsing: "norm=q4_0"), try TypeOverride(parsing: "OUT=f16")]
        }
        let (plan, written) = try quantized(source, wanted)
        #expect(plan.warnings == ["--override norm=Q4_0 gives no tensor its type"])
        #expect(types(written) == ["output.weight F16", "blk.0.attn_norm.weight F32"])
        #expect(plan.transfers[0].remark == "--override OUT")
    }

    @Test func quantizingAgain() throws {
        let source = try strange(["output", "blk.0.attn_q", "blk.0.attn_k"].map { ("\($0).weight", [2, 256]) })
        let (_, once) = try quantized(source, options("q4_0"), to: "once.gguf")
        let (plan, twice) = try quantized(once, options("q8_0"), to: "twice.gguf")
        #expect(types(twice).allSatisfy { $0.hasSuffix("Q8_0") })
        #expect(plan.warnings.count == 1)
        #expect(plan.warnings[0].contains("3 tensors are already quantized (Q4_0 × 2, Q6_K × 1)"))
        // The same type is moved as it is.
        let (copied, again) = try quantized(once, options("q4_0"), to: "again.gguf")
        #expect(copied.warnings.isEmpty && copied.exactness == .bit)
        #expect(try FileSource.contents(of: again.path) == FileSource.contents(of: once.path))
        // What is widened is not quantized.
        #expect(try quantized(once, options("f32"), to: "wide.gguf").plan.warnings.isEmpty)
    }

    @Test func integersAreKept() throws {
        var plan = Plan(sources: [], form: .file)
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string("strange")
        let tensors = [
            TypedTensor(NamedTensor("blk.0.table.weight", .literal(.i8, [2, 2], [1, 2, 3, 4])), .i8),
            TypedTensor(NamedTensor("output.weight", .zeros(.bf16, [2, 256])), .bf16),
            TypedTensor(NamedTensor("output_norm.weight", .zeros(.bf16, [256])), .bf16),
        ]
        try GGUFLayout(metadata: metadata, tensors: tensors).lay(out: "i.gguf", maximumShardSize: nil, into: &plan)
        _ = try Conversion(plan, to: directory.file("i.gguf")).run()
        let (found, written) = try quantized(Checkpoint(path: directory.file("i.gguf")), options("q8_0"))
        // What is not quantized has the type it had.
        #expect(types(written) == ["output.weight Q8_0", "output_norm.weight BF16", "blk.0.table.weight I8"])
        #expect(found.notes == ["integers are kept as they are: blk.0.table.weight"])
    }

    @Test func typesThatCannotBeWritten() throws {
        let source = try strange(["output.weight", "blk.0.attn_q.weight"].map { ($0, [2, 256]) })
        expectRejection(
            .unsupported, "Q8_K, which the encoding q4_0 needs, cannot be written yet: blk.0.attn_q.weight"
        ) {
            _ = try quantized(
                source, options("q4_0") { $0.overrides = [TypeOverride(try NamePattern("attn_q"), .dtype(.q8_k))] })
        }
        #expect(directory.names == ["strange.gguf"])
    }

    @Test func typesThatWantImportance() throws {
        let source = try strange(["output.weight", "blk.0.attn_q.weight"].map { ($0, [2, 256]) })
        for name in ["iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "iq3_xs"] {
            expectRejection(.usage, "\(name) needs an importance file (--importance FILE)") {
                _ = try quantized(source, options(name))
            }
        }
        #expect(directory.names == ["strange.gguf"])
    }

    @Test func optionsThatDoNotBelongTogether() throws {
        let source = try Checkpoint(path: SmallModel("llama").write(to: directory))
        var pure = ConversionOptions(target: .gguf)
        pure.quantization.isPure = true
        expectRejection(.usage, "--encoding says to what") { _ = try quantized(source, pure) }
        var both = try options("q8_0")
        both.dtype = .bf16
        expectRejection(.usage, "--dtype and --encoding") { _ = try quantized(source, both) }
        var elsewhere = try options("bf16") { $0.isPure = true }
        elsewhere.target = .huggingFace(family: nil)
        expectRejection(.usage, "for GGUF targets") { _ = try quantized(source, elsewhere, to: "out") }
        elsewhere = try options("q8_0")
        elsewhere.target = .huggingFace(family: nil)
        expectRejection(.unsupported, "a destination that ends in .gguf can") {
            _ = try quantized(source, elsewhere, to: "out")
        }
    }

    // MARK: Importance

    private func importance(_ entries: [(name: String, matrices: Int, columns: Int, counts: [Float])]) throws
        -> Importance
    {
        let file = ImportanceBuilder.gguf(
            entries.map {
                .init(
                    name: $0.name, sums: Array(repeating: Array(repeating: 1, count: $0.columns), count: $0.matrices),
                    counts: $0.counts)
            })
        return try Importance(path: directory.write("i.gguf", file.bytes))
    }

    private func layers() throws -> Checkpoint {
        try strange([
            ("token_embd.weight", [4, 256]), ("output.weight", [4, 256]), ("blk.0.attn_q.weight", [4, 256]),
            ("blk.0.ffn_up_exps.weight", [2, 4, 256]), ("blk.0.attn_norm.weight", [256]),
        ])
    }

    @Test func coverage() throws {
        let part = try importance([
            ("blk.0.ffn_up_exps.weight", 2, 256, [5, 0]), ("token_embd.weight", 1, 32, [5]),
            ("other.weight", 1, 8, [1]),
        ])
        let plan = try Planning(layers(), options("q4_0") { $0.importance = part }).plan(destination: "out.gguf")
        #expect(
            plan.warnings == [
                "\(directory.file("i.gguf")) has no entry for 1 of 2 weights, in which all columns are taken to matter "
                    + "alike: blk.0.attn_q.weight"
            ])
        #expect(
            plan.notes == [
                "quantized without importance: output.weight, token_embd.weight",
                "some experts were never used when the importance was measured, and their columns are taken to matter "
                    + "alike: blk.0.ffn_up_exps.weight",
            ])
        let experts = try #require(plan.transfers.first { $0.name == "blk.0.ffn_up_exps.weight" })
        #expect(experts.importance?.shape == [2, 256])
        #expect(plan.transfers.count { $0.importance != nil } == 1)
        // It alters the mix even where it has no entry: with this many layers the first would be Q4_1.
        let deep = try strange(
            [
                ("output.weight", [1, 256]), ("blk.0.ffn_up_exps.weight", [2, 4, 256]),
                ("blk.0.ffn_down.weight", [4, 256]),
            ],
            sizes: [("block_count", 8)], name: "deep.gguf")
        let without = try Planning(deep, options("q4_0")).ggufDraft()
        let with = try Planning(deep, options("q4_0") { $0.importance = part }).ggufDraft()
        #expect(without.tensors[1].dtype == .q4_0 && with.tensors[1].dtype == .q4_1)
    }

    @Test func importanceOfAnotherModel() throws {
        let source = try layers()
        for matrices in [1, 3] {
            let wrong = try importance([
                ("blk.0.ffn_up_exps.weight", matrices, 256, Array(repeating: 5, count: matrices)),
                ("blk.0.attn_q.weight", 1, 64, [5]),
            ])
            expectRejection(
                [
                    "importance of another model: 64 values instead of 256 for blk.0.attn_q.weight, "
                        + "blk.0.ffn_up_exps.weight"
                ], file: "i.gguf"
            ) { _ = try Planning(source, options("q4_0") { $0.importance = wrong }).ggufDraft() }
        }
        let strangers = try importance([("model.layers.0.self_attn.q_proj.weight", 1, 256, [5])])
        expectRejection(
            ["it knows model.layers.0.self_attn.q_proj.weight, and none of blk.0.attn_q.weight"], file: "i.gguf"
        ) { _ = try Planning(source, options("q4_0") { $0.importance = strangers }).ggufDraft() }
    }

    @Test func coarseTypesAreRefusedWithoutImportance() throws {
        let source = try layers()
        let planning = try Planning(source, options("q2_k_s"))
        let draft = try planning.ggufDraft()
        #expect(draft.tensors.count { $0.dtype == .q2_k } == 3)
        expectRejection(.usage, ["q2_k_s needs an importance file", "blk.0.attn_q.weight, blk.0.ffn_up_exps.weight"]) {
            _ = try planning.plan(draft, destination: "out.gguf")
        }
        let part = try importance([("blk.0.ffn_up_exps.weight", 2, 256, [5, 0])])
        expectRejection("no entry for blk.0.attn_q.weight, which q2_k_s stores so coarsely", file: "i.gguf") {
            _ = try Planning(source, options("q2_k_s") { $0.importance = part }).plan(destination: "out.gguf")
        }
    }

    /// Under GGUF's names, whatever the source calls its tensors; and in llama files columns stay where they were.
    @Test func importanceOfHuggingFaceModels() throws {
        let source = try Checkpoint(path: SmallModel("llama").write(to: directory))
        let known = try importance([
            ("blk.0.attn_q.weight", 1, 32, [5]), ("blk.0.ffn_down.weight", 1, 64, [5]),
            ("blk.1.ffn_up.weight", 1, 32, [5]),
        ])
        let plan = try Planning(source, options("q8_0") { $0.importance = known }).plan(destination: "out.gguf")
        let weighed = plan.transfers.filter { $0.importance != nil }
        #expect(weighed.map(\.name) == ["blk.0.attn_q.weight", "blk.0.ffn_down.weight", "blk.1.ffn_up.weight"])
        #expect(weighed.allSatisfy { $0.importance?.columnCount == $0.source.columnCount })
        #expect(plan.warnings.contains { $0.contains("has no entry for 11 of 14 weights") })
    }
}
