/// A Unicode scalar of a template's text, and who wrote it. Two are the same where the scalars are.
struct MarkedScalar: Hashable, Comparable, Sendable {
    private var bits: UInt32

    private static let opaque: UInt32 = 1 << 31
    private static let generated: UInt32 = 1 << 30
    private static let scalar: UInt32 = 0x1F_FFFF

    init(_ value: UInt32) { bits = value }

    init(_ scalar: Unicode.Scalar) { bits = scalar.value }

    var value: UInt32 { bits & Self.scalar }

    var scalar: Unicode.Scalar { Unicode.Scalar(value) ?? "\u{FFFD}" }

    /// Whether it comes from a conversation, not from the template.
    var isOpaque: Bool { bits & Self.opaque != 0 }

    /// Whether a `generation` block wrote it.
    var isGenerated: Bool { bits & Self.generated != 0 }

    /// Another scalar by the same writer.
    func with(_ value: UInt32) -> MarkedScalar {
        var copy = self
        copy.bits = bits & ~Self.scalar | value
        return copy
    }

    func asOpaque() -> MarkedScalar {
        var copy = self
        copy.bits |= Self.opaque
        return copy
    }

    func asGenerated() -> MarkedScalar {
        var copy = self
        copy.bits |= Self.generated
        return copy
    }

    static func == (a: Self, b: Self) -> Bool { a.value == b.value }
    static func < (a: Self, b: Self) -> Bool { a.value < b.value }
    func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// A string as templates have them: counted and indexed by Unicode scalar, each of which knows who wrote it.
///
/// Marks go wherever the scalars go, through slices, replacements and joins, so that what a conversation says is told from
/// what the template says in whatever comes out.
struct TemplateText: Hashable, Sendable {
    var scalars: [MarkedScalar]
    /// Whether it is Jinja's `Markup`, to which nothing is added without escapes.
    var isMarkup = false

    init(_ scalars: [MarkedScalar] = []) { self.scalars = scalars }

    init(_ scalars: ArraySlice<MarkedScalar>) { self.scalars = Array(scalars) }

    /// Text of the template's own.
    init(_ string: String) { scalars = string.unicodeScalars.map { MarkedScalar($0) } }

    /// Text of a conversation.
    init(opaque string: String) { scalars = string.unicodeScalars.map { MarkedScalar($0).asOpaque() } }

    var count: Int { scalars.count }
    var isEmpty: Bool { scalars.isEmpty }

    var string: String {
        var string = String.UnicodeScalarView()
        string.append(contentsOf: scalars.lazy.map(\.scalar))
        return String(string)
    }

    static func == (a: Self, b: Self) -> Bool { a.scalars == b.scalars }
    func hash(into hasher: inout Hasher) { hasher.combine(scalars) }

    static func + (a: Self, b: Self) -> TemplateText { TemplateText(a.scalars + b.scalars) }

    static func += (a: inout Self, b: Self) { a.scalars += b.scalars }
}

extension TemplateText: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self.init(value) }
}

extension Unicode.Scalar {
    /// What Python's `str.isspace` and `\s` hold for white space.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// What Python's `repr` writes as it is.
    var isPythonPrintable: Bool {
        if value < 0x7F { return value >= 0x20 }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }
}
