import Recast
import Testing

@testable import RecastInference

@Suite struct CalibrationTextsTests {
    private func channel(_ name: String, _ counts: Int..., weight: Double = 1) -> CalibrationTexts.Channel {
        CalibrationTexts.Channel(
            name: name, weight: weight, documents: counts.map { count in (0..<count).map { Int32($0) } })
    }

    @Test func everythingIsTakenBelowTheLimit() throws {
        let texts = CalibrationTexts([channel("a", 100, 31), channel("b", 64)])
        let selection = try texts.selection(context: 32, bos: nil, limit: 1000, keepsShares: false)
        #expect(selection.chunks.map(\.count) == [32, 32, 32, 4, 31, 32, 32])
        #expect(selection.tokenCount == 195)
        #expect(selection.channels.map(\.used) == [131, 64] && selection.channels.map(\.total) == [131, 64])
        #expect(selection.chunks[3] == [96, 97, 98, 99])
    }

    @Test func windowsBeginWithBOS() throws {
        let texts = CalibrationTexts([channel("a", 70)])
        let selection = try texts.selection(context: 32, bos: 9, limit: 1000, keepsShares: false)
        #expect(selection.chunks.map(\.count) == [32, 32, 9])
        #expect(selection.chunks.allSatisfy { $0[0] == 9 })
        #expect(selection.chunks.flatMap { $0.dropFirst() } == (0..<70).map { Int32($0) })
    }

    @Test func whatIsTakenIsSpreadEvenly() throws {
        let texts = CalibrationTexts([channel("a", 3200)])
        let selection = try texts.selection(context: 32, bos: nil, limit: 320, keepsShares: false)
        #expect(selection.chunks.map { Int($0[0]) / 32 } == stride(from: 0, to: 100, by: 10).map { $0 })
    }

    @Test func sharesAreKept() throws {
        let texts = CalibrationTexts([channel("a", 3200, weight: 3), channel("b", 3200, weight: 1)])
        let selection = try texts.selection(context: 32, bos: nil, limit: 1280, keepsShares: true)
        #expect(selection.channels.map(\.used) == [960, 320])
        // A channel that is too short shortens the others, where shares were asked for.
        let short = CalibrationTexts([channel("a", 3200, weight: 3), channel("b", 96, weight: 1)])
        #expect(
            try short.selection(context: 32, bos: nil, limit: 1280, keepsShares: true).channels.map(\.used)
                == [288, 96])
        // And is filled up by them, where not.
        #expect(
            try short.selection(context: 32, bos: nil, limit: 1280, keepsShares: false).channels.map(\.used)
                == [1184, 96])
    }

    @Test func refusals() throws {
        for texts in [CalibrationTexts([]), CalibrationTexts([channel("a")]), CalibrationTexts([channel("a", 1)])] {
            let error = #expect(throws: RecastError.self) {
                _ = try texts.selection(context: 32, bos: 1, limit: 10, keepsShares: false)
            }
            #expect(error?.code == .usage)
        }
        #expect(throws: RecastError.self) {
            _ = try CalibrationTexts([channel("a", 9)]).selection(context: 2, bos: 1, limit: 9, keepsShares: false)
        }
    }

    @Test func chunksAreThoseOfLlama() {
        let tokens = (10..<30).map { Int32($0) }
        #expect(ChunkedText.chunks(of: tokens, size: 8, bos: nil).map { $0[0] } == [10, 18])
        // Before the text stands a BOS token, and then one in the place of each chunk's first token.
        let chunks = ChunkedText.chunks(of: tokens, size: 7, bos: 1)
        #expect(chunks.map { Array($0[..<2]) } == [[1, 10], [1, 17], [1, 24]])
        #expect(ChunkedText.chunks(of: tokens, size: 21, bos: nil).isEmpty)
    }
}
