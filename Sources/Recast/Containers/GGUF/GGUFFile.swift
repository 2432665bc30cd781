/// One GGUF file, version 2 or 3: metadata, tensor descriptions, and where the data lies.
///
/// Source: Specs/gguf.md §a.1; what is refused follows §h.3.
package struct GGUFFile: Sendable {
    package static let magic: [UInt8] = Array("GGUF".utf8)
    static let maximumAlignment = 1 << 20
    static let maximumStringLength = 1 << 30
    static let maximumArrayByteCount = 1 << 30
    static let maximumKeyLength = 65_535
    static let maximumNameLength = 63

    package let path: String
    package let version: Int
    package let metadata: GGUFMetadata
    package let alignment: Int
    /// In the order of the file.
    package let tensors: [NamedTensor]
    /// Oddities that do not keep the file from being read.
    package let warnings: [String]

    package init(path: String, files: inout FileList) throws(RecastError) {
        try self.init(FileSource(path: path), files: &files)
    }

    package init(_ source: any ByteSource, files: inout FileList) throws(RecastError) {
        do throws(RecastError) { try self.init(whole: source, files: &files) } catch {
            // What is announced and not there was not fetched, in most cases.
            var error = error
            if Reader.endings.contains(where: error.message.contains) {
                error.message += "; \(Downloads.cutShort(source.name))"
            }
            throw error
        }
    }

    private init(whole source: any ByteSource, files: inout FileList) throws(RecastError) {
        let path = source.name
        let id = files.add(source)
        var reader = Reader(cursor: FileCursor(source))
        version = try reader.readPreamble()
        metadata = try reader.readMetadata()
        alignment = reader.alignment
        let descriptions = try reader.readDescriptions()
        let dataStart = try reader.dataStart(alignment: alignment, fileByteCount: source.byteCount)
        tensors = try reader.place(
            descriptions, from: dataStart, byteCount: source.byteCount - dataStart, alignment: alignment, in: id)
        warnings = reader.warnings.map { "\(path): \($0)" }
        self.path = path
    }

    /// Whether there is a file that begins as GGUF does.
    ///
    /// - Throws: `inputOutput` where it cannot be read.
    package static func recognizes(_ path: String) throws(RecastError) -> Bool {
        guard let source = try FileSource.ifPresent(path) else { return false }
        return try recognizes(source)
    }

    package static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        guard source.byteCount >= 4 else { return false }
        return try source.bytes(0..<4) == magic
    }
}

extension GGUFFile {
    private struct Description {
        var name: String
        var dtype: DType
        var shape: [Int]
        var byteCount: Int
        var offset: Int
        /// Where the description stands in the file, for messages.
        var place: Int
    }

    private struct Reader: ~Copyable {
        var cursor: FileCursor
        var tensorCount = 0
        var pairCount = 0
        var alignment = 32
        var warnings: [String] = []

        init(cursor: consuming FileCursor) { self.cursor = cursor }

        /// What messages say of a file that ends too early.
        static let endings = ["truncated: ", "past the end of the file", "fit into the file", " run past the "]

        // MARK: Preamble

        mutating func readPreamble() throws(RecastError) -> Int {
            guard try cursor.take(4, { Array($0) }) == GGUFFile.magic else {
                throw cursor.failure("not a GGUF file: the magic is missing", at: 0)
            }
            let version = try cursor.integer(UInt32.self)
            guard version & 0xFFFF != 0 || version == 0 else {
                throw cursor.failure("a big-endian GGUF file, which is not supported", at: 4)
            }
            guard version == 2 || version == 3 else {
                throw cursor.failure("GGUF version \(version); versions 2 and 3 are supported", at: 4)
            }
            tensorCount = try readCount(of: "tensors", minimumByteCount: 24)
            pairCount = try readCount(of: "metadata keys", minimumByteCount: 13)
            return Int(version)
        }

        /// A count that the rest of the file can hold.
        private mutating func readCount(of what: String, minimumByteCount: Int) throws(RecastError) -> Int {
            let place = cursor.offset
            let count = try cursor.integer(Int64.self)
            guard count >= 0, count <= Int64(cursor.remaining / minimumByteCount) else {
                throw cursor.failure("\(count) \(what) do not fit into the file", at: place)
            }
            return Int(count)
        }

        // MARK: Metadata

        mutating func readMetadata() throws(RecastError) -> GGUFMetadata {
            var metadata = GGUFMetadata()
            for _ in 0..<pairCount {
                let place = cursor.offset
                let key = try readText("key", limit: GGUFFile.maximumKeyLength)
                guard !key.isEmpty else { throw cursor.failure("empty metadata key", at: place) }
                guard !key.utf8.contains(0) else { throw cursor.failure("NUL in a metadata key", at: place) }
                guard metadata[key] == nil else { throw cursor.failure("duplicate metadata key \(key)", at: place) }
                let value = try readValue(of: key)
                metadata[key] = value
                if key == "general.alignment" { alignment = try checkedAlignment(value, at: place) }
            }
            return metadata
        }

