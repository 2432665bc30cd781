/// A regular expression that is looked for in tensor names, as `llama-quantize --tensor-type` does: anywhere in the name
/// unless anchored, and in lower case.
///
/// Letters after a backslash keep their case: `\D` is not `\d`.
package struct NamePattern: Sendable, Hashable {
    /// As it was given.
    package let text: String

    /// - Throws: `usage` for what is no regular expression.
    package init(_ text: String) throws(RecastError) {
        self.text = text
        _ = try compiled()
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
    package var dtype: DType

    package init(_ pattern: NamePattern, _ dtype: DType) {
        self.pattern = pattern
        self.dtype = dtype
    }

    /// - Parameter text: `PATTERN=TYPE`; the last `=` counts, as patterns may have some.
    /// - Throws: `usage` where a part is missing or unknown.
    package init(parsing text: String) throws(RecastError) {
        guard let equals = text.lastIndex(of: "="), equals != text.startIndex else {
            throw .usage("\"\(text)\" is not PATTERN=TYPE, such as attn_v=q8_0")
        }
        self.init(
            try NamePattern(String(text[..<equals])),
            try DType.weight(named: String(text[text.index(after: equals)...])))
    }
}
