/// Python's string methods, by Unicode scalar.
extension TemplateText {
    // MARK: White space and ends

    enum Side { case left, right, both }

    /// - Parameter set: the characters to take away; nil for white space.
    func stripped(_ side: Side = .both, of set: TemplateText? = nil) -> TemplateText {
        let values = set.map { Set($0.scalars) }
        func goes(_ scalar: MarkedScalar) -> Bool { values?.contains(scalar) ?? scalar.scalar.isPythonSpace }
        var range = scalars.startIndex..<scalars.endIndex
        if side != .right {
            while !range.isEmpty, goes(scalars[range.lowerBound]) { range = range.lowerBound + 1..<range.upperBound }
        }
        if side != .left {
            while !range.isEmpty, goes(scalars[range.upperBound - 1]) {
                range = range.lowerBound..<range.upperBound - 1
            }
        }
        return TemplateText(scalars[range])
    }

    func hasPrefix(_ prefix: TemplateText) -> Bool { scalars.starts(with: prefix.scalars) }

    func hasSuffix(_ suffix: TemplateText) -> Bool {
        count >= suffix.count && scalars[(count - suffix.count)...].elementsEqual(suffix.scalars)
    }

    // MARK: Searching

    /// Where `needle` stands, from left to right and without overlaps, in time proportional to both.
    ///
    /// - Parameter limit: the most places.
    func places(of needle: TemplateText, limit: Int = .max, from start: Int = 0) -> [Int] {
        let needle = needle.scalars
        guard !needle.isEmpty, count - start >= needle.count, limit > 0 else { return [] }
        // Knuth, Morris and Pratt: of each prefix, the longest that is also its end.
        var borders = [0]
        borders.reserveCapacity(needle.count)
        var matched = 0
        for index in needle.indices.dropFirst() {
            while matched > 0, needle[index] != needle[matched] { matched = borders[matched - 1] }
            if needle[index] == needle[matched] { matched += 1 }
            borders.append(matched)
        }
        var places: [Int] = []
        matched = 0
        for index in start..<count {
            while matched > 0, scalars[index] != needle[matched] { matched = borders[matched - 1] }
            if scalars[index] == needle[matched] { matched += 1 }
            guard matched == needle.count else { continue }
            places.append(index + 1 - matched)
            if places.count == limit { break }
            matched = 0
        }
        return places
    }

    /// The last place of `needle`.
    func lastPlace(of needle: TemplateText) -> Int? {
        TemplateText(Array(scalars.reversed())).places(of: TemplateText(Array(needle.scalars.reversed())), limit: 1)
            .first.map { count - $0 - needle.count }
    }

    func contains(_ needle: TemplateText) -> Bool { needle.isEmpty || !places(of: needle, limit: 1).isEmpty }

    func replacing(_ old: TemplateText, with new: TemplateText, limit: Int = .max) -> TemplateText {
        var result: [MarkedScalar] = []
        if old.isEmpty {
            var left = limit
            for scalar in scalars {
                if left > 0 { result += new.scalars }
                left -= 1
                result.append(scalar)
            }
            if left > 0 { result += new.scalars }
            return TemplateText(result)
        }
        var done = 0
        for place in places(of: old, limit: limit) {
            result += scalars[done..<place]
            result += new.scalars
            done = place + old.count
        }
        return TemplateText(result + scalars[done...])
    }

    // MARK: Cutting

    /// - Parameter separator: nil cuts at runs of white space, and drops empty parts.
    func split(_ separator: TemplateText?, limit: Int = .max) -> [TemplateText] {
        guard let separator else { return words(limit: limit) }
        var parts: [TemplateText] = []
        var done = 0
        for place in places(of: separator, limit: limit) {
            parts.append(TemplateText(scalars[done..<place]))
            done = place + separator.count
        }
        return parts + [TemplateText(scalars[done...])]
    }

    /// Cut from the right: it matters where there is a limit.
    func splitFromRight(_ separator: TemplateText?, limit: Int = .max) -> [TemplateText] {
        let mirrored = TemplateText(Array(scalars.reversed()))
        return mirrored.split(separator.map { TemplateText(Array($0.scalars.reversed())) }, limit: limit)
            .reversed().map { TemplateText(Array($0.scalars.reversed())) }
    }

    private func words(limit: Int) -> [TemplateText] {
        var parts: [TemplateText] = []
        var index = 0
        while true {
            while index < count, scalars[index].scalar.isPythonSpace { index += 1 }
            if index == count { return parts }
            let start = index
            if parts.count == limit { return parts + [TemplateText(scalars[start...]).stripped(.right)] }
            while index < count, !scalars[index].scalar.isPythonSpace { index += 1 }
            parts.append(TemplateText(scalars[start..<index]))
        }
    }

