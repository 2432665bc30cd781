/// Safetensors files as bytes, good and bad ones.
package enum SafetensorsBuilder {
    /// A file with this header and as many bytes of data.
    package static func file(_ header: [UInt8], data: [UInt8] = []) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.put(UInt64(header.count))
        return bytes + header + data
    }

    package static func file(_ header: String, dataByteCount: Int = 0) -> [UInt8] {
        file(Array(header.utf8), data: [UInt8](repeating: 0, count: dataByteCount))
    }

    /// A well-formed file with these tensors, one after the other.
    package static func file(_ tensors: [(name: String, dtype: String, shape: [Int], bytes: [UInt8])]) -> [UInt8] {
        var data: [UInt8] = []
        let entries = tensors.map { tensor in
            let begin = data.count
            data += tensor.bytes
            return #""\#(tensor.name)":{"dtype":"\#(tensor.dtype)","shape":\#(tensor.shape),"#
                + #""data_offsets":[\#(begin),\#(data.count)]}"#
        }
        return file(Array("{\(entries.joined(separator: ","))}".utf8), data: data)
    }
}
