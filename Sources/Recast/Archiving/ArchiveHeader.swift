/// The safetensors header of an archive.
struct ArchiveHeader {
    var index: ArchiveIndex
    var tensors: [Tensor]

    /// A tensor of the archive: bytes that stand for a piece, or the piece itself under its own type.
    struct Tensor {
        var name: String
        var dtype: DType
        var shape: [Int]
        /// In the archive.
        var bytes: Range<Int>
    }

    /// - Parameter start: where the tensors' bytes begin in the archive.
    private func json(from start: Int) -> [UInt8] {
        let text = index.json.serialized()
        var checksum = CRC32()
        text.withUnsafeBytes { checksum.update($0) }
        let metadata: JSON = [
            "format": .string(ArchiveIndex.format), "version": .string(ArchiveIndex.version),
            "index_crc32": .string(checksum.value.hexadecimal), "index": .string(String(decoding: text, as: UTF8.self)),
        ]
        var members = [JSON.Object.Member(key: "__metadata__", value: metadata)]
        for tensor in tensors {
            let entry: JSON = [
                "dtype": .string(tensor.dtype.name), "shape": .array(tensor.shape.map(JSON.int)),
                "data_offsets": [.int(tensor.bytes.lowerBound - start), .int(tensor.bytes.upperBound - start)],
            ]
            members.append(.init(key: tensor.name, value: entry))
        }
        return JSON.object(JSON.Object(uniqueMembers: members)).serialized()
    }

    /// The length and the header, filled with spaces up to `byteCount`.
    func bytes(filling byteCount: Int) -> [UInt8] {
        let json = json(from: byteCount)
        precondition(json.count <= byteCount - 8)
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(byteCount - 8))
        bytes += json
        return bytes + [UInt8](repeating: UInt8(ascii: " "), count: byteCount - bytes.count)
    }

    /// The bytes that suffice for it.
    var byteCount: Int { (8 + json(from: 0).count).aligned(to: PlaneLayout.alignment) }
}

extension ArchiveHeader.Tensor {
    init(_ piece: Archiving.Piece, _ codec: ArchiveIndex.Codec, _ bytes: Range<Int>) {
        name = piece.entry ?? ""
        self.bytes = bytes
        if codec == .raw, let dtype = piece.dtype, let shape = piece.shape, !dtype.isQuantized {
            (self.dtype, self.shape) = (dtype, shape)
        } else {
            (dtype, shape) = (.u8, [bytes.count])
        }
    }

    init(checksums bytes: Range<Int>) {
        self.init(name: Archiving.checksumsName, dtype: .u32, shape: [bytes.count / 4], bytes: bytes)
    }
}

extension Archiving {
    static let checksumsName = "checksums"

    /// The table of contents, with what became of each piece.
    func index(_ outcomes: [(codec: ArchiveIndex.Codec, checksum: UInt32)]) -> ArchiveIndex {
        let entries = files.map { file in
            ArchiveIndex.File(
                name: file.name, byteCount: file.source.byteCount,
                pieces: file.pieces.map { index in
                    let piece = pieces[index]
                    guard let entry = piece.entry else { return .init(byteCount: piece.byteCount, content: .zeros) }
                    return .init(
                        byteCount: piece.byteCount,
                        content: .stored(
                            .init(
                                name: entry, codec: outcomes[index].codec, frameByteCount: piece.frameByteCount,
                                checksum: outcomes[index].checksum, dtype: piece.dtype?.name, shape: piece.shape)))
                })
        }
        return ArchiveIndex(name: name, main: main, checksums: Self.checksumsName, files: entries)
    }

    /// More than an archive can take, whatever becomes of the pieces.
    var maximumByteCount: Int {
        pieces.reduce(1 << 20) { sum, piece in
            sum + piece.byteCount + 16 * piece.frameCount + piece.byteCount / 64 + 1024
        }
    }

    /// Room for the header: as if each piece had the longest of the descriptions that it can have.
    var headerByteCount: Int {
        let end = maximumByteCount
        let tensors = pieces.filter { $0.entry != nil }.map { piece -> ArchiveHeader.Tensor in
            let raw = ArchiveHeader.Tensor(piece, .raw, end..<end)
            let packed = ArchiveHeader.Tensor(name: raw.name, dtype: .u8, shape: [end], bytes: end..<end)
            return raw.textCount > packed.textCount ? raw : packed
        }
        let outcomes = pieces.map { _ in (codec: ArchiveIndex.Codec.planes, checksum: UInt32.max) }
        let checksums = ArchiveHeader.Tensor(name: Self.checksumsName, dtype: .u32, shape: [end], bytes: end..<end)
        return ArchiveHeader(index: index(outcomes), tensors: tensors + [checksums]).byteCount
    }
}

extension ArchiveHeader.Tensor {
    /// The characters that depend on how a piece is stored.
    fileprivate var textCount: Int { dtype.name.utf8.count + shape.reduce(0) { $0 + String($1).utf8.count + 1 } }
}
