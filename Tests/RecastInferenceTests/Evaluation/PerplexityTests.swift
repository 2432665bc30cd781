import Foundation
import Recast
import Testing

@testable import RecastInference

extension PerplexityOptions {
    /// Of a document that is scored as a whole.
    fileprivate func windows(of tokens: [Int32]) -> [ForwardPass.Text] {
        windows(of: Channel.Document(tokens: tokens)).map(\.text)
    }
}

@Suite struct PerplexityTests {
    private func tokens(_ count: Int) -> [Int32] { (0..<count).map { Int32($0 * 7 % 96) } }

    private func scored(_ options: PerplexityOptions, _ count: Int) -> Int {
        options.windows(of: tokens(count)).reduce(0) { $0 + $1.predictions.count }
    }

    @Test func secondHalves() {
        let options = PerplexityOptions(context: 512, scored: .secondHalf)
        #expect(scored(options, 512) == 255)
        #expect(scored(options, 1535) == 2 * 255)
        #expect(scored(options, 511) == 0)
        #expect(options.windows(of: tokens(512))[0].predictions == 256..<511)
    }

    @Test func secondHalvesBeginWithBOS() {
        let windows = PerplexityOptions(context: 8, scored: .secondHalf, bosToken: 90).windows(of: tokens(17))
        #expect(windows.map(\.tokens) == [[90] + tokens(17)[0..<7], [90] + tokens(17)[8..<15]])
    }

    @Test func allButFirst() {
        let options = PerplexityOptions(context: 10)
        #expect(scored(options, 30) == 27)
        #expect(scored(options, 31) == 27)
        #expect(scored(options, 32) == 28)
        #expect(scored(options, 1) == 0)
        #expect(scored(options, 0) == 0)
        #expect(scored(PerplexityOptions(context: 10, bosToken: 1), 30) == 9 * 3)
        #expect(scored(PerplexityOptions(context: 10, bosToken: 1), 1) == 1)
        #expect(PerplexityOptions(context: 10, bosToken: 90).windows(of: tokens(12))[0].tokens.first == 90)
    }

    @Test(arguments: 1...9, [0, 1, 2, 9, 10, 11, 12, 37, 50]) func strides(_ stride: Int, _ count: Int) {
        let windows = PerplexityOptions(context: 10, stride: stride).windows(of: tokens(count))
        // Every token but the text's first is scored, once.
        #expect(windows.reduce(0) { $0 + $1.predictions.count } == max(0, count - 1))
        #expect(windows.allSatisfy { $0.tokens.count <= 10 })
        let targets = windows.flatMap { window in window.predictions.map { window.tokens[$0 + 1] } }
        #expect(targets == Array(tokens(count).dropFirst()))
    }