    func lines(keepingEnds: Bool = false) -> [TemplateText] {
        var lines: [TemplateText] = []
        var (start, index) = (0, 0)
        while index < count {
            switch scalars[index].value {
            case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
                let isPair = scalars[index].value == 0x0D && index + 1 < count && scalars[index + 1].value == 0x0A
                let end = index + (isPair ? 2 : 1)
                lines.append(TemplateText(scalars[start..<(keepingEnds ? end : index)]))
                (start, index) = (end, end)
            default: index += 1
            }
        }
        if start < count { lines.append(TemplateText(scalars[start...])) }
        return lines
    }

    /// The parts put together with this between them.
    func joining(_ parts: [TemplateText]) -> TemplateText {
        var result: [MarkedScalar] = []
        for (index, part) in parts.enumerated() {
            if index > 0 { result += scalars }
            result += part.scalars
        }
        return TemplateText(result)
    }

    /// - Parameter place: counted from the end where it is negative; nil outside.
    func scalar(at place: Int) -> TemplateText? {
        let index = place < 0 ? place + count : place
        return scalars.indices.contains(index) ? TemplateText([scalars[index]]) : nil
    }
}

// MARK: - Case

extension TemplateText {
    private func mapped(_ mapping: (Int) -> String) -> TemplateText {
        var result: [MarkedScalar] = []
        result.reserveCapacity(count)
        for (index, scalar) in scalars.enumerated() {
            for mapped in mapping(index).unicodeScalars { result.append(scalar.with(mapped.value)) }
        }
        return TemplateText(result)
    }

    func uppercased() -> TemplateText { mapped { scalars[$0].scalar.properties.uppercaseMapping } }

    func lowercased() -> TemplateText { mapped { lowercase(at: $0) } }

    /// The first one in title case, the others in lower case.
    func capitalized() -> TemplateText {
        mapped { $0 == 0 ? scalars[0].scalar.properties.titlecaseMapping : lowercase(at: $0) }
    }

    /// Each run of letters capitalised.
    func titlecased() -> TemplateText {
        mapped { index in
            let follows = index > 0 && scalars[index - 1].scalar.properties.isCased
            return follows ? lowercase(at: index) : scalars[index].scalar.properties.titlecaseMapping
        }
    }

    /// What Jinja's `title` does, whose words begin after white space, hyphens and opening brackets only.
    func titlecasedWords() -> TemplateText {
        func isBreak(_ scalar: Unicode.Scalar) -> Bool {
            scalar.isPythonSpace || scalar == "-" || scalar == "(" || scalar == "{" || scalar == "[" || scalar == "<"
        }
        return mapped { index in
            let isFirst = index == 0 || isBreak(scalars[index - 1].scalar)
            return isFirst ? scalars[index].scalar.properties.uppercaseMapping : lowercase(at: index)
        }
    }

    private func lowercase(at index: Int) -> String {
        let scalar = scalars[index].scalar
        guard scalar == "\u{3A3}" else { return scalar.properties.lowercaseMapping }
        // A sigma that ends a word has a form of its own.
        let before = scalars[..<index].last { !$0.scalar.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.scalar.properties.isCaseIgnorable }
        let isLast = before?.scalar.properties.isCased == true && after?.scalar.properties.isCased != true
        return isLast ? "\u{3C2}" : "\u{3C3}"
    }

    /// Whether there is a letter with case, and none of the other case.
    func isAll(uppercase: Bool) -> Bool {
        var found = false
        for scalar in scalars {
            let properties = scalar.scalar.properties
            if uppercase ? properties.isUppercase : properties.isLowercase {
                found = true
            } else if properties.isCased {
                return false
            }
        }
        return found
    }

    func isEvery(_ condition: (Unicode.Scalar) -> Bool) -> Bool {
        !isEmpty && scalars.allSatisfy { condition($0.scalar) }
    }

    // MARK: Escapes

    /// As HTML has it; Jinja's `escape`.
    func escapedMarkup() -> TemplateText {
        var result: [MarkedScalar] = []
        for scalar in scalars {
            let escape: String? =
                switch scalar.scalar {
                case "&": "&amp;"
                case "<": "&lt;"
                case ">": "&gt;"
                case "'": "&#39;"
                case "\"": "&#34;"
                default: nil
                }
            if let escape {
                result += escape.unicodeScalars.map { scalar.with($0.value) }
            } else {
                result.append(scalar)
            }
        }
        return TemplateText(result)
    }
}
