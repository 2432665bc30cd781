import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct SavedPredictionsTests {
    private let channels = [
        Channel(name: "a", tokens: (0..<90).map { Int32($0 * 7 % 96) }),
        Channel(name: "b", tokens: (0..<33).map { Int32($0 * 5 % 96) }),
    ]
    private let options = PerplexityOptions(context: 16, bosToken: 1)

    private func pass(_ seed: UInt64, workers: Int = 1) throws -> ForwardPass {
        let model = try RandomModel(RandomModel.tinyConfiguration(), seed: seed)
        return try ForwardPass(model.graph, files: model.files, options: PassOptions(workers: workers))
    }

    private func save(_ directory: TemporaryDirectory, isExact: Bool) throws -> String {
        let path = directory.path + "/reference"
        try pass(1).savePredictions(
            of: channels, options, SavedPredictionsOptions(path: path, isExact: isExact, name: "model"))
        return path
    }

    /// What comes of a file is what comes of the model.
    @Test(arguments: [1, 3]) func exactOnesGiveTheSameNumbers(_ workers: Int) throws {
        let directory = TemporaryDirectory()
        let saved = try SavedPredictions(path: save(directory, isExact: true))
        var direct = try pass(2).divergence(from: pass(1), on: channels, options)
        direct.layers = []
        #expect(try pass(2, workers: workers).divergence(from: saved, bosToken: nil) == direct)
        #expect(try saved.difference(from: channels, options) == nil)
    }

    @Test func whatIsSavedOnTheWayIsTheSameFile() throws {
        let directory = TemporaryDirectory()
        let path = try save(directory, isExact: false)
        let second = directory.path + "/second"
        let with = try pass(2).divergence(
            from: pass(1, workers: 2), on: channels, options,
            DivergenceOptions(saving: SavedPredictionsOptions(path: second, name: "model")))
        #expect(with == (try pass(2).divergence(from: pass(1), on: channels, options)))
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(contentsOf: URL(fileURLWithPath: second)))
    }

    /// A code is wrong by half a step at most, and a step is at most 32 nats in 65535.
    @Test func sixteenBitsAreNear() throws {
        let directory = TemporaryDirectory()
        let path = try save(directory, isExact: false)
        let saved = try SavedPredictions(path: path)
        let direct = try pass(2).divergence(from: pass(1), on: channels, options)
        let near = try pass(2).divergence(from: saved, bosToken: nil)
        let step = 32.0 / 65535
        for (a, b) in zip(direct.channels + [direct.total], near.channels + [near.total]) {
            #expect(a.name == b.name && a.tokens == b.tokens && a.scored == b.scored && a.candidate == b.candidate)
            #expect(abs(a.reference.nll - b.reference.nll) < step * Double(a.scored))
            #expect(abs(a.divergence.mean - b.divergence.mean) < step)
        }
        // And every logarithm by itself.
        let logits = try pass(1).logits(of: saved.windows.map(\.tokens))
        let buffer = FloatBuffer(count: saved.positionCount * 96)
        try SavedLogits(saved: saved).logits(0..<saved.positionCount, 0..<96, into: buffer, worker: 0)
        var row = 0
        for (window, rows) in zip(saved.windows, logits) {
            for position in window.predictions {
                let sum = log(rows[position].reduce(0) { $0 + exp(Double($1)) })
                for token in 0..<96 {
                    let expected = Double(rows[position][token]) - sum
                    #expect(abs(Double(buffer.base[row * 96 + token]) - expected) < 0.51 * step + 1e-5)
                }
                row += 1
            }
        }
    }

    @Test func othersTextsAreTold() throws {
        let directory = TemporaryDirectory()
        let saved = try SavedPredictions(path: save(directory, isExact: false))
        var others = channels
        others[1].documents[0].tokens[5] = 9
        // Six windows of the first text come before, with the token that begins it.
        #expect(try saved.difference(from: others, options)?.contains("window 6 ") == true)
        #expect(try saved.difference(from: channels, PerplexityOptions(context: 15, bosToken: 1)) != nil)
        #expect(try saved.difference(from: [channels[0]], options) != nil)
        var configuration = RandomModel.tinyConfiguration()
        configuration.vocabularySize = 80
        let other = try RandomModel(configuration)
        #expect(throws: RecastError.self) {
            try ForwardPass(other.graph, files: other.files).divergence(from: saved, bosToken: nil)
        }
    }

    @Test func anExistingFileIsKept() throws {
        let directory = TemporaryDirectory()
        let path = directory.write("reference", [1, 2, 3])
        #expect(throws: RecastError.self) { try save(directory, isExact: false) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([1, 2, 3]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["reference"])
    }

    /// llama.cpp's file, written here by its description.
    private func llamaFile(
        context: Int, vocabulary: Int, windows: [[Int32]], _ rows: [(scale: Float, minimum: Float, codes: [UInt16])]
    ) -> [UInt8] {
        var bytes = Array("_logits_".utf8)
        for number in [context, vocabulary, windows.count] { bytes.append(littleEndian: Int32(number)) }
        for token in windows.joined() { bytes.append(littleEndian: token) }
        for row in rows {
            bytes.append(littleEndian: row.scale.bitPattern)
            bytes.append(littleEndian: row.minimum.bitPattern)
            for code in row.codes { bytes.append(littleEndian: code) }
            if vocabulary % 2 == 1 { bytes.append(littleEndian: UInt16(0)) }
        }
        return bytes
    }

    @Test func llamasFilesAreRead() throws {
        let directory = TemporaryDirectory()
        let windows: [[Int32]] = [Array(0..<8), Array(8..<16)]
        // Three positions of each: all tokens alike but one, and what is cut off counts for nothing.
        let rows = (0..<6).map { row in
            (scale: Float(16) / 65535, minimum: Float(-18), codes: (0..<5).map { UInt16($0 == row % 5 ? 65535 : 0) })
        }
        let bytes = llamaFile(context: 8, vocabulary: 5, windows: windows.map { $0.map { $0 % 5 } }, rows)
        let path = directory.write("base", bytes)
        #expect(try SavedPredictions.recognizes(path))
        let saved = try SavedPredictions(path: path)
        #expect(saved.context == 8 && saved.scored == .secondHalf && saved.positionCount == 6 && saved.needsBOS)
        #expect(saved.windows.map(\.predictions) == [4..<7, 4..<7])
        #expect(saved.scoredTexts(bosToken: 2).windows.allSatisfy { $0.tokens[0] == 2 })
        let buffer = FloatBuffer(count: 30)
        try SavedLogits(saved: saved).logits(0..<6, 0..<5, into: buffer, worker: 0)
        for row in 0..<6 {
            for token in 0..<5 {
                let value = buffer.base[row * 5 + token]
                #expect(token == row % 5 ? abs(value + 2) < 1e-4 : value < -100)
            }
        }
        for cut in [4, 19, 30, bytes.count - 1] {
            let path = directory.write("cut", Array(bytes[..<cut]))
            #expect(throws: RecastError.self) { try SavedPredictions(path: path) }
        }
        for (place, value) in [(8, -1), (12, 0), (16, -5), (12, Int32.max), (8, Int32.max), (20, 77)] as [(Int, Int32)]
        {
            var bad = bytes
            for (index, byte) in withUnsafeBytes(of: value.littleEndian, Array.init).enumerated() {
                bad[place + index] = byte
            }
            let path = directory.write("bad", bad)
            #expect(throws: RecastError.self) { try SavedPredictions(path: path) }
        }
    }

    /// Every byte of what is not codes, changed: an error, or another model's predictions, and never a crash.
    @Test func damagedFiles() throws {
        let directory = TemporaryDirectory()
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: save(directory, isExact: false))))
        for place in stride(from: 0, to: min(bytes.count, 2600), by: 3) {
            var bad = bytes
            bad[place] ^= 0x41
            let path = directory.write("bad", bad)
            guard let saved = try? SavedPredictions(path: path) else { continue }
            _ = try? pass(2).divergence(from: saved, bosToken: nil)
        }
        for cut in [0, 7, 100, bytes.count - 1] {
            let path = directory.write("bad", Array(bytes[..<cut]))
            #expect(throws: RecastError.self) { try SavedPredictions(path: path) }
        }
    }
}
