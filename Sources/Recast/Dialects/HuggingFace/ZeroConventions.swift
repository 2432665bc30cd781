/// Whether a GPTQ checkpoint stores zeros as they are or less one: found by looking at them, because what the metadata says
/// is often wrong (quantization.md §a.1, trap 2).
struct ZeroConventions {
    private var byteCount = 0
    private var found: Set<PackedEncoding.Format> = []
    private var symmetricCount = 0
    private var asymmetricCount = 0
    private var distance = CodeDistance()

    /// Looks at one weight's zeros: those of a symmetric one are all the same, and say which format it is.
    mutating func look(
        at zeros: LazyTensor, bits: Int, _ configuration: JSON.Object, _ reader: inout Reader
    ) throws(RecastError) -> (PackedEncoding.Format, isSymmetric: Bool) {
        byteCount += zeros.byteCount
        // The zeros of an asymmetric weight may be any, and may happen to be all the same.
        let isDynamic = configuration["dynamic"]?.object != nil && !Self.isOwn(configuration)
        guard configuration["sym"]?.bool != false || isDynamic else {
            asymmetricCount += 1
            return (Self.claimed(configuration), false)
        }
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

    /// Asymmetric weights by what their codes say: zeros can be anything, but a linear layer's numbers are about as often above
    /// zero as below, so that codes lie around the zeros they were made with.
    ///
    /// - Parameter tensors: all of the checkpoint; of the weights whose format was a claim, the first are sampled.
    mutating func settle(
        _ tensors: inout [NamedTensor], _ configuration: JSON.Object, _ reader: inout Reader
    ) throws(RecastError) {
        guard asymmetricCount > 0, !Self.isOwn(configuration) else { return }
        let claimed = tensors.indices.filter { tensors[$0].tensor.storedParts?.0.hasClaimedZeros == true }
        for index in claimed where !distance.isEnough {
            byteCount += try distance.add(tensors[index].tensor, &reader)
        }
        guard let format = asymmetricFormat, format != Self.claimed(configuration) else { return }
        for index in claimed {
            guard case .computed(.decoded(var encoding), let parts) = tensors[index].tensor.recipe else { continue }
            encoding.format = format
            tensors[index].tensor = .decoded(encoding, tensors[index].tensor.shape, parts)
        }
    }

    /// What asymmetric weights turned out to be: what their own codes say, or else the symmetric weights beside them.
    private var asymmetricFormat: PackedEncoding.Format? {
        distance.format ?? (found.count == 1 ? found.first : nil)
    }

    /// Whether the checkpoint is one of Recast's own. Its metadata is right, and its numbers may be any: of weights that do not
    /// lie around zero, codes would seem to say something else.
    private static func isOwn(_ configuration: JSON.Object) -> Bool {
        let makers = configuration["meta"]?["quantizer"]?.array ?? []
        return makers.contains { $0.string?.hasPrefix("recast:") == true }
    }

    static func claimed(_ configuration: JSON.Object) -> PackedEncoding.Format {
        let name = configuration["checkpoint_format"]?.string ?? configuration["format"]?.string
        return name == "gptq_v2" ? .gptqV2 : .gptq
    }

    func outcome(_ configuration: JSON.Object, file: String) -> (evidence: [Evidence], warnings: [String]) {
        guard symmetricCount + asymmetricCount > 0 else { return ([], []) }
        let claim = Self.claimed(configuration)
        var answers: [String] = []
        if !found.isEmpty {
            answers.append(found.map(\.rawValue).sorted().joined(separator: " and "))
        }
        if asymmetricCount > 0 {
            let reason =
                distance.format != nil
                ? "by where their codes lie" : found.count == 1 ? "like the others" : "as the configuration says"
            let which = found.isEmpty ? "asymmetric" : "\(asymmetricCount) asymmetric ones"
            answers.append("\(which): \((asymmetricFormat ?? claim).rawValue), \(reason)")
        }
        let formats = found.union([asymmetricFormat].compactMap { $0 })
        var warnings: [String] = []
        if let format = formats.first, formats.count == 1, format != claim {
            warnings.append(
                "\(file): the configuration says the zeros are stored as in \(claim.rawValue), the file holds those of "
                    + "\(format.rawValue); the file is believed"
            )
        }
        let answer = answers.joined(separator: "; ")
        return (
            [Evidence(question: "GPTQ format of the zeros:", answer: answer, byteCount: byteCount)], warnings
        )
    }
}

extension PackedEncoding {
    /// Whether zeros could as well be stored the other way. A byte's steps are too fine to tell.
    fileprivate var hasClaimedZeros: Bool {
        (format == .gptq || format == .gptqV2) && scheme.origin == .zeroPoint && scheme.bits <= 4
    }
}

/// How far the codes of each group lie from its zero as it is stored: not at all on the average if zeros are stored as they
/// are, one step above if they are stored less one.
private struct CodeDistance {
    private var count = 0
    private var codeCount = 0
    private var zeros = 0.0
    private var codes = 0.0
    private var zeroSquares = 0.0
    private var products = 0.0

