/// A conversation as its template writes it.
public struct ChatText: Sendable {
    let scalars: [MarkedScalar]
    public let text: String
    /// Bytes of `text` that come from the conversation; the template wrote the others.
    public let opaque: [Range<Int>]
    /// Bytes of `text` that the template's `generation` blocks wrote.
    public let generated: [Range<Int>]

    init(_ text: TemplateText) {
        scalars = text.scalars
        self.text = text.string
        opaque = Self.ranges(of: text.scalars, \.isOpaque)
        generated = Self.ranges(of: text.scalars, \.isGenerated)
    }

    func hasPrefix(_ other: ChatText) -> Bool { scalars.starts(with: other.scalars) }

    /// Scalars that both begin with.
    func commonPrefixCount(_ other: ChatText) -> Int {
        zip(scalars, other.scalars).prefix { $0 == $1 }.count
    }

    /// The bytes of `text` that these scalars are.
    func bytes(_ range: Range<Int>) -> Range<Int> {
        let start = scalars[..<range.lowerBound].reduce(0) { $0 + UTF8.width($1.scalar) }
        return start..<start + scalars[range].reduce(0) { $0 + UTF8.width($1.scalar) }
    }

    private static func ranges(of scalars: [MarkedScalar], _ isIn: (MarkedScalar) -> Bool) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var offset = 0
        for scalar in scalars {
            let end = offset + UTF8.width(scalar.scalar)
            if isIn(scalar) {
                if let last = ranges.last, last.upperBound == offset {
                    ranges[ranges.count - 1] = last.lowerBound..<end
                } else {
                    ranges.append(offset..<end)
                }
            }
            offset = end
        }
        return ranges
    }
}
