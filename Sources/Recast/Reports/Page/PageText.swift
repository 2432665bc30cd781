/// Text as a page shows it, whatever a file made of it.
enum PageText {
    /// With everything spelled out that hides, that turns the order of a line, that XML cannot say, or that piles up
    /// over its neighbours.
    static func visible(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
        var result = ""
        var marks = 0
        for scalar in text.unicodeScalars {
            marks = scalar.isMark ? marks + 1 : 0
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.steersTerminals || scalar.properties.isNoncharacterCodePoint || marks > mostMarks {
                    result += scalar.escaped
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }

    /// Marks over one letter: as many as scripts need.
    private static let mostMarks = 4

    /// A token: its spaces are seen, and it is never nothing.
    static func token(_ text: String) -> String {
        if text.isEmpty { return "(empty)" }
        var result = ""
        // A mark alone would sit on what stands before it.
        if text.unicodeScalars.first!.isMark { result = "\u{25CC}" }
        for scalar in text.unicodeScalars {
            result.unicodeScalars.append(scalar == " " ? "\u{2423}" : scalar)
        }
        return visible(result)
    }

    /// The middle taken out of what is wider than `width` ems of a fixed-width font; the end of a name tells as much as its
    /// beginning.
    static func cut(_ text: String, to width: Double) -> String {
        // No more than is needed of a name without an end.
        let most = Int(width / narrowest) + 2
        let head = visible(String(text.unicodeScalars.prefix(most)))
        guard text.unicodeScalars.dropFirst(most).isEmpty == false || self.width(head) > width else { return head }
        let tail = visible(String(text.unicodeScalars.suffix(most)))
        let half = (width - latin) / 2
        return String(prefix(head.unicodeScalars, half)) + "…"
            + String(String.UnicodeScalarView(prefix(tail.unicodeScalars.reversed(), half).reversed()))
    }

    private static func prefix(_ scalars: some Sequence<Unicode.Scalar>, _ width: Double) -> String.UnicodeScalarView {
        var result = String.UnicodeScalarView()
        var sum = 0.0
        for scalar in scalars {
            sum += scalar.emWidth
            if sum > width { break }
            result.append(scalar)
        }
        return result
    }

    /// In ems of a fixed-width font: an upper bound for common fonts.
    static func width(_ text: String) -> Double { text.unicodeScalars.reduce(0) { $0 + $1.emWidth } }

    /// At most so many characters; the number of those that are missing stands in their place.
    static func limited(_ text: String, to count: Int = 2000) -> String {
        let scalars = text.unicodeScalars
        guard let end = scalars.index(scalars.startIndex, offsetBy: count, limitedBy: scalars.endIndex),
            end < scalars.endIndex
        else { return text }
        return String(scalars[..<end]) + "… (\(scalars.count - count) more characters)"
    }

    fileprivate static let latin = 0.61
    /// What a scalar takes at least, so that a text without an end is not looked at as a whole.
    private static let narrowest = 0.25
}

extension String {
    fileprivate init(_ scalars: String.UnicodeScalarView) {
        self.init()
        unicodeScalars = scalars
    }
}

extension Unicode.Scalar {
    fileprivate var isMark: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .spacingMark: true
        default: false
        }
    }

    fileprivate var emWidth: Double {
        switch value {
        case 0x20..<0x0300, 0x0370..<0x0590, 0x1E00..<0x2000, 0x2010..<0x2040: PageText.latin
        case 0x0590..<0x1100: isMark ? 0.25 : 0.9
        case 0x1F000...: 1.4
        default: isMark ? 0.25 : 1.1
        }
    }
}
