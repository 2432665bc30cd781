import Recast

/// Text of several writers, of which not all may spell special tokens.
package struct MarkedText: Sendable {
    package var text: String
    /// Bytes in which special tokens are text like any other, in order. A special token counts where neither its first nor
    /// its last byte is of these: one that is put together around them is meant.
    package var opaque: [Range<Int>]
    /// Places between bytes, in order, that no token lies across.
    package var cuts: [Int]

    package init(_ text: String, opaque: [Range<Int>], cuts: [Int] = []) {
        self.text = text
        self.opaque = opaque
        self.cuts = cuts
    }
}

extension Tokenizer {
    /// The ids of a text whose special tokens are parsed where it is not opaque, and for each cut the number of ids before it.
    ///
    /// After a cut text goes on as if it were not there: nothing is put between. So a prompt has the ids that it has alone.
    ///
    /// - Throws: as `encode(_:)` of a text does.
    package func encode(_ marked: MarkedText) throws(RecastError) -> (ids: [Int32], cuts: [Int]) {
        let (cuts, protected) = try self.cuts(of: marked)
        var text = marked.text
        var output = EncodedText(byteCount: text.utf8.count)
        var places: [Int: Int] = [:]
        var next = cuts.startIndex
        var tokenStart = 0
        text.withUTF8 { utf8 in
            /// Says of the cuts up to `offset` where they are.
            func pass(_ offset: Int, _ output: EncodedText) {
                while next < cuts.endIndex, cuts[next] <= offset {
                    places[cuts[next]] = output.ids.count
                    next += 1
                }
            }
            rawTokens.forEachSegment(
                of: utf8, parsingSpecial: true,
                where: { place, isSpecial in
                    tokenStart = place.lowerBound
                    return !isSpecial || !Self.isSpelled(place, within: marked.opaque)
                }
            ) { segment in
                switch segment {
                case .token(let id):
                    pass(tokenStart, output)
                    output.ids.append(id)
                case .text(let range):
                    var start = range.lowerBound
                    while start < range.upperBound {
                        pass(start, output)
                        let end = next < cuts.endIndex ? min(cuts[next], range.upperBound) : range.upperBound
                        normalize(
                            utf8.part(start..<end), isFirst: start == 0, goesOn: start > range.lowerBound,
                            parsingSpecial: !protected.contains(start), into: &output)
                        start = end
                    }
                    pass(range.upperBound, output)
                }
            }
            pass(.max, output)
        }
        if let failure = output.failure { throw failure }
        return (output.ids, marked.cuts.map { places[$0] ?? output.ids.count })
    }

    /// All cuts, and the beginnings of the parts between them in which special tokens are not looked for.
    ///
    /// Where special tokens are found in normalised text, bytes have no places any more; opaque parts that spell one are cut
    /// out instead.
    private func cuts(of marked: MarkedText) throws(RecastError) -> (cuts: [Int], protected: Set<Int>) {
        guard normalizesSpecial else { return (marked.cuts, []) }
        var cuts = Set(marked.cuts)
        var protected: Set<Int> = []
        let utf8 = Array(marked.text.utf8)
        for range in marked.opaque {
            let part = String(decoding: utf8[range], as: UTF8.self)
            guard try specialTokenCount(in: part) > 0 else { continue }
            cuts.formUnion([range.lowerBound, range.upperBound])
            protected.insert(range.lowerBound)
            for cut in marked.cuts where range.contains(cut) { protected.insert(cut) }
        }
        return (cuts.sorted(), protected)
    }

    /// Whether the first or the last byte of `token` is in one of `ranges`, which are in order.
    private static func isSpelled(_ token: Range<Int>, within ranges: [Range<Int>]) -> Bool {
        func contains(_ place: Int) -> Bool {
            var (low, high) = (0, ranges.count)
            while low < high {
                let middle = (low + high) / 2
                if ranges[middle].upperBound <= place { low = middle + 1 } else { high = middle }
            }
            return low < ranges.count && ranges[low].contains(place)
        }
        return contains(token.lowerBound) || contains(token.upperBound - 1)
    }
}
