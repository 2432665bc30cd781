/// Where everything goes in the GGUF files to be written: version 3, packed, padded to the alignment.
///
/// Source: Specs/gguf.md §a.1 and §a.4.
struct GGUFLayout {
    var metadata: GGUFMetadata
    var tensors: [TypedTensor]
    var alignment = 32

    /// One file, or as many as it takes to keep each one's tensors under `maximumShardSize` bytes.
    ///
    /// - Parameters:
    ///   - name: the destination's file name; files of a set are named after it.
    ///   - shardCounts: how many tensors go into each file, instead of a size.
    /// - Throws: `unsupported` for names and types that GGUF cannot hold.
    func lay(
        out name: String, maximumShardSize: Int?, shardCounts: [Int]? = nil, into plan: inout Plan
    ) throws(RecastError) {
        try check()
        let groups =
            shardCounts.map { tensors.shards(counts: $0) }
            ?? tensors.shards(of: maximumShardSize, byteCount: paddedByteCount)
        guard groups.count <= Int(UInt16.max) else {
            throw .unsupported("a set of \(groups.count) files; GGUF counts them in 16 bits")
        }
        plan.form = groups.count > 1 ? .fileSet : .file
        let stem = name.hasSuffix(".gguf") ? String(name.dropLast(5)) : name
        for (index, group) in groups.enumerated() {
            var metadata = index == 0 ? metadata : GGUFMetadata()
            if groups.count > 1 {
                metadata["split.no"] = .u16(UInt16(index))
                metadata["split.count"] = .u16(UInt16(groups.count))
                metadata["split.tensors.count"] = .i32(Int32(tensors.count))
                if index > 0, alignment != 32 { metadata["general.alignment"] = .u32(UInt32(alignment)) }
            }
            let header = header(metadata, group)
            let output = plan.outputs.count
            var offset = header.count
            for tensor in group {
                plan.transfers.append(Transfer(tensor, output: output, offset: offset))
                offset += paddedByteCount(tensor)
            }
            let fileName =
                groups.count > 1
                ? GGUFSplitName(stem: stem, index: index, count: groups.count).fileName : name
            plan.outputs.append(
                OutputFile(name: fileName, byteCount: offset, literals: [.init(offset: 0, bytes: header)]))
        }
    }

    private func check() throws(RecastError) {
        for tensor in tensors {
            let dtype = tensor.dtype
            guard tensor.name.utf8.count <= GGUFFile.maximumNameLength else {
                throw .unsupported("\(tensor.name): GGUF names have at most \(GGUFFile.maximumNameLength) bytes")
            }
            guard dtype.ggufNumber != nil else { throw .unsupported("\(tensor.name): GGUF has no type \(dtype)") }
            guard (1...4).contains(tensor.tensor.shape.count), tensor.tensor.shape.allSatisfy({ $0 > 0 }) else {
                throw .unsupported("\(tensor.name): GGUF cannot hold the shape \(tensor.tensor.shape)")
            }
            guard tensor.tensor.columnCount.isMultiple(of: dtype.blockElements) else {
                throw .unsupported(
                    "\(tensor.name): rows of \(tensor.tensor.columnCount) do not fill \(dtype) blocks of "
                        + "\(dtype.blockElements)")
            }
        }
    }

    private func paddedByteCount(_ tensor: TypedTensor) -> Int { tensor.byteCount.aligned(to: alignment) }

    // MARK: Bytes

    private func header(_ metadata: GGUFMetadata, _ tensors: [TypedTensor]) -> [UInt8] {
        var bytes = GGUFFile.magic
        bytes.append(littleEndian: UInt32(3))
        bytes.append(littleEndian: Int64(tensors.count))
        bytes.append(littleEndian: Int64(metadata.pairs.count))
        for pair in metadata.pairs {
            bytes.append(ggufText: pair.key)
            bytes.append(littleEndian: pair.value.typeNumber)
            bytes.append(pair.value)
        }
        var offset = 0
        for tensor in tensors {
            bytes.append(ggufText: tensor.name)
            bytes.append(littleEndian: UInt32(tensor.tensor.shape.count))
            for size in tensor.tensor.shape.reversed() { bytes.append(littleEndian: Int64(size)) }
            bytes.append(littleEndian: tensor.dtype.ggufNumber!)
            bytes.append(littleEndian: UInt64(offset))
            offset += paddedByteCount(tensor)
        }
        if !tensors.isEmpty {
            bytes.append(contentsOf: repeatElement(0, count: bytes.count.aligned(to: alignment) - bytes.count))
        }
        return bytes
    }
}

extension [UInt8] {
    fileprivate mutating func append(ggufText text: String) {
        append(littleEndian: UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    fileprivate mutating func append(_ value: GGUFValue) {
        switch value {
        case .u8(let value): append(value)
        case .i8(let value): append(littleEndian: value)
        case .u16(let value): append(littleEndian: value)
        case .i16(let value): append(littleEndian: value)
        case .u32(let value): append(littleEndian: value)
        case .i32(let value): append(littleEndian: value)
        case .f32(let value): append(littleEndian: value.bitPattern)
        case .bool(let value): append(value ? 1 : 0)
        case .string(let value): append(ggufText: value)
        case .u64(let value): append(littleEndian: value)
        case .i64(let value): append(littleEndian: value)
        case .f64(let value): append(littleEndian: value.bitPattern)
        case .array(let array):
            append(littleEndian: array.typeNumber)
            append(littleEndian: UInt64(array.count))
            append(array)
        }
    }

    private mutating func append(_ array: GGUFArray) {
        switch array {
        case .u8(let values): append(contentsOf: values)
        case .i8(let values): values.forEach { append(littleEndian: $0) }
        case .u16(let values): values.forEach { append(littleEndian: $0) }
        case .i16(let values): values.forEach { append(littleEndian: $0) }
        case .u32(let values): values.forEach { append(littleEndian: $0) }
        case .i32(let values): values.forEach { append(littleEndian: $0) }
        case .f32(let values): values.forEach { append(littleEndian: $0.bitPattern) }
        case .bool(let values): values.forEach { append($0 ? 1 : 0) }
        case .string(let values): values.forEach { append(ggufText: $0) }
        case .u64(let values): values.forEach { append(littleEndian: $0) }
        case .i64(let values): values.forEach { append(littleEndian: $0) }
        case .f64(let values): values.forEach { append(littleEndian: $0.bitPattern) }
        }
    }
}
