import Recast

/// Ids on their way out, with what has to be remembered on the way.
struct EncodedText {
    var ids: [Int32] = []
    /// Where the ids of the text begin that no added token interrupts.
    var segmentStart = 0
    /// What expressions may still do to the text.
    var allowance: Expression.Allowance
    private var cache: PieceCache
    /// Why the ids are not all there: closures of the standard library would let an error out without its type.
    var failure: RecastError?
    private var workUntilCheck = Self.workBetweenChecks

    init(byteCount: Int) {
        ids.reserveCapacity(byteCount / 4 + 2)
        cache = PieceCache(byteCount: byteCount)
        allowance = Expression.Allowance(byteCount: byteCount)
    }

    /// In bytes or so; a few milliseconds.
    private static let workBetweenChecks = 1 << 18

    /// Whether there is nothing left to do because something failed, or Ctrl-C came; asked before each piece of work.
    @inline(__always)
    mutating func hasEnded(before work: Int) -> Bool {
        workUntilCheck &-= work
        return workUntilCheck < 0 ? checkForEnd() : false
    }

    /// Whether a piece of text can be merged at all; asked before.
    mutating func isMergeable(_ count: Int) -> Bool {
        if count <= MergeTable.mostSymbols { return true }
        failure = .unsupported("a text of \(count) bytes without a break")
        return false
    }

    /// Fails after Ctrl-C, which may have ended the merging of a piece so long; asked after.
    mutating func endMerging(of count: Int) {
        if count > 1 << 12, Interruption.hasCome { failure = RecastError(.interrupted, "interrupted") }
    }

    @inline(never)
    private mutating func checkForEnd() -> Bool {
        if failure == nil, Interruption.hasCome { failure = RecastError(.interrupted, "interrupted") }
        // Failures are seldom, and none makes the rest of the work wrong: it is enough to look now and then.
        if failure != nil { return true }
        workUntilCheck = Self.workBetweenChecks
        return false
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
