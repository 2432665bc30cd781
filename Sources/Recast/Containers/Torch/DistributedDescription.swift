/// The `.metadata` of a distributed checkpoint: which tensors there are, in which pieces, and where those lie.
///
/// Source: torch 2.13, `torch/distributed/checkpoint/metadata.py`; Specs/megatron.md §5.2.
struct DistributedDescription {
    private var tensors: [Tensor] = []
    private var numbers: [String: Int] = [:]
    private var objects: [(name: String, place: Place)] = []

    /// Where a piece lies.
    struct Place {
        /// The index of the plan's output.
        var output: Int
        var file: String
        var offset: Int
        var byteCount: Int
    }

    private struct Tensor {
        var name: String
        var dtype: DType
        var shape: [Int]
        var pieces: [Piece] = []
    }

    private struct Piece {
        var offsets: [Int]
        var sizes: [Int]
        var place: Place
    }

    /// A piece of a tensor.
    ///
    /// - Throws: `unsupported` where another piece of it has another type.
    mutating func add(
        _ name: String, _ dtype: DType, shape: [Int], offsets: [Int], sizes: [Int], _ place: Place
    ) throws(RecastError) {
        let number = numbers[name] ?? tensors.count
        if number == tensors.count {
            numbers[name] = number
            tensors.append(Tensor(name: name, dtype: dtype, shape: shape))
        }
        guard tensors[number].dtype == dtype else {
            throw .unsupported(
                "\(name) would be \(tensors[number].dtype) in one layer and \(dtype) in another; --dtype gives all one type"
            )
        }
        tensors[number].pieces.append(Piece(offsets: offsets, sizes: sizes, place: place))
    }

    /// Something that is no tensor.
    mutating func add(object name: String, _ place: Place) { objects.append((name, place)) }

    // MARK: As a pickle

    private static let module = "torch.distributed.checkpoint.metadata"

    private static func object(_ name: String, in module: String = module, _ state: PickledValue) -> PickledValue {
        .object(.global(module, name), state: state)
    }

    private static func size(_ values: [Int]) -> PickledValue { .call(.global("torch", "Size"), [.ints(values)]) }

    var pickle: PickledValue {
        var descriptions: [PickledValue.Entry] = []
        var places: [PickledValue.Entry] = []
        for tensor in tensors {
            descriptions.append(.init(key: .string(tensor.name), value: Self.description(of: tensor)))
            for piece in tensor.pieces {
                places.append(Self.entry(tensor.name, [("offset", Self.size(piece.offsets))], piece.place))
            }
        }
        for object in objects {
            descriptions.append(
                .init(key: .string(object.name), value: Self.object("BytesStorageMetadata", .emptyDictionary)))
            places.append(Self.entry(object.name, [], object.place))
        }
        return Self.object(
            "Metadata",
            .dictionary([
                ("state_dict_metadata", .dictionary(descriptions)), ("planner_data", .none),
                ("storage_data", .dictionary(places)), ("storage_meta", .none), ("version", .string("1.0.0")),
            ]))
    }

    private static func description(of tensor: Tensor) -> PickledValue {
        let properties = PickledValue.tuple([
            .global("torch", TorchArchive.knownTypeName(tensor.dtype)),
            .call(.global("torch.serialization", "_get_layout"), [.string("torch.strided")]), .bool(false),
            .call(.global(module, "_MEM_FORMAT_ENCODING"), [.int(0)]), .bool(false),
        ])
        let chunks = tensor.pieces.map { piece in
            object(
                "ChunkStorageMetadata",
                .dictionary([("offsets", size(piece.offsets)), ("sizes", size(piece.sizes))]))
        }
        return object(
            "TensorStorageMetadata",
            .dictionary([
                ("properties", object("TensorProperties", properties)), ("size", size(tensor.shape)),
                ("chunks", .list(chunks)),
            ]))
    }

    /// Where something lies, by the index that names it.
    private static func entry(
        _ name: String, _ more: [(String, PickledValue)], _ place: Place
    ) -> PickledValue.Entry {
        PickledValue.Entry(
            key: object("MetadataIndex", .dictionary([("fqn", .string(name)), ("index", .none)] + more)),
            value: object(
                "_StorageInfo", in: "torch.distributed.checkpoint.filesystem",
                .dictionary([
                    ("relative_path", .string(place.file)), ("offset", .int(place.offset)),
                    ("length", .int(place.byteCount)),
                ])))
    }
}
