/// The few classes of Unicode scalars that pre-tokenizer expressions tell apart.
struct ScalarClass: OptionSet, Sendable {
    var rawValue: UInt8

    static let letter = ScalarClass(rawValue: 1)
    static let number = ScalarClass(rawValue: 2)
    static let space = ScalarClass(rawValue: 4)
    /// CR and LF, which are spaces too.
    static let newline = ScalarClass(rawValue: 8)

    /// `\p{L}`, `\p{N}`, `\s` and `[\r\n]`, in Unicode 16.
    init(_ scalar: Unicode.Scalar) {
        switch scalar.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            self = .number
        default:
            self = scalar.properties.isWhitespace ? .space : []
        }
        if scalar == "\r" || scalar == "\n" { insert(.newline) }
    }

    init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// Scalar classes as a table: properties cost a search, and every scalar of every text is asked for.
struct ScalarClasses: Sendable {
    static let shared = ScalarClasses()

    /// One entry per scalar of the first four planes. Letters, numbers and spaces beyond them may come with a future
    /// version of Unicode, so the rest is asked for one by one.
    private let table: [ScalarClass] = (0..<0x40000).map { value in
        Unicode.Scalar(UInt32(value)).map { ScalarClass($0) } ?? []
    }

    @inline(__always)
    subscript(value: UInt32) -> ScalarClass {
        let index = Int(value)
        if index < table.count { return table[index] }
        return Unicode.Scalar(value).map { ScalarClass($0) } ?? []
    }
}