        private mutating func readText(_ what: String, limit: Int) throws(RecastError) -> String {
            let place = cursor.offset
            let count = try cursor.integer(UInt64.self)
            guard count <= UInt64(cursor.remaining) else {
                throw cursor.failure("\(what) of \(count) bytes runs past the end of the file", at: place)
            }
            guard count <= UInt64(limit) else {
                throw cursor.failure("\(what) of \(count) bytes; the limit is \(limit)", at: place)
            }
            let text = try cursor.take(Int(count)) { String(validating: $0, as: UTF8.self) }
            guard let text else { throw cursor.failure("\(what) is not UTF-8", at: place) }
            return text
        }

        private mutating func readValue(of key: String) throws(RecastError) -> GGUFValue {
            let place = cursor.offset
            let type = try cursor.integer(Int32.self)
            switch type {
            case 0: return .u8(try cursor.integer())
            case 1: return .i8(try cursor.integer())
            case 2: return .u16(try cursor.integer())
            case 3: return .i16(try cursor.integer())
            case 4: return .u32(try cursor.integer())
            case 5: return .i32(try cursor.integer())
            case 6: return .f32(Float(bitPattern: try cursor.integer()))
            case 7: return .bool(try readBool(key))
            case 8: return .string(try readText("value of \(key)", limit: GGUFFile.maximumStringLength))
            case 9: return .array(try readArray(of: key))
            case 10: return .u64(try cursor.integer())
            case 11: return .i64(try cursor.integer())
            case 12: return .f64(Double(bitPattern: try cursor.integer()))
            default: throw cursor.failure("\(key): unknown value type \(type)", at: place)
            }
        }

        private mutating func readBool(_ key: String) throws(RecastError) -> Bool {
            let byte = try cursor.integer(UInt8.self)
            if byte > 1 { warnings.append("\(key): boolean stored as \(byte)") }
            return byte != 0
        }

        private mutating func readArray(of key: String) throws(RecastError) -> GGUFArray {
            let place = cursor.offset
            let type = try cursor.integer(Int32.self)
            let count = try cursor.integer(UInt64.self)
            let sizes: [Int32: Int] = [
                0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 8, 10: 8, 11: 8, 12: 8,
            ]
            guard let size = sizes[type] else {
                let problem = type == 9 ? "an array of arrays" : "an array of unknown type \(type)"
                throw cursor.failure("\(key): \(problem)", at: place)
            }
            guard count <= UInt64(cursor.remaining / size) else {
                throw cursor.failure("\(key): an array of \(count) elements runs past the end of the file", at: place)
            }
            guard count <= UInt64(GGUFFile.maximumArrayByteCount / size) else {
                throw cursor.failure(
                    "\(key): an array of \(count) elements; the limit is \(GGUFFile.maximumArrayByteCount) bytes",
                    at: place)
            }
            let n = Int(count)
            switch type {
            case 0: return .u8(try cursor.integers(n))
            case 1: return .i8(try cursor.integers(n))
            case 2: return .u16(try cursor.integers(n))
            case 3: return .i16(try cursor.integers(n))
            case 4: return .u32(try cursor.integers(n))
            case 5: return .i32(try cursor.integers(n))
            case 6: return .f32((try cursor.integers(n) as [UInt32]).map(Float.init(bitPattern:)))
            case 7:
                let bytes: [UInt8] = try cursor.integers(n)
                if let odd = bytes.first(where: { $0 > 1 }) { warnings.append("\(key): boolean stored as \(odd)") }
                return .bool(bytes.map { $0 != 0 })
            case 10: return .u64(try cursor.integers(n))
            case 11: return .i64(try cursor.integers(n))
            case 12: return .f64((try cursor.integers(n) as [UInt64]).map(Double.init(bitPattern:)))
            default:
                var texts: [String] = []
                texts.reserveCapacity(n)
                for index in 0..<n {
                    texts.append(try readText("\(key)[\(index)]", limit: GGUFFile.maximumStringLength))
                }
                return .string(texts)
            }
        }

        private func checkedAlignment(_ value: GGUFValue, at place: Int) throws(RecastError) -> Int {
            guard case .u32(let alignment) = value else {
                throw cursor.failure("general.alignment is not an unsigned 32-bit integer", at: place)
            }
            guard alignment >= 8, alignment.nonzeroBitCount == 1, Int(alignment) <= GGUFFile.maximumAlignment else {
                throw cursor.failure(
                    "general.alignment is \(alignment), not a power of two from 8 to \(GGUFFile.maximumAlignment)",
                    at: place)
            }
            return Int(alignment)
        }

