import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of weights whose codes have been chosen, each as its encoding stores it.
final class CodeFile: Sendable {
    /// What is to be in the file of one weight.
    struct Weight: Sendable {
        var slot: Slot
        var encoding: Encoding
        var rows: Int
        var columns: Int
    }

    let path: String
    private let sink: FileSink
    private let weights: [Weight]
    /// By weight and part.
    private let offsets: [[Int]]

    /// Tensors begin at whole cache lines.
    private static let alignment = 64

    /// Makes a file with room for some weights.
    ///
    /// - Parameter permissions: of the model, which what is made of its codes has too.
    init(creating path: String, for weights: [Weight], permissions: mode_t = 0o600) throws(RecastError) {
        self.path = path
        self.weights = weights
        let (offsets, byteCount) = Self.layout(of: weights)
        self.offsets = offsets
        sink = try FileSink(creating: path, mode: permissions)
        try sink.setSize(byteCount)
    }

    private static func layout(of weights: [Weight]) -> (offsets: [[Int]], byteCount: Int) {
        var next = 0
        let offsets = weights.map { weight in
            weight.parts.map { part in
                defer { next += part.byteCount.aligned(to: alignment) }
                return next
            }
        }
        return (offsets, next)
    }

    /// Writes the codes of some rows of a weight.
    func write(_ codes: EncodedRows, rows: Range<Int>, of slot: Slot) throws(RecastError) {
        let index = weights.firstIndex { $0.slot == slot }!
        let weight = weights[index]
        switch (codes.content, weight.encoding) {
        case (.tile(let tile), .plain(let dtype)):
            var bytes = [UInt8](repeating: 0, count: dtype.byteCount(ofBlocks: tile.rows * tile.columns))
            bytes.withUnsafeMutableBytes { tile.blocks(of: dtype, into: $0) }
            try write(bytes, rows: rows, at: offsets[index][0])
        case (.blocks(_, let bytes), _): try write(bytes, rows: rows, at: offsets[index][0])
        case (.tile(let tile), .packed(let packed)):
            var tally = Tally()
            let shape = packed.shape(ofWeight: [weight.rows, weight.columns])
            let factor = shape.rows / weight.rows
            let pieces = try packed.pieces(
                of: tile.reshaped(rows: tile.rows * factor, columns: shape.columns),
                rows: rows.lowerBound * factor..<rows.upperBound * factor, shape: shape, reduced: codes.reduced,
                tally: &tally)
            for piece in pieces where !piece.bytes.isEmpty { try write(piece, at: offsets[index][piece.part]) }
            guard tally.lostScaleCount == 0 else {
                throw .unsupported("some scales of \(slot) are too large or too small for \(packed.name)")
            }
        }
    }

    private func write(_ bytes: [UInt8], rows: Range<Int>, at offset: Int) throws(RecastError) {
        try bytes.withBytes { (buffer) throws(RecastError) in
            try sink.write(buffer, at: offset + rows.lowerBound * (buffer.count / rows.count))
        }
    }

    private func write(_ piece: Piece, at offset: Int) throws(RecastError) {
        let width = piece.bytes.count / piece.window.rows.count
        let element = width / max(1, piece.window.columns.count)
        let stride = piece.columnCount * element
        let first = offset + piece.window.rows.lowerBound * stride + piece.window.columns.lowerBound * element
        try piece.bytes.withBytes { (bytes) throws(RecastError) in
            if width == stride { return try sink.write(bytes, at: first) }
            for row in 0..<piece.window.rows.count {
                try sink.write(
                    UnsafeRawBufferPointer(rebasing: bytes[row * width..<(row + 1) * width]), at: first + row * stride)
            }
        }
    }

    /// Makes what was written last, whatever happens.
    func synchronize() throws(RecastError) { try sink.synchronize() }

    /// The weights of a file that is complete.
    static func tensors(
        of weights: [Weight], in path: String, files: FilePool
    ) throws(RecastError) -> [Slot: LazyTensor] {
        let source = try FileSource(path: path)
        let (offsets, byteCount) = layout(of: weights)
        guard source.byteCount == byteCount else {
            throw RecastError(.inputOutput, "has not the size it was written with", trail: [path])
        }
        let file = files.add(source.file)
        var tensors: [Slot: LazyTensor] = [:]
        for (weight, offsets) in zip(weights, offsets) {
            let parts = zip(weight.parts, offsets).map { LazyTensor.stored($0.dtype, $0.shape, in: file, at: $1) }
            switch weight.encoding {
            case .plain: tensors[weight.slot] = parts[0]
            case .packed(let packed):
                tensors[weight.slot] = .decoded(packed, weight: [weight.rows, weight.columns], parts)
            }
        }
        return tensors
    }
}

extension CodeFile.Weight {
    fileprivate struct Part {
        var dtype: DType
        var shape: [Int]
        var byteCount: Int
    }

    /// The shape that the encoding sees.
    private var storedShape: [Int] {
        guard case .packed(let packed) = encoding else { return [rows, columns] }
        let shape = packed.shape(ofWeight: [rows, columns])
        return [shape.rows, shape.columns]
    }

    fileprivate var parts: [Part] {
        encoding.parts(of: storedShape)!.map {
            Part(dtype: $0.dtype, shape: $0.shape, byteCount: $0.dtype.byteCount(ofBlocks: $0.shape.reduce(1, *)))
        }
    }
}
