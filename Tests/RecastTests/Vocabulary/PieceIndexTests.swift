import TestSupport
import Testing

@testable import Recast

struct PieceIndexTests {
    /// Words of few letters, NUL among them, so that many are parts of others.
    private static func words(_ count: Int, upTo length: Int, _ random: inout SeededGenerator) -> [[UInt8]] {
        (0..<count).map { _ in
            (0..<Int.random(in: 1...length, using: &random)).map { _ in [0, 1, 97].randomElement(using: &random)! }
        }
    }

    @Test func partsAreFound() {
        var random = SeededGenerator(seed: 3)
        let words = Self.words(300, upTo: 7, &random) + [[]]
        var index = PieceIndex(capacity: words.count)
        var ids: [[UInt8]: Int32] = [:]
        for (id, word) in words.enumerated() {
            word.withUnsafeBufferPointer { index.insert($0, id: Int32(id)) }
            if ids[word] == nil { ids[word] = Int32(id) }
        }
        var found = 0
        for whole in Self.words(100, upTo: 30, &random) {
            whole.withUnsafeBufferPointer { index.select($0) }
            for start in 0...whole.count {
                for end in start...whole.count {
                    let id = index.id(of: start..<end)
                    #expect(id == ids[Array(whole[start..<end])])
                    if id != nil { found += 1 }
                }
            }
        }
        #expect(found > 1000)
    }

    /// Against what tiktoken does, step by step.
    @Test func joiningIsThatOfTiktoken() {
        var random = SeededGenerator(seed: 4)
        var kinds: Set<Int?> = []
        for _ in 0..<60 {
            var tokens: [[UInt8]] = [[0], [1], [97]]
            for word in Self.words(80, upTo: 12, &random) where !tokens.contains(word) { tokens.append(word) }
            var joining = RankedJoining(tokens)
            for token in tokens where token.count > 1 {
                var parts = token.map { [$0] }
                while parts.count > 2 {
                    let ranks = (0..<parts.count - 1).map { tokens.firstIndex(of: parts[$0] + parts[$0 + 1]) ?? .max }
                    guard let best = ranks.min(), best < .max, let place = ranks.firstIndex(of: best) else { break }
                    parts[place] += parts.remove(at: place + 1)
                }
                let expected = parts.count == 2 ? parts[0].count : nil
                #expect(joining.middle(of: token) == expected)
                kinds.insert(expected.map { min($0, 3) })
            }
        }
        #expect(kinds == [nil, 1, 2, 3])
    }
}
