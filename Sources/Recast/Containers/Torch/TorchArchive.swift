/// What `torch.save` writes: a zip of a pickle that describes values, and the bytes of the tensors among them.
///
/// Source: torch 2.13, `torch/serialization.py` and `torch/_utils.py`; Specs/megatron.md §4.
struct TorchArchive: Sendable {
    let pickle: Pickle
    /// The storages by their keys.
    private let storages: [String: ZipDirectory.Member]
    private let file: FileID
    let fileName: String
    /// The bytes of the whole archive.
    let byteCount: Int

    /// A pickle of the layout of a checkpoint of millions of pieces.
    private static let maximumPickleByteCount = 1 << 30
    /// Dimensions of a tensor of torch (`MAX_DIMS` and more).
    private static let maximumDimensionCount = 64

    static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        try ZipDirectory.recognizes(source)
    }

    /// What the file says of the bytes of its storages.
    var checksums: [SourceChecksum] {
        storages.values.filter { $0.byteCount > 0 }
            .map { SourceChecksum(file: file, bytes: $0.offset..<$0.end, value: $0.checksum) }
    }

    /// - Parameters:
    ///   - file: by which tensors refer to the source.
    ///   - range: where the archive lies in it; nil for all of it.
    /// - Throws: `malformedInput` for a zip or a pickle that is none, `unsupported` for big-endian numbers.
    init(_ source: any ByteSource, as file: FileID, in range: Range<Int>? = nil) throws(RecastError) {
        fileName = source.name
        self.file = file
        byteCount = range?.count ?? source.byteCount
        let zip = try ZipDirectory(source, in: range)
        guard let member = zip.members.first(where: { $0.name.hasSuffix("/data.pkl") }) else {
            throw .malformed(source.name, "a zip without data.pkl: not written by torch.save")
        }
        // What stands before the names of all members: `model_optim_rng/`, `archive/`.
        let prefix = String(member.name.dropLast("data.pkl".count))
        let dataPrefix = Array((prefix + "data/").utf8)
        storages = Dictionary(
            zip.members.lazy.filter { $0.name.utf8.starts(with: dataPrefix) }
                .map { (String(decoding: $0.name.utf8.dropFirst(dataPrefix.count), as: UTF8.self), $0) },
            uniquingKeysWith: { $1 })
        if let order = zip[prefix + "byteorder"], order.byteCount < 16 {
            let text = String(decoding: try source.bytes(order.offset..<order.end), as: UTF8.self)
            guard text == "little" else {
                throw RecastError(.unsupported, "numbers of byte order \"\(text)\"", trail: [source.name])
            }
        }
        guard member.byteCount <= Self.maximumPickleByteCount else {
            throw .malformed(source.name, at: member.offset, "a pickle of \(member.byteCount) bytes")
        }
        let bytes = try source.bytes(member.offset..<member.end)
        guard SourceChecksum(file: file, bytes: member.offset..<member.end, value: member.checksum).agrees(with: bytes)
        else { throw .malformed(source.name, at: member.offset, "data.pkl is damaged, by the file's own CRC-32 of it") }
        pickle = try bytes.withBytes { (bytes) throws(RecastError) in
            try PickleMachine.read(bytes, file: source.name, base: member.offset)
        }
    }

    /// The tensors of a model by name, and the names of what is none.
    ///
    /// - Throws: `malformedInput` where the file holds no dictionary, or a name twice; `unsupported` for what is no model's
    ///   dictionary, or only one rank's part of it.
    func stateDictionary() throws(RecastError) -> (tensors: [NamedTensor], others: [String]) {
        guard let (items, outside) = modelItems else {
            throw refusalOfRoot()
        }
        if let refusal = refusal(of: items) { throw refusal }
        var tensors: [NamedTensor] = []
        var others = outside
        var names: Set<ByteString> = []
        var budget = StorageBudget(byteCount: byteCount)
        for (key, value) in items {
            guard let name = pickle.string(key) else { throw failure("a name that is no string") }
            guard names.insert(ByteString(name)).inserted else { throw failure("\(name) is there twice") }
            let tensor: LazyTensor?
            do throws(RecastError) {
                tensor = try self.tensor(value, budget: &budget)
            } catch { throw error.within(name) }
            if let tensor { tensors.append(NamedTensor(name, tensor)) } else { others.append(name) }
        }
        return (tensors, others)
    }

    /// The entries of the model's dictionary: the root's own, or those of the dictionary that trainers put it in, with the
    /// names of what stands beside that.
    private var modelItems: (items: [(Pickle.Value, Pickle.Value)], outside: [String])? {
        guard let items = pickle.items(pickle.root) else { return nil }
        let hasTensors = items.contains { pickle.object($0.1) != nil && pickle.items($0.1) == nil }
        guard !hasTensors else { return (items, []) }
        for key in Self.nests {
            guard let inner = items.first(where: { pickle.string($0.0) == key })?.1, let own = pickle.items(inner),
                own.contains(where: { pickle.object($0.1) != nil })
            else { continue }
            return (own, items.compactMap { pickle.string($0.0) }.filter { $0 != key })
        }
        return (items, [])
    }

    private static let nests = ["state_dict", "model", "module", "model_state_dict"]

    // MARK: Tensors

    // swift-format-ignore
    static let storageTypes: [String: DType] = [
        "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16,
        "LongStorage":   .i64, "IntStorage":   .i32, "ShortStorage": .i16, "CharStorage":    .i8,
        "ByteStorage":   .u8,  "BoolStorage":  .bool,
    ]

    // swift-format-ignore
    private static let types: [String: DType] = [
        "float64": .f64, "float32": .f32, "float16": .f16, "bfloat16": .bf16, "double": .f64, "float": .f32, "half": .f16,
        "int64":   .i64, "int32":   .i32, "int16":   .i16, "int8":     .i8,   "uint8":  .u8,  "bool":  .bool,
        "uint16":  .u16, "uint32":  .u32, "uint64":  .u64,
        "float8_e4m3fn": .f8e4m3, "float8_e5m2": .f8e5m2, "float8_e8m0fnu": .f8e8m0,
    ]

    /// The name of a type in torch, without `torch.`: of several, the one that states its width.
    static func typeName(_ dtype: DType) -> String? {
        types.filter { $0.value == dtype }.map(\.key).max { ($0.count, $0) < ($1.count, $1) }
    }

    /// The same for a type that is known to have one.
    static func knownTypeName(_ dtype: DType) -> String {
        guard let name = typeName(dtype) else { preconditionFailure("torch has no \(dtype)") }
        return name
    }

    /// The type that `torch.bfloat16` and the like name.
    static func dtype(_ name: String?) -> DType? {
        guard let name, name.hasPrefix("torch.") else { return nil }
        return types[String(name.dropFirst("torch.".count))]
    }

    /// The tensor that a value describes; nil where it describes none.
    ///
    /// - Throws: `malformedInput` for a tensor that lies outside its storage, or a storage that lies outside the file;
    ///   `unsupported` for one that asks for more than the budget has.
    func tensor(_ value: Pickle.Value, budget: inout StorageBudget) throws(RecastError) -> LazyTensor? {
        guard let object = pickle.object(value), let arguments = pickle.tuple(object.arguments) else { return nil }
        switch pickle.typeName(object.type) {
        case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
            guard let value = arguments.first else { return nil }
            return try tensor(value, budget: &budget)
        case "torch._tensor._rebuild_from_type_v2":
            // A subclass: how it is rebuilt, its class, and the arguments.
            guard arguments.count >= 3, let inner = pickle.tuple(arguments[2]) else { return nil }
            return try rebuilt(pickle.typeName(arguments[0]), inner, budget: &budget)
        case let name: return try rebuilt(name, arguments, budget: &budget)
        }
    }

    private func rebuilt(
        _ function: String?, _ arguments: [Pickle.Value], budget: inout StorageBudget
    ) throws(RecastError) -> LazyTensor? {
        let names = ["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"].map { "torch._utils." + $0 }
        guard let function, names.contains(function) else { return nil }
        guard arguments.count >= 4, let storage = pickle.persistent(arguments[0]).flatMap({ pickle.tuple($0) }),
            storage.count >= 5, pickle.string(storage[0]) == "storage", let key = pickle.string(storage[2]),
            let offset = pickle.int(arguments[1]), let shape = sizes(arguments[2]), let strides = sizes(arguments[3]),
            shape.count == strides.count, offset >= 0
        else { throw failure("a tensor whose description is not that of a tensor") }
        var dtype: DType?
        if function.hasSuffix("v3"), arguments.count >= 7 {
            dtype = Self.dtype(pickle.typeName(arguments[6]))
        } else {
            let name = pickle.typeName(storage[1])?.split(separator: ".").last.map(String.init) ?? ""
            dtype = Self.storageTypes[name]
        }
        guard let dtype else {
            throw RecastError(
                .unsupported, "tensors of \(pickle.typeName(storage[1]) ?? "an unknown class") cannot be read",
                trail: [fileName])
        }
        // A key may be long, and in many tensors.
        guard key.utf8.count <= ZipDirectory.maximumNameLength, let member = storages[key] else {
            throw failure("the storage \(key.prefix(100)) is missing: the file is not complete")
        }
        return try LazyTensor.strided(
            dtype, shape, strides, offset: offset, in: file, at: member.offset, byteCount: member.byteCount,
            name: "\(fileName): storage \(key)", budget: &budget)
    }

    /// Sizes of a tensor, which are not negative.
    private func sizes(_ value: Pickle.Value) -> [Int]? {
        guard let values = pickle.elements(value), values.count <= Self.maximumDimensionCount else { return nil }
        let sizes = values.compactMap { pickle.int($0) }
        return sizes.count == values.count && sizes.allSatisfy { $0 >= 0 } ? sizes : nil
    }

    private func failure(_ message: String) -> RecastError { .malformed(fileName, message) }
}
