/// Whether a GPTQ checkpoint stores zeros as they are or less one: found by looking at them, because what the metadata says
/// is often wrong (quantization.md §a.1, trap 2).
struct ZeroConventions {
    private var byteCount = 0
    private var found: Set<PackedEncoding.Format> = []
    private var symmetricCount = 0
    private var asymmetricCount = 0

    /// Looks at one weight's zeros: those of a symmetric one are all the same, and say which format it is.
    mutating func look(
        at zeros: LazyTensor, bits: Int, _ configuration: JSON.Object, _ reader: inout Reader
    ) throws(RecastError) -> (PackedEncoding.Format, isSymmetric: Bool) {
        byteCount += zeros.byteCount
        let center = UInt32(1) << UInt32(bits - 1)
        if try zeros.holdsOnly(code: center, bits: bits, &reader) {
            found.insert(.gptqV2)
            symmetricCount += 1
            return (.gptqV2, true)
        }
        if try zeros.holdsOnly(code: center - 1, bits: bits, &reader) {
            found.insert(.gptq)
            symmetricCount += 1
            return (.gptq, true)
        }
        asymmetricCount += 1
        return (Self.claimed(configuration), false)
    }

    static func claimed(_ configuration: JSON.Object) -> PackedEncoding.Format {
        let name = configuration["checkpoint_format"]?.string ?? configuration["format"]?.string
        return name == "gptq_v2" ? .gptqV2 : .gptq
    }

    func outcome(_ configuration: JSON.Object, file: String) -> (evidence: [Evidence], warnings: [String]) {
        guard symmetricCount + asymmetricCount > 0 else { return ([], []) }
        let claim = Self.claimed(configuration)
        let names = found.map(\.rawValue).sorted().joined(separator: " and ")
        let answer =
            found.isEmpty
            ? "asymmetric: \(claim.rawValue), as the configuration says"
            : names + (asymmetricCount > 0 ? "; \(asymmetricCount) asymmetric ones are read as \(claim.rawValue)" : "")
        var warnings: [String] = []
        if let format = found.first, found.count == 1, format != claim {
            warnings.append(
                "\(file): the configuration says the zeros are stored as in \(claim.rawValue), the file holds those of "
                    + "\(format.rawValue); the file is believed"
                    + (asymmetricCount > 0 ? " for the symmetric weights" : ""))
        }
        return (
            [Evidence(question: "which GPTQ format do the zeros have?", answer: answer, byteCount: byteCount)], warnings
        )
    }
}

extension LazyTensor {
    /// Whether every code of packed words is this one.
    func holdsOnly(code: UInt32, bits: Int, _ reader: inout Reader) throws(RecastError) -> Bool {
        // The pattern of 32 codes repeats after as many words as a code has bits; lines begin with a new pattern, or are
        // cut short of it.
        let layout = CodeLayout(bits: bits, word: .i32, axis: .columns, isTransposed: false)
        let line = layout.packed([UInt8](repeating: UInt8(code), count: 32), rows: 1, columns: 32)
        let pattern = line.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
        for row in 0..<rowCount {
            let words = try numbers(rows: row..<row + 1, as: UInt32.self, using: &reader)
            for (index, word) in words.enumerated() where word != pattern[index % pattern.count] { return false }
        }
        return true
    }

    /// Whether every word is this one.
    func hasOnly(word: UInt32, _ reader: inout Reader) throws(RecastError) -> Bool {
        for row in 0..<rowCount {
            if try numbers(rows: row..<row + 1, as: UInt32.self, using: &reader).contains(where: { $0 != word }) {
                return false
            }
        }
        return true
    }
}
