/// Whether text is in normal form C already, told from ranges of scalars that cannot take part in any change: of
/// combining class 0, and `NFC_Quick_Check` = Yes.
///
/// A text of such scalars only is in normal form C (Unicode Standard Annex 15, section 9). The ranges are the ones that
/// most text consists of, not all there are.
enum Composition {
    // swift-format-ignore
    static let inertRanges: [ClosedRange<UInt32>] = [
        0x0000...0x02FF,    // Latin
        0x0400...0x0482,    // Cyrillic
        0x048A...0x052F,
        0x2002...0x200A,    // spaces, punctuation
        0x2010...0x2027,
        0x2030...0x205E,
        0x20A0...0x20BF,    // currency
        0x2190...0x219D,    // arrows
        0x2200...0x2203,    // mathematics
        0x2500...0x27BF,    // boxes, symbols
        0x3000...0x3029,    // CJK punctuation
        0x3041...0x3093,    // kana
        0x30A1...0x30FF,
        0x3400...0x9FFF,    // ideographs
        0xAC00...0xD7A3,    // Hangul
        0xFE00...0xFE0F,    // variation selectors
        0xFF01...0xFFBE,    // full-width forms
        0x1F300...0x1F64F,  // emoji
        0x1F680...0x1F6C5,
        0x1F900...0x1F9FF,
    ]

    /// 0xCC starts U+0300: below it there is nothing to compose, and no need to look at scalars.
    static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool { text.allSatisfy { $0 < 0xCC } }

    /// Whether text is certainly in normal form C; false means that one has to look closer.
    static func isInert(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if isPlain(text) { return true }
        var offset = 0
        var range = inertRanges[0]
        while offset < text.count {
            let (value, next) = text.scalar(at: offset)
            if value >= 0x300, !range.contains(value) {
                guard let other = inertRanges.first(where: { $0.contains(value) }) else { return false }
                range = other
            }
            offset = next
        }
        return true
    }
}

/// Unicode's normal form C of any text.
///
/// Foundation's on Linux is wrong in three places: it does not join a Hangul syllable and the final consonant after it,
/// it drops U+11A7 after a syllable, and it leaves the parts of three Tibetan vowel signs in the wrong order. And it sorts
/// marks by exchanging neighbours, which takes the square of their number unless they are in order.
func composed(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var part = String.UnicodeScalarView()
    var marks: [(order: UInt8, scalar: Unicode.Scalar)] = []
    for scalar in text.unicodeScalars {
        let order = scalar.properties.canonicalCombiningClass.rawValue
        if order > 0 {
            marks.append((order, scalar))
            continue
        }
        appendInOrder(&marks, to: &part)
        switch scalar.value {
        case 0x0F73: part.append(contentsOf: "\u{F71}\u{F72}".unicodeScalars)
        case 0x0F75: part.append(contentsOf: "\u{F71}\u{F74}".unicodeScalars)
        case 0x0F81: part.append(contentsOf: "\u{F71}\u{F80}".unicodeScalars)
        // Nothing composes with U+11A7 or across it.
        case 0x11A7:
            Hangul.append(foundationComposed(String(part)), to: &result)
            result.append(scalar)
            part.removeAll()
        default: part.append(scalar)
        }
    }
    appendInOrder(&marks, to: &part)
    Hangul.append(foundationComposed(String(part)), to: &result)
    return String(result)
}

/// Appends marks by their classes, those of a class as they came (Unicode Standard, section 3.11).
private func appendInOrder(
    _ marks: inout [(order: UInt8, scalar: Unicode.Scalar)], to part: inout String.UnicodeScalarView
) {
    if marks.isEmpty { return }
    if marks.count < 32 {
        // By insertion: most are one or two.
        for end in marks.indices.dropFirst() {
            var place = end
            while place > 0, marks[place - 1].order > marks[place].order {
                marks.swapAt(place - 1, place)
                place -= 1
            }
        }
        part.append(contentsOf: marks.lazy.map(\.scalar))
    } else {
        var places = [Int](repeating: 0, count: 257)
        for mark in marks { places[Int(mark.order) + 1] += 1 }
        for order in 1...256 { places[order] += places[order - 1] }
        var sorted = marks
        for mark in marks {
            sorted[places[Int(mark.order)]] = mark
            places[Int(mark.order)] += 1
        }
        part.append(contentsOf: sorted.lazy.map(\.scalar))
    }
    marks.removeAll(keepingCapacity: true)
}

/// Composition of Hangul (The Unicode Standard, section 3.12), as far as it is left to do.
private enum Hangul {
    static let finals: ClosedRange<UInt32> = 0x11A8...0x11C2

    static func append(_ text: String, to result: inout String.UnicodeScalarView) {
        for scalar in text.unicodeScalars {
            if finals.contains(scalar.value), let last = result.last?.value, isWithoutFinal(last) {
                result.removeLast()
                result.append(Unicode.Scalar(last + scalar.value - finals.lowerBound + 1)!)
            } else {
                result.append(scalar)
            }
        }
    }

    private static func isWithoutFinal(_ value: UInt32) -> Bool {
        (0xAC00...0xD7A3).contains(value) && (value - 0xAC00) % 28 == 0
    }
}
