import Recast

/// Which tokens some tokens see, where an indexer picks them: a bit for each token of the text.
///
/// Layers that share an indexer read what the last one with its own has left here. A token that has no more before it than are
/// picked sees all, and its bits mean nothing.
final class PickedTokens: Sendable {
    private let memory: FloatBuffer
    /// Words of 32 bits for each token.
    private let width: Int
    private let pickedCount: Int

    /// - Parameters:
    ///   - rows: tokens.
    ///   - length: of the longest text, in tokens.
    /// - Returns: nil where every token sees all.
    init?(_ configuration: ModelConfiguration, rows: Int, length: Int) {
        guard let indexer = configuration.latentAttention?.indexer, length > indexer.pickedCount else { return nil }
        pickedCount = indexer.pickedCount
        width = length.dividedRoundingUp(by: 32)
        memory = FloatBuffer(count: rows * width)
    }

    /// All of it, as bytes that can be kept.
    var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: memory.base, count: memory.count * 4)
    }

    func rows(from row: Int) -> Rows {
        Rows(
            words: UnsafeMutableRawPointer(memory.base + row * width).assumingMemoryBound(to: UInt32.self),
            width: width, pickedCount: pickedCount)
    }

    /// Consecutive tokens of one text.
    struct Rows {
        fileprivate let words: UnsafeMutablePointer<UInt32>
        fileprivate let width: Int
        /// A token that has no more to see sees all.
        let pickedCount: Int

        func contains(_ token: Int, of row: Int) -> Bool { words[row * width + token >> 5] >> (token & 31) & 1 == 1 }

        func set(_ row: Int, to tokens: some Sequence<Int>) {
            let own = words + row * width
            own.update(repeating: 0, count: width)
            for token in tokens { own[token >> 5] |= 1 << UInt32(token & 31) }
        }

        func dropFirst(_ rows: Int) -> Rows {
            Rows(words: words + rows * width, width: width, pickedCount: pickedCount)
        }
    }
}