    @Test func scoresOfChannels() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let channels = [Channel(name: "a", tokens: tokens(50)), Channel(name: "b", tokens: tokens(33))]
        let pass = try ForwardPass(model.graph, files: model.files)
        let result = try pass.perplexity(of: channels, PerplexityOptions(context: 16))
        #expect(result.channels.map(\.name) == ["a", "b"] && result.total.name == "total")
        #expect(result.channels.map(\.tokens) == [50, 33] && result.total.tokens == 83)
        #expect(result.channels.map(\.scored) == [46, 30] && result.total.scored == 76)
        #expect(abs(result.total.nll - result.channels[0].nll - result.channels[1].nll) < 1e-9)
        #expect(result.total.perplexity == exp(result.total.nll / 76))
        // Alone, a text has the same score.
        let alone = try pass.perplexity(of: [channels[1]], PerplexityOptions(context: 16))
        #expect(abs(alone.total.nll - result.channels[1].nll) < 1e-4)
        let decoded = try JSONDecoder().decode(Perplexity.self, from: JSONEncoder().encode(result))
        #expect(decoded == result)
    }

    @Test func standardError() {
        let score = Perplexity.Score(name: "x", tokens: 4, [1, 2, 4])
        #expect(abs(score.perplexity - exp(7.0 / 3)) < 1e-12)
        #expect(abs(score.error! - (14.0 / 9 / 2).squareRoot() * exp(7.0 / 3)) < 1e-12)
        #expect(Perplexity.Score(name: "x", tokens: 2, [1]).error == nil)
    }

    @Test func refusals() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let pass = try ForwardPass(model.graph, files: model.files)
        func message(_ options: PerplexityOptions, _ count: Int) -> String {
            do {
                _ = try pass.perplexity(of: [Channel(name: "prose", tokens: tokens(count))], options)
                return ""
            } catch { return error.message }
        }
        #expect(
            message(PerplexityOptions(), 1)
                == "the text prose has 1 tokens, of which none can be scored; at least 2 are needed")
        #expect(message(PerplexityOptions(scored: .secondHalf), 511).contains("at least 512"))
        #expect(message(PerplexityOptions(context: 1), 9).contains("context"))
        #expect(message(PerplexityOptions(context: 8, stride: 9), 9).contains("stride"))
        #expect(message(PerplexityOptions(context: 8, stride: 0), 9).contains("stride"))
        #expect(message(PerplexityOptions(context: 8, stride: 4, scored: .secondHalf), 9).contains("stride"))
    }

    /// A document that begins with its own first token gets none before it.
    @Test func wholeDocuments() {
        let options = PerplexityOptions(context: 10, bosToken: 90)
        let whole = Channel.Document(tokens: tokens(8), isWhole: true)
        #expect(options.windows(of: whole).map(\.text.tokens) == [tokens(8)])
        #expect(options.windows(of: whole)[0].text.predictions == 0..<7)
    }

    /// Answers have the scores that their tokens have where all are scored, whatever the windows.
    @Test(arguments: [(8, nil), (8, 3), (64, nil), (5, 5)] as [(Int, Int?)], [nil, 90] as [Int32?])
    func answers(_ window: (context: Int, stride: Int?), _ bos: Int32?) throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let pass = try ForwardPass(model.graph, files: model.files)
        let options = PerplexityOptions(context: window.context, stride: window.stride, bosToken: bos)
        let places = [0..<2, 3..<4, 6..<11, 19..<33, 39..<40]
        let scored = Set(places.joined())
        let all = options.windows(of: Channel.Document(tokens: tokens(40)))
        let values = try pass.negativeLogLikelihoods(of: all.map(\.text)).flatMap { $0 }
        // Without strides that overlap, every token but those at the beginning of a window, in their order.
        var targets: [Int] = []
        var start = 0
        for window in all {
            targets += window.text.predictions.map { start + $0 + 1 - (bos == nil ? 0 : 1) }
            start += options.stride ?? options.context
        }
        let expected = zip(targets, values).filter { scored.contains($0.0) }.map(\.1)
        let channel = Channel(
            name: "x", documents: [Channel.Document(tokens: tokens(40), answers: places), .init(tokens: [])])
        let found = try pass.perplexity(of: [channel], options).total
        #expect(found.scored == expected.count && found.tokens == 40)
        #expect(abs(found.nll - expected.reduce(0, +)) < 1e-4)
        #expect(channel.unscoredCount(options) == 1)
    }

    /// Documents do not see each other.
    @Test func documents() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let pass = try ForwardPass(model.graph, files: model.files)
        let parts = [Array(tokens(30)[..<13]), Array(tokens(30)[13...])]
        let options = PerplexityOptions(context: 8)
        let together = try pass.perplexity(
            of: [Channel(name: "x", documents: parts.map { Channel.Document(tokens: $0) })], options)
        let apart = try pass.perplexity(of: parts.map { Channel(name: "y", tokens: $0) }, options)
        #expect(together.total.scored == apart.total.scored && together.channels.count == 1)
        #expect(abs(together.total.nll - apart.total.nll) < 1e-4)
    }
}
