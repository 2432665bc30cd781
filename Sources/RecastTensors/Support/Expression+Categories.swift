// General categories of Unicode (`\p{L}`, `\P{Nd}`, `\p{^Punctuation}`) as they are in one version of Unicode, and not in
// that of whichever Oniguruma is installed: scalars that were assigned since would be cut from texts
// differently from one system to the next.
extension Expression {
    /// The pattern with its general categories as sets of scalars.
    ///
    /// - Throws: `unsupported` where that becomes too long.
    static func withOwnCategories(_ pattern: String) throws(RecastError) -> String {
        var result = ""
        var rest = pattern[...]
        while let backslash = rest.firstIndex(of: "\\") {
            let after = rest.index(after: backslash)
            guard after < rest.endIndex else { break }
            let end = rest.index(after: after)
            result += rest[..<backslash]
            if let (set, next) = set(at: after, in: rest) {
                result += set
                rest = rest[next...]
            } else {
                result += rest[backslash..<end]
                rest = rest[end...]
            }
            guard result.utf8.count < longestExpansion else {
                throw .unsupported("it has more categories of characters than are supported")
            }
        }
        return result + rest
    }

    private static let longestExpansion = 1 << 20

    /// The set that `p{…}` or `P{…}` stands for, and where it ends; nil for anything else, which is left to the engine.
    private static func set(at start: String.Index, in pattern: Substring) -> (set: String, end: String.Index)? {
        guard ["p", "P"].contains(pattern[start]) else { return nil }
        let open = pattern.index(after: start)
        guard open < pattern.endIndex, pattern[open] == "{", let close = pattern[open...].firstIndex(of: "}") else {
            return nil
        }
        var name = pattern[pattern.index(after: open)..<close]
        var isNegated = pattern[start] == "P"
        if name.first == "^" {
            isNegated.toggle()
            name = name.dropFirst()
        }
        // The engine does not look at these, nor at cases.
        let plain = name.lowercased().filter { !" _-".contains($0) }
        guard let categories = categories[plain] else { return nil }
        return ((isNegated ? "[^" : "[") + members(of: categories) + "]", pattern.index(after: close))
    }

    /// Ranges of scalars, as they stand between brackets.
    private static func members(of categories: Set<Unicode.GeneralCategory>) -> String {
        var text = ""
        func append(_ scalar: Unicode.Scalar) {
            if scalar.isASCII {
                text += "\\x{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        for range in scalarRanges where categories.contains(range.category) {
            append(range.first)
            guard range.first != range.last else { continue }
            text += "-"
            append(range.last)
        }
        return text
    }

    /// All scalars, by runs of one category.
    private static let scalarRanges:
        [(category: Unicode.GeneralCategory, first: Unicode.Scalar, last: Unicode.Scalar)] =
            {
                var ranges: [(category: Unicode.GeneralCategory, first: Unicode.Scalar, last: Unicode.Scalar)] = []
                for scalar in (0...UInt32(0x10FFFF)).lazy.compactMap({ Unicode.Scalar($0) }) {
                    let category = scalar.generalCategory
                    if let last = ranges.last, last.category == category, last.last.value + 1 == scalar.value {
                        ranges[ranges.count - 1].last = scalar
                    } else {
                        ranges.append((category, scalar, scalar))
                    }
                }
                return ranges
            }()

    // swift-format-ignore
    private static let categories: [String: Set<Unicode.GeneralCategory>] = {
        let names: [(String, String, Unicode.GeneralCategory)] = [
            ("lu", "uppercaseletter",      .uppercaseLetter),
            ("ll", "lowercaseletter",      .lowercaseLetter),
            ("lt", "titlecaseletter",      .titlecaseLetter),
            ("lm", "modifierletter",       .modifierLetter),
            ("lo", "otherletter",          .otherLetter),
            ("mn", "nonspacingmark",       .nonspacingMark),
            ("mc", "spacingmark",          .spacingMark),
            ("me", "enclosingmark",        .enclosingMark),
            ("nd", "decimalnumber",        .decimalNumber),
            ("nl", "letternumber",         .letterNumber),
            ("no", "othernumber",          .otherNumber),
            ("pc", "connectorpunctuation", .connectorPunctuation),
            ("pd", "dashpunctuation",      .dashPunctuation),
            ("ps", "openpunctuation",      .openPunctuation),
            ("pe", "closepunctuation",     .closePunctuation),
            ("pi", "initialpunctuation",   .initialPunctuation),
            ("pf", "finalpunctuation",     .finalPunctuation),
            ("po", "otherpunctuation",     .otherPunctuation),
            ("sm", "mathsymbol",           .mathSymbol),
            ("sc", "currencysymbol",       .currencySymbol),
            ("sk", "modifiersymbol",       .modifierSymbol),
            ("so", "othersymbol",          .otherSymbol),
            ("zs", "spaceseparator",       .spaceSeparator),
            ("zl", "lineseparator",        .lineSeparator),
            ("zp", "paragraphseparator",   .paragraphSeparator),
        ]
        let groups = [
            "l": "letter", "m": "mark", "n": "number", "p": "punctuation", "s": "symbol", "z": "separator",
        ]
        var categories: [String: Set<Unicode.GeneralCategory>] = [:]
        for (short, long, category) in names {
            categories[short] = [category]
            categories[long] = [category]
            for name in [String(short.prefix(1)), groups[String(short.prefix(1))]!] {
                categories[name, default: []].insert(category)
            }
        }
        // What POSIX has names for, as the engine has them of Unicode.
        categories["combiningmark"] = categories["m"]
        return categories
    }()
}
