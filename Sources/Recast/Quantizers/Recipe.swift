/// Which type each tensor gets, as a file that people can read and change: lines of `PATTERN=TYPE`, of which
/// the first whose regular expression is found in a tensor's name decides. Empty lines, and what begins with `#`, say nothing.
package struct Recipe: Sendable, Hashable {
    package var overrides: [TypeOverride]

    /// The option that names such a file.
    static let option = "--recipe"

    /// Types for tensors by their whole names.
    package init(_ types: [(name: String, type: WeightType)]) throws(RecastError) {
        overrides = []
        for (name, type) in types {
            overrides.append(TypeOverride(try NamePattern(whole: name), type, option: Self.option))
        }
    }

    /// - Throws: `malformedInput` with the line that is none of a recipe; `inputOutput`.
    package init(path: String) throws(RecastError) {
        let bytes = try FileSource.contents(of: path, limit: 1 << 24)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw RecastError(.malformedInput, "is not UTF-8", trail: [path])
        }
        overrides = []
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            do throws(RecastError) {
                overrides.append(try TypeOverride(parsing: line, option: Self.option))
            } catch {
                throw RecastError(.malformedInput, "line \(number + 1): \(error.message)", trail: [path])
            }
        }
        guard !overrides.isEmpty else {
            throw RecastError(.malformedInput, "names no type; a recipe has lines of PATTERN=TYPE", trail: [path])
        }
    }

    /// As a file.
    ///
    /// - Parameter remarks: for people, above the lines.
    package func text(remarks: [String]) -> String {
        let lines =
            remarks.map { "# \($0)" } + overrides.map { "\($0.pattern.text)=\($0.type.name.lowercased())" }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
