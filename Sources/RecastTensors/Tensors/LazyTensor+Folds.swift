// What is known of a tensor before any of it is read: folds over its children, by what recipes state of themselves.

extension LazyTensor {
    /// The tensors that this one is made of.
    var children: [LazyTensor] {
        switch recipe {
        case .stored, .literal, .zeros: []
        case .arranged(_, let children), .computed(_, let children): children
        }
    }

    /// What is computed, if anything is.
    private var computation: Computation.Summary? {
        guard case .computed(let computation, let children) = recipe else { return nil }
        return computation.summary(of: self, children)
    }

    /// Whether this stands for zeros without reading anything.
    package var isKnownZero: Bool { recipe == .zeros }

    /// The file that its first bytes are in; nil where they are in none.
    package var firstFile: FileID? {
        if case .stored(let file, _) = recipe { return file }
        return children.lazy.compactMap(\.firstFile).first
    }

    /// Calls `body` with each range of a file that the tensor reads.
    package func forEachStored(_ body: (FileID, Range<Int>) -> Void) {
        if case .stored(let file, let offset) = recipe { body(file, offset..<offset + byteCount) }
        for child in children { child.forEachStored(body) }
    }

    /// Whether numbers are computed that may need rounding.
    package var changesNumbers: Bool { computation?.rounds == true || children.contains(where: \.changesNumbers) }

    // MARK: Quantized numbers

    /// The encoding of fewer values than their type has that the numbers come from; nil where they come from none.
    private var quantization: Encoding? {
        if dtype.isQuantized { return .plain(dtype) }
        switch computation?.values ?? .inherited {
        case .decoded(let encoding): return .packed(encoding)
        case .inherited: return children.lazy.compactMap(\.quantization).first
        case .any: return nil
        }
    }

    /// Whether the numbers come from fewer values than their type has.
    package var isQuantized: Bool { quantization != nil }

    /// How the numbers are stored, as it is shown.
    package var encodingName: String { quantization?.name ?? dtype.name }

    /// The parts of a quantized weight that nothing was done to.
    package var storedParts: (PackedEncoding, [LazyTensor])? {
        switch recipe {
        case .computed(.decoded(let encoding), let parts): (encoding, parts)
        case .arranged(.reshaped, let children): children[0].storedParts
        default: nil
        }
    }

    /// The shape its encoding sees.
    package var storedShape: [Int] {
        if case .arranged(.reshaped, let children) = recipe { children[0].storedShape } else { shape }
    }

    // MARK: Windows that are cheap

    /// Bytes that are read together at most for the sake of a grain.
    private static let longestGrain = 4 << 20

    /// The rows that are best read together: windows that begin and end at multiples of it read nothing twice that is much.
    package var rowGrain: Int {
        switch recipe {
        case .stored, .literal, .zeros: return 1
        case .arranged(.gathered(let order), let children):
            return order.groupCount * rowByteCount <= Self.longestGrain ? order.groupCount : children[0].rowGrain
        case .arranged: return 1
        case .computed(let computation, let children):
            let summary = computation.summary(of: self, children)
            if case .decoded(let encoding) = summary.values { return encoding.rowGrain }
            let grains = children.map(\.rowGrain)
            let common = grains.reduce(summary.rows) { $0.leastCommonMultiple(with: $1) }
            return common * rowByteCount <= Self.longestGrain ? common : max(summary.rows, grains.max() ?? 1)
        }
    }
}
