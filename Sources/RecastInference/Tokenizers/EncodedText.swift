import Recast

/// Ids on their way out, with what has to be remembered on the way.
struct EncodedText {
    var ids: [Int32] = []
    /// Where the ids of the text begin that no added token interrupts.
    var segmentStart = 0
    private var cache: PieceCache
    /// Why the ids are not all there: closures of the standard library would let an error out without its type.
    var failure: RecastError?

    init(byteCount: Int) {
        ids.reserveCapacity(byteCount / 4 + 2)
        cache = PieceCache(byteCount: byteCount)
    }

    /// Appends the ids of a piece of text: those it had before, or those that `encode` appends.
    @inline(__always)
    mutating func encodePiece(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>,
        _ encode: (UnsafeBufferPointer<UInt8>, inout EncodedText) -> Void
    ) {
        if range.count > PieceCache.longestPiece {
            return encode(text.part(range), &self)
        }
        let key = PieceCache.Key(text, range)
        var slot = 0
        if let place = cache.place(of: key, slot: &slot) {
            for index in place { ids.append(ids[index]) }
        } else {
            let start = ids.count
            encode(text.part(range), &self)
            cache.remember(key, in: slot, at: start..<ids.count)
        }
    }
}
