/// Cuts files into pieces: their tensors, and what lies between them.
struct ArchivePieces {
    private(set) var files: [Archiving.File] = []
    private(set) var pieces: [Archiving.Piece] = []
    private(set) var notes: [String] = []
    /// Whether any file is one of tensors, even if it has none.
    private(set) var holdsTensors = false
    private var taken: Set<ByteString> = ["__metadata__", Archiving.checksumsName].reduce(into: []) {
        $0.insert(ByteString($1))
    }

    /// Gaps up to this size are looked at, and not stored where they are zeros.
    private static let paddingByteCount = 4096

    mutating func add(_ name: String, _ source: any ByteSource) throws(RecastError) {
        let first = pieces.count
        var end = 0
        for tensor in try tensors(of: source, name) {
            guard case .stored(_, let offset) = tensor.tensor.recipe else { continue }
            try addGap(end..<offset, of: name, source)
            end = offset + tensor.tensor.byteCount
            let dtype = tensor.tensor.dtype
            pieces.append(
                Archiving.Piece(
                    file: files.count, bytes: offset..<end, entry: unused(tensor.name, in: name),
                    planes: Planes(of: dtype), profile: dtype.isOfNumbers ? .numbers : .text, dtype: dtype,
                    shape: tensor.tensor.shape))
        }
        try addGap(end..<source.byteCount, of: name, source)
        files.append(Archiving.File(name: name, source: source.file, pieces: first..<pieces.count))
    }

    /// The tensors of a file in the order of their bytes; none where it is no file of tensors.
    private mutating func tensors(
        of source: any ByteSource, _ name: String
    ) throws(RecastError) -> [NamedTensor] {
        var found: [NamedTensor] = []
        do throws(RecastError) {
            for format in Checkpoint.formats {
                guard let tensors = try format.storedTensors(in: source) else { continue }
                (found, holdsTensors) = (tensors, true)
                break
            }
        } catch {
            // What cannot be read at all is not what it was, and no archive may say so.
            guard error.code != .inputOutput else { throw error }
            notes.append("\(name) is packed as it is, because it cannot be read: \(error)")
        }
        func place(_ tensor: NamedTensor) -> (Int, Int) {
            if case .stored(_, let offset) = tensor.tensor.recipe { (offset, tensor.tensor.byteCount) } else { (0, 0) }
        }
        return found.map { (place($0), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private mutating func addGap(
        _ bytes: Range<Int>, of name: String, _ source: any ByteSource
    ) throws(RecastError) {
        if bytes.isEmpty { return }
        var piece = Archiving.Piece(file: files.count, bytes: bytes, planes: Planes(width: 1), profile: .text)
        var isPadding = false
        if bytes.lowerBound > 0, bytes.count <= Self.paddingByteCount {
            isPadding = try source.bytes(bytes).allSatisfy { $0 == 0 }
        }
        if !isPadding {
            let isWhole = bytes.count == source.byteCount
            piece.entry = unused(isWhole ? name : "\(name)@\(bytes.lowerBound)", in: name)
        }
        pieces.append(piece)
    }

    /// The name of an entry: the tensor's own where no other has it, else with its file's.
    private mutating func unused(_ name: String, in file: String) -> String {
        var candidate = name
        var number = 1
        while !taken.insert(ByteString(candidate)).inserted {
            candidate = number == 1 ? "\(file)/\(name)" : "\(file)/\(name)#\(number)"
            number += 1
        }
        return candidate
    }
}

extension DType {
    /// Whether the bytes are those of numbers that follow a distribution, rather than of ids or of text.
    fileprivate var isOfNumbers: Bool {
        switch kind {
        case .float, .complex, .quantized: true
        case .integer: blockBytes == 1
        case .boolean: false
        }
    }
}
