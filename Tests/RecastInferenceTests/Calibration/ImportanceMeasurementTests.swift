import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

@Suite struct ImportanceMeasurementTests {
    private func sums(
        _ model: Model, on chunks: [[Int32]], to destination: String, workers: Int = 1, resumes: Bool = false,
        isCancelled: (@Sendable () -> Bool)? = nil
    ) throws -> ImportanceSums {
        let options = PassOptions(workers: workers, isCancelled: isCancelled)
        let work = CalibrationWork(destination: destination, resumes: resumes, replaces: false)
        return try ImportanceMeasurement(model, options: options).run(on: chunks, datasets: ["text"], work) { $0 }
    }

    /// llama-imatrix, on the same text and chunks.
    @Test(.enabled(if: Fixtures.hasGolden)) func isThatOfLlamaImatrix() throws {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: Fixtures.tinyModel))
        let vocabulary = try #require(
            try model.checkpoint.vocabulary(
                directory: nil, preTokenizer: nil, size: model.graph.configuration.vocabularySize))
        var text = try String(
            contentsOfFile: Fixtures.golden("../models/qwen2-tiny/text/calibration.txt"), encoding: .utf8)
        if text.last == "\n" { text.removeLast() }
        let tokens = try Tokenizer(vocabulary).encode(text)
        let chunks = Array(ChunkedText.chunks(of: tokens, size: 256, bos: nil).prefix(200))
        let found = try sums(model, on: chunks, to: directory.file("out.gguf"), workers: 2)
        let golden = try Importance(path: Fixtures.golden("gguf/qwen2-tiny.imatrix.gguf"))
        #expect(golden.chunkCount == found.chunkCount && found.chunkSize == 256)
        #expect(found.entries.map(\.name) == golden.entries.map(\.name))
        let file = try FileSource(path: golden.path)
        var worst: Float = 0
        for (entry, expected) in zip(found.entries, golden.entries) {
            #expect(entry.counts == expected.counts)
            let bytes = try file.bytes(expected.offset..<expected.offset + 4 * expected.valueCount)
            for (index, sum) in entry.sums.enumerated() {
                let other = Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 4 * index, as: UInt32.self) })
                worst = max(worst, abs(sum / other - 1))
            }
        }
        #expect(worst < 2e-3)
    }

    private static func texts() -> [[Int32]] { (0..<8).map { text in (0..<32).map { Int32(($0 * 5 + text) % 24) } } }

    @Test func expertsHaveARowEach() throws {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: SmallModel.mixtral().write(to: directory)))
        let found = try sums(model, on: Self.texts(), to: directory.file("out.gguf"))
        let used = model.graph.configuration.experts!.usedCount
        for name in ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"] {
            let entry = try #require(found.entries.first { $0.name == "blk.1.\(name).weight" })
            #expect(entry.counts.count == 6 && entry.counts.reduce(0, +) == Float(256 * used))
            for expert in 0..<6 where entry.counts[expert] == 0 {
                let columns = entry.sums.count / 6
                #expect(entry.sums[expert * columns..<(expert + 1) * columns].allSatisfy { $0 == 0 })
            }
        }
        #expect(found.entries.contains { $0.name == "blk.0.ffn_gate_inp.weight" })
    }

    /// Written, read, and merged: the sums of both.
    @Test func filesAreMerged() throws {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: SmallModel.mixtral().write(to: directory)))
        let texts = Self.texts()
        let paths = try [Array(texts[..<3]), Array(texts[3...])].enumerated().map { index, part in
            let path = directory.file("part-\(index).gguf")
            let found = try sums(model, on: part, to: path)
            _ = try Conversion(found.plan(destination: path), to: path).run()
            return path
        }
        var merged = ImportanceSums.empty
        for path in paths { try merged.merge(Importance(path: path)) }
        let whole = try sums(model, on: texts, to: directory.file("out.gguf"))
        #expect(merged.chunkCount == 8 && merged.entries.map(\.name) == whole.entries.map(\.name))
        for (entry, expected) in zip(merged.entries, whole.entries) {
            #expect(entry.counts == expected.counts)
            #expect(zip(entry.sums, expected.sums).allSatisfy { abs($0 - $1) <= 1e-4 * $1 + 1e-12 })
        }
        // That of another model is refused.
        let other = try Model(Checkpoint(path: SmallModel("llama").write(to: directory, "other")))
        var wrong = try sums(other, on: texts, to: directory.file("other.gguf"))
        wrong.entries[0].sums.removeLast()
        #expect(throws: RecastError.self) { try wrong.merge(Importance(path: paths[0])) }
        // So is one with as many numbers of another number of experts.
        var split = merged
        let stack = try #require(split.entries.firstIndex { $0.counts.count == 6 })
        split.entries[stack].counts = [1, 2, 3]
        #expect(throws: RecastError.self) { try split.merge(Importance(path: paths[0])) }
    }

    @Test func resumedIsTheSame() throws {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: SmallModel.mixtral().write(to: directory)))
        let whole = try sums(model, on: Self.texts(), to: directory.file("a.gguf"), workers: 3)
        let path = directory.file("b.gguf")
        var limit = 0
        var runs = 0
        while true {
            (limit, runs) = (limit + 4, runs + 1)
            try #require(runs < 200)
            let counter = Countdown(limit)
            do {
                let found = try sums(model, on: Self.texts(), to: path, resumes: true, isCancelled: { counter.isOver })
                #expect(found.entries == whole.entries)
                break
            } catch let error as RecastError {
                #expect(error.code == .interrupted, "\(error)")
            }
        }
        #expect(runs > 2)
        #expect(!FileManager.default.fileExists(atPath: path + ".recast-calibration"))
    }
}

private final class Countdown: @unchecked Sendable {
    private var left: Int
    private let lock = NSLock()

    init(_ left: Int) { self.left = left }

    var isOver: Bool {
        lock.withLock {
            left -= 1
            return left <= 0
        }
    }
}
