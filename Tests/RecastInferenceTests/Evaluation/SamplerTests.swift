import Foundation
import Recast
import Testing

@testable import RecastInference

struct SamplerTests {
    private func token(_ logits: [Float], _ sampler: inout Sampler, after tokens: [Int32] = []) -> Int32? {
        var logits = logits
        return logits.withUnsafeMutableBufferPointer { sampler.token(from: $0, after: tokens) }
    }

    /// How often each of four tokens is drawn.
    private func counts(_ logits: [Float], _ settings: SamplingSettings, draws: Int = 4000) -> [Int] {
        var sampler = Sampler(settings)
        var counts = [Int](repeating: 0, count: logits.count)
        for _ in 0..<draws { counts[Int(token(logits, &sampler)!)] += 1 }
        return counts
    }

    /// Logits that cannot be compared give no token, whatever the temperature.
    @Test(arguments: [[Float.nan, .nan], [.infinity, .infinity], [-.infinity, -.infinity]], [0, 1.0])
    func noNumbers(logits: [Float], temperature: Double) {
        var sampler = Sampler(SamplingSettings(temperature: temperature))
        #expect(token(logits, &sampler) == nil)
    }

    @Test func someNumbers() {
        var sampler = Sampler(SamplingSettings(temperature: 1, topK: 1))
        #expect(token([.nan, -.infinity, 2, 1], &sampler) == 2)
    }

    @Test func drawsFollowProbabilities() {
        let counts = counts([0, 0.693_147_2, .nan, 1.386_294_4], .init(temperature: 1, seed: 3), draws: 7000)
        #expect(counts[2] == 0)
        #expect(abs(counts[0] - 1000) < 120 && abs(counts[1] - 2000) < 160 && abs(counts[3] - 4000) < 200)
    }

    /// Probabilities 1/15, 2/15, 4/15, 8/15.
    private let powers: [Float] = [0, 0.693_147_2, 1.386_294_4, 2.079_441_5]

    @Test func leastProbabilities() {
        // A quarter of the likeliest's is just what the second has.
        let quarter = counts(powers, .init(temperature: 1, minP: 0.24, seed: 5))
        #expect(quarter[0] == 0 && quarter[1] > 0)
        let more = counts(powers, .init(temperature: 1, minP: 0.26, seed: 5))
        #expect(more[1] == 0 && more[2] > 0)
        #expect(counts(powers, .init(temperature: 1, minP: 1, seed: 5))[3] == 4000)
        #expect(counts(powers, .init(temperature: 1, minP: 0, seed: 5)).allSatisfy { $0 > 0 })
    }

    @Test func likeliestTokens() {
        #expect(counts(powers, .init(temperature: 1, topK: 2, seed: 5)).prefix(2).allSatisfy { $0 == 0 })
        // 12 of 15 is reached by two.
        #expect(counts(powers, .init(temperature: 1, topP: 0.79, seed: 5)).prefix(2).allSatisfy { $0 == 0 })
        #expect(counts(powers, .init(temperature: 1, topP: 0.81, seed: 5))[1] > 0)
        // A high temperature makes all alike.
        let hot = counts(powers, .init(temperature: 100, seed: 5))
        #expect(hot.allSatisfy { abs($0 - 1000) < 150 })
    }

    /// transformers' RepetitionPenaltyLogitsProcessor, and llama.cpp's presence and frequency penalties, by hand.
    @Test func penalties() {
        func applied(_ penalties: TokenPenalties, _ tokens: [Int32]) -> [Float] {
            var logits: [Float] = [2, -2, 3, 1]
            logits.withUnsafeMutableBufferPointer { penalties.apply(to: $0, after: tokens) }
            return logits
        }
        #expect(applied(TokenPenalties(repetition: 2), [0, 1, 0]) == [1, -4, 3, 1])
        #expect(applied(TokenPenalties(presence: 0.5), [0, 1, 0]) == [1.5, -2.5, 3, 1])
        #expect(applied(TokenPenalties(frequency: 0.5), [0, 1, 0]) == [1, -2.5, 3, 1])
        #expect(applied(TokenPenalties(repetition: 2, window: 1), [0, 1, 2]) == [2, -2, 1.5, 1])
        #expect(applied(TokenPenalties(repetition: 2, window: 0), [0, 1, 2]) == [2, -2, 3, 1])
        #expect(applied(TokenPenalties(), [0, 1, 2]) == [2, -2, 3, 1])
        var sampler = Sampler(SamplingSettings(penalties: TokenPenalties(repetition: 2)))
        #expect(token([2, -2, 3, 1], &sampler) == 2 && token([2, -2, 3, 1], &sampler, after: [2]) == 0)
    }

    @Test func refusals() {
        for settings in [
            SamplingSettings(temperature: -1), .init(temperature: .nan), .init(topK: 0), .init(topP: 0),
            .init(minP: 1.1),
            .init(penalties: TokenPenalties(repetition: 0)), .init(penalties: TokenPenalties(presence: .infinity)),
            .init(penalties: TokenPenalties(window: -1)),
        ] {
            #expect(throws: RecastError.self) { try settings.validate() }
        }
    }
}

struct StopWordsTests {
    /// However the bytes come, the same text is left.
    private func left(of text: String, _ words: [String], by size: Int) -> (text: String, isStopped: Bool) {
        var stop = StopWords(words)
        var bytes: [UInt8] = []
        let all = Array(text.utf8)
        for first in stride(from: 0, to: all.count, by: size) {
            bytes += stop.append(all[first..<min(all.count, first + size)])
        }
        bytes += stop.end()
        return (String(decoding: bytes, as: UTF8.self), stop.isStopped)
    }

    @Test(arguments: [1, 2, 3, 100])
    func endsBeforeTheFirst(_ size: Int) {
        #expect(left(of: "one two three", ["two"], by: size) == ("one ", true))
        #expect(left(of: "one two three", ["three", "wo"], by: size) == ("one t", true))
        #expect(left(of: "aab", ["ab"], by: size) == ("a", true))
        #expect(left(of: "aaab", ["aab"], by: size) == ("a", true))
        #expect(left(of: "one tw", ["two"], by: size) == ("one tw", false))
        #expect(left(of: "one two", [], by: size) == ("one two", false))
        #expect(left(of: "größer", ["ße"], by: size) == ("grö", true))
        #expect(left(of: "\n\nx", ["\n\n"], by: size) == ("", true))
        #expect(left(of: "abcab", ["abd", "cab"], by: size) == ("ab", true))
    }

    @Test func nothingIsHeldBackThatCannotBegin() {
        var stop = StopWords(["xyz"])
        #expect(stop.append("abc".utf8) == Array("abc".utf8))
        #expect(stop.append("x".utf8) == [] && stop.append("a".utf8) == Array("xa".utf8))
    }
}
