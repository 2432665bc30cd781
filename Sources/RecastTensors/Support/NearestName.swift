/// The likeliest meaning of a mistyped or misnamed word.
package enum NearestName {
    // Comparing thousands of long names with thousands is not worth the wait.
    package static let maximumCount = 20_000
    private static let maximumLength = 256

    /// The candidate with the fewest edits, if that is less than half the word.
    package static func of(_ name: String, among candidates: [String]) -> String? {
        ranked(name, among: candidates).first
    }

    /// Candidates by their distance, nearest first, as far as they are alike at all.
    package static func ranked(_ name: String, among candidates: [String]) -> [String] {
        let word = Array(name.utf8)
        let limit = max(2, word.count / 2)
        guard word.count <= maximumLength else { return [] }
        return candidates.prefix(maximumCount).enumerated()
            .compactMap { index, candidate -> (distance: Int, index: Int, name: String)? in
                let other = Array(candidate.utf8)
                guard abs(other.count - word.count) <= limit else { return nil }
                let distance = distance(word, other)
                return distance <= limit ? (distance, index, candidate) : nil
            }
            .sorted { ($0.distance, $0.index) < ($1.distance, $1.index) }
            .map(\.name)
    }

    /// Insertions, deletions and replacements that turn one into the other.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var previous = Array(0...b.count)
        for i in 0..<a.count {
            var current = [i + 1]
            current.reserveCapacity(b.count + 1)
            for j in 0..<b.count {
                current.append(min(previous[j] + (a[i] == b[j] ? 0 : 1), previous[j + 1] + 1, current[j] + 1))
            }
            previous = current
        }
        return previous[b.count]
    }
}
