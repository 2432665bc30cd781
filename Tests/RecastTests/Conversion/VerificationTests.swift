import TestSupport
import Testing

@testable import Recast

/// What is read back after writing, and what becomes of a destination that is not what was written.
@Suite struct VerificationTests {
    private struct Run {
        let directory = TemporaryDirectory()
        let path: String
        let executor: Executor
        let tallies: [Tally]

        init(encoding: String?, packing: String?, workers: Int = 2) throws {
            var options = ConversionOptions(target: packing == nil ? .gguf : .huggingFace(family: nil))
            options.encoding = try encoding.map { try GGUFFileType.named($0) }
            options.packing = try packing.flatMap { try Packing.named($0) }
            let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: "model.gguf")
            let paths = plan.outputs.enumerated().map { [directory] in directory.file("\($0.offset)") }
            path = paths.last!
            var executor = Executor(plan, stagedPaths: paths, workers: workers)
            try executor.prepare()
            self.executor = executor
            tallies = try executor.run(journal: nil, progress: nil)
        }
    }

    private static let targets: [ConversionOptions.Target] = [
        .huggingFace(family: nil), .huggingFace(family: "llama"), .gguf, .megatron(MegatronTarget(.ranks)),
        .megatron(MegatronTarget(.distributed)),
    ]

    /// What was written is opened as any checkpoint is, and must be the model that was planned.
    @Test(arguments: targets)
    func anotherModelThanPlanned(_ target: ConversionOptions.Target) throws {
        let directory = TemporaryDirectory()
        let path = directory.file(target == .gguf ? "model.gguf" : "model")
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), ConversionOptions(target: target)).plan(
            destination: path)
        // swift-format-ignore
        let changes: [(name: String, change: (inout ExpectedModel) -> Void)] = [
            ("rotary base",     { $0.configuration.rope.theta *= 2 }),
            ("norm epsilon",    { $0.configuration.normEpsilon *= 2 }),
            ("context length",  { $0.configuration.contextLength *= 2 }),
            ("vocabulary size", { $0.configuration.vocabularySize += 1 }),
            ("EOS tokens",      { $0.configuration.eosTokens = [7] }),
            ("tied embeddings", { $0.isTied.toggle() }),
        ]
        for (name, change) in changes {
            var wrong = plan
            change(&wrong.expectedModel!)
            expectRejection(.inputOutput, ["it is another model than was planned", "\(name):"]) {
                _ = try Conversion(wrong, to: path).run()
            }
            #expect(directory.names.isEmpty)
        }
        _ = try Conversion(plan, to: path).run()
    }

    @Test(arguments: ["q4_0", "q8_0", nil]) func flippedBitIsFound(encoding: String?) throws {
        let run = try Run(encoding: encoding, packing: encoding == nil ? "gptq-int4" : nil)
        try run.executor.verifyWritten(run.tallies)
        let pieces = run.tallies.flatMap(\.written)
        #expect(!pieces.isEmpty)
        for piece in [pieces[0], pieces[pieces.count / 2], pieces[pieces.count - 1]] {
            let sink = try run.executor.outputs.sink(piece.output)
            let offset = piece.offset + (piece.rowCount - 1) * piece.stride + piece.rowByteCount - 1
            var byte = [UInt8](repeating: 0, count: 1)
            try byte.withMutableBytes { (buffer) throws(RecastError) in try sink.read(into: buffer, at: offset) }
            try [byte[0] ^ 1].withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: offset) }
            let error = #expect(throws: RecastError.self) { try run.executor.verifyWritten(run.tallies) }
            #expect(error?.code == .inputOutput)
            try byte.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: offset) }
        }
        try run.executor.verifyWritten(run.tallies)
    }

    /// Every byte of the outputs is a literal, a copy, padding, or has a checksum.
    @Test func nothingComputedIsUnchecked() throws {
        let run = try Run(encoding: "q8_0", packing: nil)
        var computed = 0
        for transfer in run.executor.plan.transfers
        where transfer.encoding != .plain(transfer.source.dtype) { computed += transfer.parts[0].byteCount }
        #expect(run.tallies.flatMap(\.written).reduce(0) { $0 + $1.rowCount * $1.rowByteCount } == computed)
    }

    @Test func copiesAreComparedOnDemand() throws {
        let directory = TemporaryDirectory()
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.maximumShardSize = nil
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: "model")
        let paths = plan.outputs.enumerated().map { directory.file("\($0.offset)") }
        var executor = Executor(plan, stagedPaths: paths, workers: 2)
        try executor.prepare()
        let tallies = try executor.run(journal: nil, progress: nil)
        #expect(tallies.allSatisfy { $0.written.isEmpty })
        try executor.verifyCopies()
        let target = plan.transfers.last!.targets[0]
        let sink = try executor.outputs.sink(target.output)
        try [UInt8(0xA5), 0x5A, 0x33].withBytes { (buffer) throws(RecastError) in
            try sink.write(buffer, at: target.offset)
        }
        #expect(throws: RecastError.self) { try executor.verifyCopies() }
    }

    /// The error that is reported is the one between source and destination, whoever measures it.
    @Test(arguments: ["q4_0", "q8_0", "q6_k"]) func errorIsThatOfTheFile(encoding: String) throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named(encoding)
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: path)
        let report = try Conversion(plan, to: path).run()
        let written = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(plan.sources))
        var other = Reader(files: FilePool(written.files))
        var checked = 0
        for (transfer, tally) in zip(plan.transfers, report.tallies) where transfer.encoding.isQuantized {
            let result = try #require(written.tensors.first { $0.name == transfer.name }).tensor
            let difference = try transfer.source.difference(from: result, &reader, &other)
            #expect(abs(tally.error.relative - difference.relative) < 1e-5 * difference.relative)
            #expect(Double(tally.error.maximum) == difference.maximumAbsolute)
            #expect(tally.error.count == transfer.source.elementCount)
            checked += 1
        }
        #expect(checked > 20)
    }

    @Test func talliesSurviveTheJournal() throws {
        let directory = TemporaryDirectory()
        let plan = Plan(sources: [], form: .file)
        var tally = Tally()
        tally.overflowCount = 3
        tally.roundedScaleCount = 4
        tally.error.squaredError = 0.125
        tally.error.squaredSource = 1e-300
        tally.error.count = 7
        tally.error.maximum = 0.3
        tally.written = [
            WrittenBytes(output: 1, offset: 2, rowByteCount: 3, rowCount: 4, stride: 5, checksum: 0xFFFF_FFFF)
        ]
        let folder = try StagingFolder(for: directory.file("out"), replaces: false)
        let identity = FileIdentity(device: 1, inode: .max)
        do {
            var journal = try Journal(in: folder, Journal.Key(plan), files: [(identity, 12)], finished: [3: Tally()])
            try journal.record([(job: 9, tally: tally), (job: 10, tally: Tally())])
        }
        let content = try #require(Journal.content(of: folder.lines(of: Journal.name)))
        #expect(content.key == Journal.Key(plan))
        #expect(content.files[0]?.identity == identity && content.files[0]?.byteCount == 12)
        let finished = content.finished
        #expect(folder.discard().isEmpty)
        #expect(finished == [3: Tally(), 9: tally, 10: Tally()])
    }
}
