import Recast

/// A pre-tokenizer ready to run: text in, where its pieces end out.
struct Splitter: Sendable {
    private enum Step: Sendable {
        case known(PatternSplitter)
        case digits(individual: Bool)
        case byteDigits(individual: Bool)
        case expression(Expression)
    }

    private let steps: [Step]

    /// More than any known pre-tokenizer has; each goes through all of a text.
    private static let mostSteps = 64

    /// Throws where an expression is not valid.
    init(_ preTokenizer: PreTokenizer) throws(RecastError) {
        guard preTokenizer.steps.count <= Self.mostSteps else {
            throw .unsupported("a pre-tokenizer of \(preTokenizer.steps.count) steps, where \(Self.mostSteps) may be")
        }
        var steps: [Step] = []
        // They may cut within scalars, which the others must find whole.
        var bytes: [Step] = []
        for step in preTokenizer.steps {
            switch step {
            case .digits(let individual): steps.append(.digits(individual: individual))
            case .byteDigits(let individual): bytes.append(.byteDigits(individual: individual))
            case .split(let pattern):
                if let known = PatternSplitter(pattern: pattern) {
                    steps.append(.known(known))
                } else {
                    steps.append(.expression(try Self.compiled(pattern)))
                }
            }
        }
        self.steps = steps + bytes
    }

    private static func compiled(_ pattern: String) throws(RecastError) -> Expression {
        do {
            return try Expression(pattern)
        } catch {
            throw .unsupported(
                "the pre-tokenizer's expression cannot be used, \(error.message): \(pattern.prefix(200))")
        }
    }

    /// The splitter that is all there is to do, which most pre-tokenizers are: pieces can then be taken one by one.
    var onlyPattern: PatternSplitter? {
        if steps.count == 1, case .known(let pattern) = steps[0] { pattern } else { nil }
    }

    /// The offsets where the pieces of `text` end, in order.
    ///
    /// - Throws: `unsupported` where an expression takes too much for the text, `interrupted` after Ctrl-C.
    func pieceEnds(
        in text: UnsafeBufferPointer<UInt8>, within allowance: inout Expression.Allowance
    ) throws(RecastError) -> [Int] {
        var ends = text.isEmpty ? [] : [text.count]
        for step in steps {
            switch step {
            case .known(let pattern): ends = Self.cut(text, at: ends) { pattern.pieceEnd(from: $0, in: $1) }
            case .digits(let individual):
                let classes = ScalarClasses.shared
                ends = Self.cut(text, at: ends) {
                    Self.digitsEnd(from: $0, in: $1, individual: individual, classes: classes)
                }
            case .byteDigits(let individual):
                ends = Self.cut(text, at: ends) { Self.byteDigitsEnd(from: $0, in: $1, individual: individual) }
            case .expression(let expression):
                ends = try Self.cut(text, at: ends, by: expression, within: &allowance)
            }
        }
        return ends
    }

    /// Cuts every piece on its own: what an expression looks ahead at ends with the piece.
    private static func cut(
        _ text: UnsafeBufferPointer<UInt8>, at ends: [Int], _ pieceEnd: (Int, UnsafeBufferPointer<UInt8>) -> Int
    ) -> [Int] {
        var result: [Int] = []
        var start = 0
        for end in ends {
            let part = text.part(start..<end)
            var offset = 0
            while offset < part.count {
                offset = pieceEnd(offset, part)
                result.append(start + offset)
            }
            start = end
        }
        return result
    }

    /// Cuts every piece before and after each match.
    private static func cut(
        _ text: UnsafeBufferPointer<UInt8>, at ends: [Int], by expression: Expression,
        within allowance: inout Expression.Allowance
    ) throws(RecastError) -> [Int] {
        var matcher = try Expression.Matcher(expression)
        var result: [Int] = []
        var start = 0
        var last = 0
        for end in ends {
            func cut(at offset: Int) {
                if offset > last {
                    result.append(offset)
                    last = offset
                }
            }
            try matcher.forEachMatch(in: text.part(start..<end), within: &allowance) { match in
                cut(at: start + match.lowerBound)
                cut(at: start + match.upperBound)
            }
            cut(at: end)
            start = end
        }
        return result
    }

    /// A byte that stands as a digit in the byte-level alphabet, or a run of them, or what is between them.
    private static func byteDigitsEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>, individual: Bool) -> Int {
        let isDigit = standsAsDigit(text[start])
        var end = start + 1
        if isDigit, individual { return end }
        while end < text.count, standsAsDigit(text[end]) == isDigit { end += 1 }
        return end
    }

    /// 0 to 9, ², ³, ¹, ¼, ½ and ¾, which stand for themselves.
    private static func standsAsDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0xB2, 0xB3, 0xB9, 0xBC...0xBE: true
        default: false
        }
    }

    /// A digit, or a run of digits, or what is between them; "digit" is any scalar of `\p{N}` here.
    private static func digitsEnd(
        from start: Int, in text: UnsafeBufferPointer<UInt8>, individual: Bool, classes: ScalarClasses
    ) -> Int {
        let (first, second) = text.scalar(at: start)
        let isDigit = classes[first] == .number
        if isDigit, individual { return second }
        var end = second
        while end < text.count {
            let (value, next) = text.scalar(at: end)
            if (classes[value] == .number) != isDigit { break }
            end = next
        }
        return end
    }
}
