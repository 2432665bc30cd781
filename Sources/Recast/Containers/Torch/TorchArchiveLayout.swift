/// The layout of a file that `torch.load` reads, settled before the numbers of its tensors are known.
///
/// Source: torch 2.13, `torch/serialization.py`; Specs/megatron.md §4.
struct TorchArchiveLayout: Sendable {
    /// Where the tensors go, in the order they were added.
    private(set) var offsets: [Int] = []
    private(set) var zip = ZipLayout()
    private let folder: String
    private var tensors: [(dtype: DType, shape: [Int])] = []

    /// - Parameter folder: of the members; the file's name without its suffix.
    init(folder: String) { self.folder = folder }

    /// A tensor with a storage of its own; its value in the pickle.
    ///
    /// - Throws: `unsupported` for types that torch's storages do not have.
    mutating func add(_ dtype: DType, _ shape: [Int]) throws(RecastError) -> PickledValue {
        let tensor = try Self.tensor(dtype, shape, key: tensors.count)
        tensors.append((dtype, shape))
        return tensor
    }

    /// - Parameter root: what the file holds.
    mutating func finish(_ root: PickledValue) {
        zip.add("\(folder)/data.pkl", root.bytes)
        zip.add("\(folder)/byteorder", Array("little".utf8))
        for (key, tensor) in tensors.enumerated() {
            let byteCount = tensor.shape.reduce(1, *) * tensor.dtype.blockBytes
            offsets.append(zip.add("\(folder)/data/\(key)", byteCount: byteCount))
        }
        zip.add("\(folder)/version", Array("3\n".utf8))
        zip.finish()
    }

    private static func tensor(_ dtype: DType, _ shape: [Int], key: Int) throws(RecastError) -> PickledValue {
        guard let storage = TorchArchive.storageTypes.first(where: { $0.value == dtype })?.key else {
            throw .unsupported("torch's storages have no type for \(dtype)")
        }
        let count = shape.reduce(1, *)
        // The stride of an axis is the size of all behind it.
        let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
        return .call(
            .global("torch._utils", "_rebuild_tensor_v2"),
            [
                .persistent(
                    .tuple([
                        .string("storage"), .global("torch", storage), .string(String(key)), .string("cpu"),
                        .int(count),
                    ])),
                .int(0), .ints(shape), .ints(strides), .bool(false),
                .call(.global("collections", "OrderedDict"), []),
            ])
    }
}

extension OutputFile {
    /// Puts an archive into the file, from `offset` on.
    mutating func add(_ zip: ZipLayout, at offset: Int) {
        literals += zip.literals.map { Literal(offset: offset + $0.offset, bytes: $0.bytes) }
        checksums += zip.checksums.map { checksum in
            Checksum(
                range: offset + checksum.range.lowerBound..<offset + checksum.range.upperBound,
                places: checksum.places.map { offset + $0 })
        }
        byteCount = max(byteCount, offset + zip.byteCount)
    }
}
