/// A regular expression that is looked for in tensor names, as `llama-quantize --tensor-type` does: anywhere in the name
/// unless anchored, and in lower case.
///
/// Letters after a backslash keep their case: `\D` is not `\d`.
package struct NamePattern: Sendable, Hashable {
    /// As it was given.
    package let text: String
    /// The one name that it is found in, where it says nothing else.
    let wholeName: String?

    /// - Throws: `usage` for what is no regular expression.
    package init(_ text: String) throws(RecastError) {
        self.text = text
        wholeName = Self.wholeName(text)
        if wholeName == nil { _ = try compiled() }
    }

    /// Of `^model\.norm$` what is between the anchors: letters, digits, underscores, and other characters behind a backslash.
    private static func wholeName(_ text: String) -> String? {
        guard text.count > 2, text.hasPrefix("^"), text.hasSuffix("$") else { return nil }
        var name = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            let isWord = character.isLetter || character.isNumber || character == "_"
            if isEscaped {
                guard !isWord else { return nil }
                name.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                guard isWord else { return nil }
                name.append(character)
            }
        }
        return isEscaped ? nil : name
    }

    /// A pattern that is found in one name alone.
    package init(whole name: String) throws(RecastError) {
        let escaped = name.map { $0.isLetter || $0.isNumber || $0 == "_" ? "\($0)" : "\\\($0)" }.joined()
        try self.init("^\(escaped)$")
    }

    /// The expression, ready to be used many times.
    func compiled() throws(RecastError) -> Expression {
        guard !text.isEmpty else { throw .usage("an empty pattern matches everything; write .* if that is meant") }
        do {
            return try Expression(Self.lowercased(text))
        } catch {
            throw .usage("\"\(text)\" is not a regular expression: \(error.message)")
        }
    }

    private static func lowercased(_ text: String) -> String {
        var isEscaped = false
        return String(
            text.flatMap { character -> String in
                defer { isEscaped = !isEscaped && character == "\\" }
                return isEscaped ? String(character) : character.lowercased()
            })
    }
}

/// A type for the tensors whose name a pattern is found in.
package struct TypeOverride: Sendable, Hashable {
    package var pattern: NamePattern
    package var type: WeightType
    /// The option that asks for it.
    package var option: String

    package init(_ pattern: NamePattern, _ type: WeightType, option: String = "--override") {
        self.pattern = pattern
        self.type = type
        self.option = option
    }

    /// For messages.
    var text: String { "\(option) \(pattern.text)" }

    /// - Parameter text: `PATTERN=TYPE`; the last `=` counts, as patterns may have some.
    /// - Throws: `usage` where a part is missing or unknown.
    package init(parsing text: String, option: String = "--override") throws(RecastError) {
        guard let equals = text.lastIndex(of: "="), equals != text.startIndex else {
            throw .usage("\"\(text)\" is not PATTERN=TYPE, such as attn_v=q8_0")
        }
        self.init(
            try NamePattern(String(text[..<equals])),
            try WeightType(named: String(text[text.index(after: equals)...])), option: option)
    }
}