    var isEnough: Bool { codeCount >= 1 << 18 }

    /// nil while there are too few groups, if their codes lie elsewhere, or if they do not follow their zeros: then the numbers
    /// are not those of a linear layer.
    var format: PackedEncoding.Format? {
        guard count >= 64 else { return nil }
        let number = Double(count)
        let variance = zeroSquares / number - zeros / number * (zeros / number)
        let covariance = products / number - zeros / number * (codes / number)
        // Nearly 1, but for the rounding of zeros where they hardly differ; 0 where codes and zeros have nothing to do with each
        // other.
        guard variance > 0, (0.25..<1.5).contains(covariance / variance) else { return nil }
        let distance = (codes - zeros) / number
        if abs(distance) < 0.25 { return .gptqV2 }
        return abs(distance - 1) < 0.25 ? .gptq : nil
    }

    /// - Returns: how many bytes were read, about.
    mutating func add(_ weight: LazyTensor, _ reader: inout Reader) throws(RecastError) -> Int {
        guard case .computed(.decoded(var encoding), let parts) = weight.recipe else { return 0 }
        encoding.format = .gptqV2
        let rows = min(weight.rowCount, 64)
        let tile = try encoding.tile(
            of: parts, rows: 0..<rows, shape: (weight.rowCount, weight.columnCount), using: &reader)
        // The end of the range may have come there by wrapping around.
        let end = Float(1 << encoding.scheme.bits - 1)
        for row in 0..<rows {
            var sums = [Int](repeating: 0, count: tile.blockColumns)
            var counts = sums
            for column in 0..<tile.columns {
                let group = tile.groups.map { Int($0[column]) } ?? column / tile.blockWidth
                sums[group] += Int(tile.codes[row * tile.columns + column])
                counts[group] += 1
            }
            for group in sums.indices where counts[group] > 0 {
                let zero = tile.offsets[tile.firstBlock(ofRow: row) + group]
                if zero != end { add(zero: Double(zero), code: Double(sums[group]) / Double(counts[group])) }
            }
        }
        codeCount += rows * tile.columns
        return rows * tile.columns * encoding.scheme.bits / 8
    }

    private mutating func add(zero: Double, code: Double) {
        count += 1
        zeros += zero
        codes += code
        zeroSquares += zero * zero
        products += zero * code
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
        return try allWords(&reader) { word, column in word == pattern[column % pattern.count] }
    }

    /// Whether every word is this one.
    func hasOnly(word: UInt32, _ reader: inout Reader) throws(RecastError) -> Bool {
        try allWords(&reader) { found, _ in found == word }
    }

    /// Whether all words of a matrix, by their columns, are as they should be.
    private func allWords(
        _ reader: inout Reader, _ isRight: (UInt32, _ column: Int) -> Bool
    ) throws(RecastError) -> Bool {
        // Rows may be as short as one word.
        let step = max(1, (1 << 16) / max(1, columnCount))
        for first in stride(from: 0, to: rowCount, by: step) {
            let words = try numbers(rows: first..<min(first + step, rowCount), as: UInt32.self, using: &reader)
            for (index, word) in words.enumerated() where !isRight(word, index % columnCount) { return false }
        }
        return true
    }
}
