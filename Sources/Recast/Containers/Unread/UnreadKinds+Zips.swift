// Zips that `torch.save` did not write, by the names of their members.
extension UnreadKinds {
    /// What a zip is, where it is none of `torch.save`.
    ///
    /// - Returns: nil for what `torch.save` writes, and for what is no whole zip, which its reader explains.
    /// - Throws: `inputOutput` where it cannot be read.
    static func zipRefusal(of source: any ByteSource) throws(RecastError) -> RecastError? {
        guard let names = try zipNames(source), !names.isEmpty else { return nil }
        func refusal(_ what: String, _ advice: String) -> RecastError {
            RecastError(.unsupported, "is \(what), which is not read: \(advice)", trail: [source.name])
        }
        let unzip = "unpack it (unzip \(Path.name(source.name))), and name the folder"
        if let model = names.first(where: { $0.hasSuffix(".gguf") }) {
            return refusal(
                "a zip with the GGUF model \(model), as a llamafile is",
                "take the model out (unzip \(Path.name(source.name)) '*.gguf'), and name that")
        }
        let hasPickle = names.contains { $0.hasSuffix("/data.pkl") }
        if hasPickle, names.contains(where: { $0.hasSuffix("/constants.pkl") || $0.contains("/code/__torch__") }) {
            return refusal(
                "a program of TorchScript",
                "save its weights with torch.save(model.state_dict(), FILE), where it was made")
        }
        if hasPickle { return nil }
        if names.contains(where: { $0.hasSuffix("archive_format") || $0.contains("serialized_exported_program") }) {
            return refusal(
                "a program exported by PyTorch (torch.export)",
                "save its weights with torch.save(model.state_dict(), FILE), where it was made")
        }
        if names.contains(where: { $0.hasSuffix("model.weights.h5") }) { return refusal("a model of Keras", original) }
        if names.allSatisfy({ $0.hasSuffix(".npy") }) {
            return refusal(
                "a zip of NumPy's arrays", "the program that wrote it, such as mlx_lm, writes safetensors; name these")
        }
        if let format = UnreadFormat.named(Path.name(source.name)) { return format.refusal(source.name) }
        return refusal("a zip archive (with \(names[0]))", unzip)
    }

    private static let endByteCount = 22
    private static let entryByteCount = 46
    /// The record and the locator of zip64.
    private static let zip64ByteCount = 76
    /// Enough for the names that tell.
    private static let readByteCount = 1 << 20

    /// Names in the directory at the end of a zip, as many as are in its first megabyte; nil where there is no directory.
    ///
    /// They are looked for from the end, as a program may stand before the zip.
    private static func zipNames(_ source: any ByteSource) throws(RecastError) -> [String]? {
        guard source.byteCount >= endByteCount else { return nil }
        let tailStart = max(0, source.byteCount - endByteCount - 0xFFFF)
        let tail = try source.bytes(tailStart..<source.byteCount)
        let place = tail.withUnsafeBytes { bytes in
            stride(from: bytes.count - endByteCount, through: 0, by: -1).first {
                bytes.integer(at: $0, as: UInt32.self) == 0x0605_4B50
            }
        }
        guard let place else { return nil }
        let size = tail.withUnsafeBytes { Int($0.integer(at: place + 12, as: UInt32.self)) }
        let said = tail.withUnsafeBytes { Int($0.integer(at: place + 16, as: UInt32.self)) }
        // Where sizes need 64 bits, two records stand between the directory and its end; before a program's zip there is more.
        let end = tailStart + place
        var start: Int?
        for candidate in [said, end - size, end - zip64ByteCount - size] where start == nil {
            guard candidate >= 0, candidate <= source.byteCount - entryByteCount else { continue }
            let signature = try source.bytes(candidate..<candidate + 4)
            if signature.elementsEqual("PK\u{1}\u{2}".utf8) { start = candidate }
        }
        guard let start, start < end else { return nil }
        let range = start..<end
        let bytes = try source.bytes(range.lowerBound..<min(range.upperBound, range.lowerBound + readByteCount))
        return bytes.withUnsafeBytes { bytes in
            var names: [String] = []
            var place = 0
            while place + entryByteCount <= bytes.count, bytes.integer(at: place, as: UInt32.self) == 0x0201_4B50 {
                let lengths = [28, 30, 32].map { Int(bytes.integer(at: place + $0, as: UInt16.self)) }
                guard place + entryByteCount + lengths[0] <= bytes.count else { break }
                let name = bytes[place + entryByteCount..<place + entryByteCount + lengths[0]]
                names.append(String(decoding: name, as: UTF8.self))
                place += entryByteCount + lengths.reduce(0, +)
            }
            return names
        }
    }
}
