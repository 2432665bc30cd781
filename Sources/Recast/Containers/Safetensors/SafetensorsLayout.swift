/// Where everything goes in the safetensors files to be written.
struct SafetensorsLayout {
    var metadata: [(key: String, value: String)]
    var tensors: [TypedTensor]

    /// One `model.safetensors`, or shards of at most `maximumShardSize` bytes of tensors with an index.
    func lay(maximumShardSize: Int?, into plan: inout Plan) throws(RecastError) {
        let groups = tensors.shards(of: maximumShardSize, byteCount: \.byteCount)
        var members: [JSON.Object.Member] = []
        for (index, group) in groups.enumerated() {
            let number = { GGUFSplitName.digits($0) }
            let name =
                groups.count > 1
                ? "model-\(number(index + 1))-of-\(number(groups.count)).safetensors" : "model.safetensors"
            try lay(group, name: name, into: &plan)
            let names = group.flatMap { $0.storedParts.map(\.name) }.unique
            members += names.map { JSON.Object.Member(key: $0, value: .string(name)) }
        }
        guard groups.count > 1 else { return }
        members.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let index: JSON = [
            "metadata": [
                "total_parameters": .int(tensors.reduce(0) { $0 + $1.tensor.elementCount }),
                "total_size": .int(tensors.reduce(0) { $0 + $1.byteCount }),
            ],
            "weight_map": .object(JSON.Object(uniqueMembers: members)),
        ]
        plan.outputs.append(
            OutputFile(name: WeightIndex.fileName, bytes: index.serialized(.indented) + [UInt8(ascii: "\n")]))
    }

    /// One file, its tensors in the order of the reference implementation: widest type first, then by name.
    private func lay(_ tensors: [TypedTensor], name: String, into plan: inout Plan) throws(RecastError) {
        // A stack is laid out once, by the first of its tensors.
        let parts = tensors.filter { ($0.stack?.index ?? 0) == 0 }.flatMap(\.storedParts)
        let sorted = parts.sorted { a, b in
            let (wide, narrow) = (a.dtype.bitsPerElement, b.dtype.bitsPerElement)
            return wide != narrow ? wide > narrow : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
        }
        var members: [JSON.Object.Member] = []
        if !metadata.isEmpty {
            let pairs = metadata.map { JSON.Object.Member(key: $0.key, value: .string($0.value)) }
            members.append(.init(key: "__metadata__", value: .object(JSON.Object(uniqueMembers: pairs))))
        }
        var end = 0
        var begins: [String: Int] = [:]
        for stored in sorted {
            guard !stored.dtype.isQuantized else {
                throw .unsupported("\(stored.name): safetensors has no type \(stored.dtype)")
            }
            let begin = end
            begins[stored.name] = begin
            end += stored.byteCount
            let entry: JSON = [
                "dtype": .string(stored.dtype.name), "shape": .array(stored.shape.map(JSON.int)),
                "data_offsets": [.int(begin), .int(end)],
            ]
            members.append(.init(key: stored.name, value: entry))
        }
        var json = JSON.object(JSON.Object(uniqueMembers: members)).serialized()
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: json.count.aligned(to: 8) - json.count))
        var header: [UInt8] = []
        header.append(littleEndian: UInt64(json.count))
        header += json

        let output = plan.outputs.count
        plan.outputs.append(
            OutputFile(name: name, byteCount: header.count + end, literals: [.init(offset: 0, bytes: header)]))
        let transfers = tensors.map { tensor in
            let places = zip(tensor.parts, tensor.storedParts).enumerated().map { part, names in
                let start = header.count + begins[names.1.name]! + (tensor.stack?.index ?? 0) * names.0.byteCount
                return Transfer.Place(part: part, output: output, offset: start)
            }
            return Transfer(tensor, places: places)
        }
        // In the order in which they lie in the file.
        plan.transfers += transfers.sorted { $0.targets.map(\.offset).min()! < $1.targets.map(\.offset).min()! }
    }
}
