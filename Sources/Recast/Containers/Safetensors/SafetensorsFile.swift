/// One safetensors file: 8 bytes of header length, a JSON header, and the tensors' bytes without gaps.
///
/// Source: the format's README, and the checks of its reference implementation (version 0.8).
package struct SafetensorsFile: Sendable {
    /// The reference implementation's limit for a header.
    package static let maximumHeaderLength = 100_000_000

    /// `__metadata__`, in its order.
    package let metadata: [(key: String, value: String)]
    /// In the order of their data.
    package let tensors: [NamedTensor]

    /// Reads the header of a file and adds the file to `files`.
    ///
    /// - Throws: `malformedInput` with the byte offset, for anything the format forbids: a header that is too long or
    ///   no JSON object, unknown types, offsets that overflow, overlap, leave holes or do not fit the shape.
    package init(path: String, files: inout FileList) throws(RecastError) {
        try self.init(FileSource(path: path), files: &files)
    }

    package init(_ source: any ByteSource, files: inout FileList) throws(RecastError) {
        let path = source.name
        let id = files.add(source)
        guard source.byteCount >= 8 else {
            throw .malformed(
                path, at: 0,
                "too short for a safetensors header: \(source.byteCount) bytes; \(Downloads.cutShort(path))")
        }
        let length = try source.bytes(0..<8).withBytes { $0.integer(at: 0, as: UInt64.self) }
        guard length <= UInt64(Self.maximumHeaderLength) else {
            throw .malformed(path, at: 0, "header of \(length) bytes; the limit is \(Self.maximumHeaderLength)")
        }
        guard Int(length) <= source.byteCount - 8 else {
            throw .malformed(
                path, at: 0, "header of \(length) bytes in a file of \(source.byteCount); \(Downloads.cutShort(path))")
        }
        let dataStart = 8 + Int(length)
        let entries = try source.bytes(8..<dataStart).withBytes { (buffer) throws(RecastError) in
            var header = Header(file: path, dataStart: dataStart, dataByteCount: source.byteCount - dataStart)
            try header.read(buffer.bindMemory(to: UInt8.self))
            return header
        }
        metadata = entries.metadata
        tensors = entries.entries.map { entry in
            NamedTensor(entry.name, .stored(entry.dtype, entry.shape, in: id, at: dataStart + entry.begin))
        }
    }

    /// Whether the file looks like safetensors: a plausible header length and a `{`.
    package static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        guard source.byteCount >= 10 else { return false }
        let bytes = try source.bytes(0..<9)
        let length = bytes.withUnsafeBytes { $0.integer(at: 0, as: UInt64.self) }
        return bytes[8] == UInt8(ascii: "{") && length <= UInt64(source.byteCount)
    }
}

// MARK: The header

private struct Header {
    struct Entry {
        var name: String
        var dtype: DType
        var shape: [Int]
        var begin: Int
        var end: Int
        /// Where the entry stands in the file, for messages.
        var place: Int
    }

    let file: String
    /// Where the data begins in the file.
    let dataStart: Int
    let dataByteCount: Int
    var metadata: [(key: String, value: String)] = []
    var entries: [Entry] = []

    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) throws(RecastError) {
        var reader = JSONReader(bytes, file: file, base: 8)
        guard bytes.first == UInt8(ascii: "{") else { throw reader.failure("the header is not a JSON object") }
        try reader.readObject { (reader, key) throws(RecastError) in
            if key == "__metadata__", try reader.peek() == UInt8(ascii: "n") {
                // The reference implementation takes null for no metadata.
                guard try reader.readValue().isNull else { throw reader.failure("expected null") }
            } else if key == "__metadata__" {
                try reader.readObject { (reader, key) throws(RecastError) in
                    metadata.append((key, try reader.readString()))
                }
            } else {
                entries.append(try readEntry(key, &reader))
            }
        }
        try reader.finish()
        try checkPacking()
    }

    private func readEntry(_ name: String, _ reader: inout JSONReader) throws(RecastError) -> Entry {
        let place = 8 + reader.offset
        var dtype: DType?
        var shape: [Int]?
        var offsets: [Int] = []
        try reader.readObject { (reader, key) throws(RecastError) in
            switch key {
            case "dtype":
                let spelling = try reader.readString()
                dtype = DType(named: spelling)
                guard let dtype, !dtype.isQuantized else {
                    throw .malformed(file, at: place, "\(name): unknown dtype \"\(spelling)\"")
                }
            case "shape":
                var sizes: [Int] = []
                try reader.readArray { (reader) throws(RecastError) in sizes.append(try reader.readNatural()) }
                shape = sizes
            case "data_offsets":
                try reader.readArray { (reader) throws(RecastError) in offsets.append(try reader.readNatural()) }
            default: throw .malformed(file, at: place, "\(name): unknown key \"\(key)\"")
            }
        }
        guard let dtype, let shape, offsets.count == 2 else {
            throw .malformed(file, at: place, "\(name): dtype, shape and two data_offsets are needed")
        }
        let (begin, end) = (offsets[0], offsets[1])
        guard begin <= end, end <= dataByteCount else {
            throw .malformed(
                file, at: place,
                "\(name): data_offsets [\(begin), \(end)] outside the \(dataByteCount) bytes of data"
                    + (begin <= end ? "; \(Downloads.cutShort(file))" : ""))
        }
        // A zero hides how large the other dimensions are, but a row alone must have a size, too.
        guard let count = shape.product(), let byteCount = dtype.byteCount(of: count),
            shape.lazy.map({ Swift.max(1, $0) }).product()?.multiplied(checked: dtype.blockBytes) != nil
        else { throw .malformed(file, at: place, "\(name): shape \(shape) of \(dtype) has no size that fits") }
        // The format counts bits only; here a row is whole bytes.
        guard shape.isEmpty || dtype.byteCount(of: shape[shape.count - 1]) != nil else {
            throw RecastError(
                .unsupported,
                "\(name): rows of \(shape[shape.count - 1]) do not fill \(dtype) blocks of \(dtype.blockElements)",
                trail: [file])
        }
        guard byteCount == end - begin else {
            throw .malformed(
                file, at: place,
                "\(name): \(dtype) \(shape) takes \(byteCount) bytes, data_offsets give \(end - begin)")
        }
        return Entry(name: name, dtype: dtype, shape: shape, begin: begin, end: end, place: place)
    }

    /// The tensors must fill the data from first byte to last, without overlap.
    private mutating func checkPacking() throws(RecastError) {
        entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
        var end = 0
        for entry in entries {
            guard entry.begin == end else {
                let problem = entry.begin < end ? "overlaps the tensor before it" : "leaves a hole before it"
                throw .malformed(
                    file, at: entry.place, "\(entry.name): data_offsets [\(entry.begin), \(entry.end)] \(problem)")
            }
            end = entry.end
        }
        guard end == dataByteCount else {
            throw .malformed(
                file, at: dataStart + end, "\(dataByteCount - end) bytes after the last tensor belong to none")
        }
    }
}
