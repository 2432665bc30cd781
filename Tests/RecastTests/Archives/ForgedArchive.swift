import TestSupport

@testable import Recast

/// An archive whose header and index can be changed, and are then written as if they were right.
struct ForgedArchive {
    /// The table of contents.
    var index: JSON
    /// The rest of `__metadata__`.
    var metadata: JSON.Object
    /// The tensors of the header.
    var tensors: JSON.Object
    /// All behind the header.
    var data: [UInt8]
    /// Whether the index gets the checksum it needs.
    var sealsIndex = true

    init(_ bytes: [UInt8]) throws {
        let length = Int(bytes.withUnsafeBytes { $0.integer(at: 0, as: UInt64.self) })
        let header = try JSON(parsing: Array(bytes[8..<8 + length]), file: "header")
        metadata = header["__metadata__"]!.object!
        index = try JSON(parsing: Array(metadata["index"]!.string!.utf8), file: "index")
        tensors = header.object!
        tensors["__metadata__"] = nil
        data = Array(bytes[(8 + length)...])
    }

    var bytes: [UInt8] {
        let text = index.serialized()
        var checksum = CRC32()
        text.withUnsafeBytes { checksum.update($0) }
        var metadata = metadata
        metadata["index"] = .string(String(decoding: text, as: UTF8.self))
        if sealsIndex { metadata["index_crc32"] = .string(checksum.value.hexadecimal) }
        var header = JSON.Object()
        header["__metadata__"] = .object(metadata)
        for member in tensors.members { header[member.key] = member.value }
        return SafetensorsBuilder.file(JSON.object(header).serialized(), data: data)
    }

    /// The bytes of an entry, within the data.
    func range(of entry: String) -> Range<Int> {
        let offsets = tensors[entry]!["data_offsets"]!.array!.map { $0.int! }
        return offsets[0]..<offsets[1]
    }

    /// Changes the member of the index that a path of keys and numbers leads to; nil takes it away.
    mutating func set(_ path: [any Sendable], _ value: JSON?) { index = Self.changed(index, path[...], value)! }

    private static func changed(_ json: JSON, _ path: ArraySlice<any Sendable>, _ value: JSON?) -> JSON? {
        guard let step = path.first else { return value }
        if let key = step as? String {
            var object = json.object ?? JSON.Object()
            object[key] = changed(object[key] ?? .null, path.dropFirst(), value)
            return .object(object)
        }
        var array = json.array!
        let index = step as! Int
        if let element = changed(array[index], path.dropFirst(), value) {
            array[index] = element
        } else {
            array.remove(at: index)
        }
        return .array(array)
    }
}