        // MARK: Tensors

        mutating func readDescriptions() throws(RecastError) -> [Description] {
            var descriptions: [Description] = []
            var names = Set<ByteString>()
            for _ in 0..<tensorCount {
                let description = try readDescription()
                guard names.insert(ByteString(description.name)).inserted else {
                    throw cursor.failure("duplicate tensor name \(description.name)", at: description.place)
                }
                descriptions.append(description)
            }
            return descriptions
        }

        private mutating func readDescription() throws(RecastError) -> Description {
            let place = cursor.offset
            let name = try readText("tensor name", limit: GGUFFile.maximumNameLength)
            guard !name.isEmpty else { throw cursor.failure("empty tensor name", at: place) }
            guard !name.utf8.contains(0) else { throw cursor.failure("NUL in a tensor name", at: place) }
            let dimensionCount = try cursor.integer(UInt32.self)
            guard (1...4).contains(dimensionCount) else {
                throw cursor.failure("\(name): \(dimensionCount) dimensions; 1 to 4 are possible", at: place)
            }
            let sizes: [Int64] = try cursor.integers(Int(dimensionCount))
            guard sizes.allSatisfy({ $0 > 0 }) else {
                throw cursor.failure("\(name): dimensions \(sizes) are not positive", at: place)
            }
            let number = try cursor.integer(UInt32.self)
            let offset = try cursor.integer(UInt64.self)
            guard let dtype = DType(ggufNumber: number) else {
                throw cursor.failure("\(name): \(DType.unknownGGUFType(number))", at: place)
            }
            let shape = sizes.reversed().map(Int.init)
            guard shape[shape.count - 1].isMultiple(of: dtype.blockElements) else {
                throw cursor.failure(
                    "\(name): rows of \(shape[shape.count - 1]) do not fill \(dtype) blocks of \(dtype.blockElements)",
                    at: place)
            }
            guard let count = shape.product(), let byteCount = dtype.byteCount(of: count) else {
                throw cursor.failure("\(name): the size of \(shape) does not fit", at: place)
            }
            guard let offset = Int(exactly: offset) else {
                throw cursor.failure("\(name): data offset \(offset) does not fit", at: place)
            }
            return Description(
                name: name, dtype: dtype, shape: shape, byteCount: byteCount, offset: offset, place: place)
        }

        func dataStart(alignment: Int, fileByteCount: Int) throws(RecastError) -> Int {
            let start = tensorCount == 0 ? cursor.offset : cursor.offset.aligned(to: alignment)
            guard start <= fileByteCount else {
                throw cursor.failure("the data section would begin at byte \(start), past the end of the file")
            }
            return start
        }

        /// Checks where the tensors' data lies. Gaps and another order are unusual, overlaps are refused.
        mutating func place(
            _ descriptions: [Description], from start: Int, byteCount: Int, alignment: Int, in file: FileID
        ) throws(RecastError) -> [NamedTensor] {
            for description in descriptions {
                guard description.offset.isMultiple(of: alignment) else {
                    throw cursor.failure(
                        "\(description.name): data offset \(description.offset) is not a multiple of \(alignment)",
                        at: description.place)
                }
                guard let end = description.offset.adding(checked: description.byteCount), end <= byteCount else {
                    throw cursor.failure(
                        "\(description.name): \(description.byteCount) bytes at data offset \(description.offset) run "
                            + "past the \(byteCount) bytes of data", at: description.place)
                }
            }
            let sorted = descriptions.sorted { $0.offset < $1.offset }
            if let moved = zip(descriptions, sorted).first(where: { $0.name != $1.name }) {
                warnings.append("the data is in another order than its descriptions, beginning with \(moved.0.name)")
            }
            var end = 0
            for description in sorted {
                guard description.offset >= end else {
                    throw cursor.failure(
                        "\(description.name): data offset \(description.offset) overlaps another tensor",
                        at: description.place)
                }
                if description.offset > end.aligned(to: alignment) {
                    warnings.append("a gap of \(description.offset - end) bytes before \(description.name)")
                }
                end = description.offset + description.byteCount
            }
            // A file without tensors may end with or without its padding.
            let padding = descriptions.isEmpty ? start.aligned(to: alignment) - start : 0
            if byteCount > Swift.max(end.aligned(to: alignment), padding) {
                warnings.append("\(byteCount - end) bytes after the last tensor belong to none")
            }
            return descriptions.map {
                NamedTensor($0.name, .stored($0.dtype, $0.shape, in: file, at: start + $0.offset))
            }
        }
    }
}
