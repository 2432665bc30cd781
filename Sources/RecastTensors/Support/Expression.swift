internal import COniguruma

/// A regular expression, run by Oniguruma: the engine of `tokenizers`, so that expressions mean here what they mean there.
///
/// Expressions come from files, and a few characters of one can keep an engine that backtracks busy for years. So steps are
/// counted (each time a choice is taken back) and limited, as is the memory for choices, and Ctrl-C ends a search. An
/// expression is immutable: any number of threads may use one at the same time.
package final class Expression: Sendable {
    /// How many steps all searches in one text may take together, beyond the few that each has.
    package struct Allowance: Sendable {
        fileprivate var steps: Int

        /// - Parameter byteCount: of the text.
        package init(byteCount: Int) { steps = 1 << 26 + min(byteCount, 1 << 40) * Expression.freeSteps }
    }

    /// In bytes. The longest that a known tokenizer has is of about 2000.
    package static let longestPattern = 1 << 16

    /// Groups in groups. Each step in repeated groups costs as much as they are deep, and known expressions have three.
    private static let deepestGroup: UInt32 = 16

    /// What a search may take in any case.
    fileprivate static let freeSteps = 256
    /// The engine's own limit for a match from one place, which is that of `tokenizers` too.
    fileprivate static let mostSteps = 10_000_000
    /// Choices kept in memory, of some 40 bytes each.
    fileprivate static let mostChoices: UInt32 = 1 << 22

    package let pattern: String
    nonisolated(unsafe) fileprivate let regex: OnigRegex

    private static let isReady = onig_shim_initialize(deepestGroup) == ONIG_NORMAL

    /// - Throws: `unsupported` with the engine's reason.
    package init(_ pattern: String) throws(RecastError) {
        let byteCount = pattern.utf8.count
        guard Self.isReady, byteCount < Self.longestPattern else {
            throw .unsupported("it has \(byteCount) bytes, where up to \(Self.longestPattern - 1) are supported")
        }
        if let escape = Self.unsupportedEscape(in: pattern) { throw .unsupported("\(escape) is not supported") }
        let bytes = try Self.withOwnCategories(pattern).utf8CString
        var regex: OnigRegex?
        var info = OnigErrorInfo()
        let code = bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            return onig_shim_new(&regex, start, start + bytes.count - 1, &info)
        }
        guard code == ONIG_NORMAL, let regex else { throw .unsupported(Self.description(of: code, &info)) }
        (self.pattern, self.regex) = (pattern, regex)
    }

    deinit { onig_free(regex) }

    /// Escapes whose work no count of steps tells (\1 and the like compare any length of text, \g calls groups), and
    /// those that would mean something else in a search that is made of several (\G, \K).
    private static func unsupportedEscape(in pattern: String) -> String? {
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if isEscaped, "123456789gGkK".unicodeScalars.contains(scalar) { return "\\\(scalar)" }
            isEscaped = !isEscaped && scalar == "\\"
        }
        return nil
    }

    fileprivate static func description(of code: Int32, _ info: UnsafeMutablePointer<OnigErrorInfo>?) -> String {
        let text = [UInt8](unsafeUninitializedCapacity: Int(ONIG_MAX_ERROR_MESSAGE_LEN)) { buffer, count in
            count = Int(max(0, onig_shim_describe(buffer.baseAddress, code, info)))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether some part of a text matches.
    ///
    /// - Throws: as ``Matcher/forEachMatch(in:within:_:)``.
    package func isFound(in text: String) throws(RecastError) -> Bool {
        var text = text
        return try text.withUTF8 { bytes -> Result<Bool, RecastError> in
            do throws(RecastError) {
                var matcher = try Matcher(self)
                var allowance = Allowance(byteCount: bytes.count)
                return .success(try matcher.firstMatch(in: bytes, from: 0, within: &allowance) != nil)
            } catch {
                return .failure(error)
            }
        }.get()
    }
}

extension Expression {
    /// What one thread needs to search with an expression.
    package struct Matcher: ~Copyable {
        private let expression: Expression
        private let region: UnsafeMutablePointer<OnigRegion>
        private let parameters: OpaquePointer

        package init(_ expression: Expression) throws(RecastError) {
            guard let region = onig_region_new() else { throw RecastError(.inputOutput, "out of memory") }
            guard let parameters = onig_new_match_param() else {
                onig_region_free(region, 1)
                throw RecastError(.inputOutput, "out of memory")
            }
            (self.expression, self.region, self.parameters) = (expression, region, parameters)
            onig_initialize_match_param(parameters)
            onig_set_match_stack_limit_size_of_match_param(parameters, Expression.mostChoices)
            onig_set_retry_limit_in_match_of_match_param(parameters, UInt(Expression.mostSteps))
        }

        deinit {
            onig_region_free(region, 1)
            onig_free_match_param(parameters)
        }

        /// Calls `body` with every match, from left to right.
        ///
        /// As `tokenizers` has it, an empty match right after another match does not count.
        ///
        /// - Parameter text: valid UTF-8; anchors and look-around see no more than that.
        /// - Throws: `unsupported` where the limits are reached, `interrupted` after Ctrl-C.
        package mutating func forEachMatch(
            in text: UnsafeBufferPointer<UInt8>, within allowance: inout Allowance, _ body: (Range<Int>) -> Void
        ) throws(RecastError) {
            var start = 0
            var last = -1
            while start <= text.count, let match = try firstMatch(in: text, from: start, within: &allowance) {
                if match.isEmpty, match.upperBound == last {
                    start = Self.boundary(after: start, in: text)
                } else {
                    (start, last) = (match.upperBound, match.upperBound)
                    body(match)
                }
            }
        }

        /// One search of the engine where that is done soon; otherwise place by place, so that Ctrl-C need not wait for
        /// all that an expression does in a long text.
        fileprivate mutating func firstMatch(
            in text: UnsafeBufferPointer<UInt8>, from start: Int, within allowance: inout Allowance
        ) throws(RecastError) -> Range<Int>? {
            guard text.count < Int32.max else {
                throw .unsupported("a text of \(text.count) bytes for \(Self.name(of: expression))")
            }
            try Interruption.check()
            let found = run(in: text, steps: fewSteps(in: text, from: start)) { [expression, region, parameters] base in
                onig_search_with_param(
                    expression.regex, base, base + text.count, base + start, base + text.count, region,
                    ONIG_OPTION_NONE, parameters)
            }
            if found != ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER { return try match(found, from: start) }
            var place = start
            while place <= text.count {
                try Interruption.check()
                if let match = try match(at: place, in: text, within: &allowance) { return match }
                place = Self.boundary(after: place, in: text)
            }
            return nil
        }

        private mutating func match(
            at place: Int, in text: UnsafeBufferPointer<UInt8>, within allowance: inout Allowance
        ) throws(RecastError) -> Range<Int>? {
            let few = fewSteps(in: text, from: place)
            var steps = few
            while true {
                let attempt = { [expression, region, parameters] (base: UnsafePointer<UInt8>) in
                    onig_match_with_param(
                        expression.regex, base, base + text.count, base + place, region, ONIG_OPTION_NONE, parameters)
                }
                let found =
                    steps == few
                    ? run(in: text, steps: steps, attempt)
                    : Interruption.endingAtOnce { run(in: text, steps: steps, attempt) }
                guard found == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER, steps < Expression.mostSteps else {
                    return try match(found, from: place)
                }
                steps = min(max(16 * steps, Expression.freeSteps), Expression.mostSteps)
                allowance.steps -= steps
                if allowance.steps < 0 { throw tooMuch("many steps") }
                try Interruption.check()
            }
        }

        /// So many that Ctrl-C can wait for them: each may look at all of the text.
        private func fewSteps(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
            min(Expression.freeSteps, max(8, 1 << 27 / (text.count - start + 1)))
        }

        private func run(
            in text: UnsafeBufferPointer<UInt8>, steps: Int, _ body: (UnsafePointer<UInt8>) -> Int32
        ) -> Int32 {
            onig_set_retry_limit_in_search_of_match_param(parameters, UInt(steps))
            // An empty text may have no address.
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) {
                body(text.baseAddress ?? UnsafePointer($0.baseAddress!))
            }
        }

        /// What the engine found: its answer is a code where it is negative.
        private func match(_ found: Int32, from start: Int) throws(RecastError) -> Range<Int>? {
            switch found {
            case 0...:
                let (lower, upper) = (Int(region.pointee.beg[0]), Int(region.pointee.end[0]))
                guard start <= lower, lower <= upper else {
                    throw .unsupported("\(Self.name(of: expression)) matches backwards")
                }
                return lower..<upper
            case ONIG_MISMATCH: return nil
            case ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER, ONIGERR_RETRY_LIMIT_IN_MATCH_OVER: throw tooMuch("many steps")
            case ONIGERR_MATCH_STACK_LIMIT_OVER, ONIGERR_MEMORY: throw tooMuch("much memory")
            default:
                throw .unsupported("\(Self.name(of: expression)): \(Expression.description(of: found, nil))")
            }
        }

        private func tooMuch(_ what: String) -> RecastError {
            .unsupported("\(Self.name(of: expression)) takes too \(what) for this text")
        }

        private static func name(of expression: Expression) -> String {
            let pattern = expression.pattern
            return "the regular expression \(pattern.count > 200 ? pattern.prefix(200) + "…" : pattern[...])"
        }

        /// The offset of the next scalar, or beyond the end.
        private static func boundary(after offset: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
            var offset = offset + 1
            while offset < text.count, text[offset] & 0xC0 == 0x80 { offset += 1 }
            return offset
        }
    }
}
