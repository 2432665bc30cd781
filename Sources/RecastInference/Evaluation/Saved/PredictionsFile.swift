import Recast

/// Recast's own file of predictions: safetensors.
///
/// | tensor | type | |
/// |---|---|---|
/// | `tokens` | I32 | of all windows, one after the other |
/// | `windows` | I32 `[windows, 3]` | tokens of a window, its first scored position, and the one after its last |
/// | `scored` | U8 `[positions]` | whether a position counts; where not all do |
/// | `logits` | F32 `[positions, vocabulary]` | exact; or |
/// | `codes` | U16 `[positions, vocabulary]` | with F32 `scales` and `minimums` `[positions]`: `log p = minimum + scale · code` |
///
/// Codes reach from the likeliest token 32 nats down; what lies below has the smallest code. Metadata says how texts were cut
/// and which windows belong to which.
enum PredictionsFile {
    static let format = "recast.predictions"
    private static let version = "1"

    struct Header {
        var vocabularySize: Int
        var context: Int
        var scored: PerplexityOptions.Scored
        var channels: [SavedPredictions.SavedChannel]
        var windows: [ForwardPass.Text]
        /// Of each window, which of its predictions are scored; nil for all.
        var isScored: [[Bool]?]
        /// What the reference is called; for people.
        var reference: String
        var isExact: Bool
        /// How the reference was run.
        var precision: Precision

        /// Of each position, where not all are scored.
        var mask: [UInt8]? {
            guard isScored.contains(where: { $0 != nil }) else { return nil }
            return zip(windows, isScored).flatMap { window, scored in
                scored.map { $0.map { $0 ? 1 : 0 } } ?? [UInt8](repeating: 1, count: window.predictions.count)
            }
        }

        var positions: Int { windows.reduce(0) { $0 + $1.predictions.count } }
    }

    /// Where everything lies.
    struct Layout {
        var bytes: [UInt8]
        var byteCount: Int
        /// Of logits or codes.
        var values: Int
        var scales: Int
        var minimums: Int
        var mask: (bytes: [UInt8], offset: Int)?
    }

    // MARK: Writing

    static func layout(_ header: Header) throws(RecastError) -> Layout {
        let (positions, tokens) = (header.positions, header.windows.reduce(0) { $0 + $1.tokens.count })
        var entries: [(name: String, dtype: String, shape: [Int], byteCount: Int)] = [
            ("tokens", "I32", [tokens], 4 * tokens),
            ("windows", "I32", [header.windows.count, 3], 12 * header.windows.count),
        ]
        let (width, mask) = (header.isExact ? 4 : 2, header.mask)
        guard let byteCount = positions.multiplied(checked: header.vocabularySize)?.multiplied(checked: width) else {
            throw .unsupported("predictions of \(positions) positions have no size that fits")
        }
        if header.isExact {
            entries.append(("logits", "F32", [positions, header.vocabularySize], byteCount))
        } else {
            entries.append(("scales", "F32", [positions], 4 * positions))
            entries.append(("minimums", "F32", [positions], 4 * positions))
            entries.append(("codes", "U16", [positions, header.vocabularySize], byteCount))
        }
        // Behind everything wider, so that all begins where its type may.
        if mask != nil { entries.append(("scored", "U8", [positions], positions)) }
        let channels = JSON.array(
            header.channels.map {
                ["name": .string($0.name), "tokens": .int($0.tokens), "windows": .int($0.windows)]
            })
        var members: [JSON.Object.Member] = [
            .init(
                key: "__metadata__",
                value: [
                    "format": .string(format), "version": .string(version), "reference": .string(header.reference),
                    "context": .string("\(header.context)"), "window": .string(header.scored.rawValue),
                    "channels": .string(channels.text()), "precision": .string(header.precision.rawValue),
                ])
        ]
        var end = 0
        var begins: [String: Int] = [:]
        for entry in entries {
            begins[entry.name] = end
            members.append(
                .init(
                    key: entry.name,
                    value: [
                        "dtype": .string(entry.dtype), "shape": .array(entry.shape.map(JSON.int)),
                        "data_offsets": [.int(end), .int(end + entry.byteCount)],
                    ]))
            end += entry.byteCount
        }
        var json = JSON.object(JSON.Object(uniqueMembers: members)).serialized()
        json.append(contentsOf: repeatElement(UInt8(ascii: " "), count: json.count.aligned(to: 8) - json.count))
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(json.count))
        bytes += json
        let start = bytes.count
        for window in header.windows { for token in window.tokens { bytes.append(littleEndian: token) } }
        for window in header.windows {
            for number in [window.tokens.count, window.predictions.lowerBound, window.predictions.upperBound] {
                bytes.append(littleEndian: Int32(number))
            }
        }
        return Layout(
            bytes: bytes, byteCount: start + end, values: start + begins[header.isExact ? "logits" : "codes"]!,
            scales: start + (begins["scales"] ?? 0), minimums: start + (begins["minimums"] ?? 0),
            mask: mask.map { ($0, start + begins["scored"]!) })
    }

    // MARK: Reading

    static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        guard try SafetensorsFile.recognizes(source) else { return false }
        var files = FileList()
        guard let file = try? SafetensorsFile(source, files: &files) else { return false }
        return file.metadata.contains { $0 == ("format", format) }
    }

    static func read(_ source: any ByteSource) throws(RecastError) -> SavedPredictions {
        var files = FileList()
        let file = try SafetensorsFile(source, files: &files)
        func failure(_ message: String) -> RecastError { .malformed(source.name, message) }
        func value(_ key: String) throws(RecastError) -> String {
            guard let pair = file.metadata.first(where: { $0.key == key }) else {
                throw failure("does not say its \(key)")
            }
            return pair.value
        }
        guard try value("format") == format else { throw failure("holds no predictions") }
        guard try value("version") == version else {
            throw .unsupported(
                "\(source.name) is of version \(try value("version")), which another version of Recast reads")
        }
        // Files from before there was a choice say nothing.
        let said = file.metadata.first { $0.key == "precision" }?.value ?? Precision.exact.rawValue
        guard let precision = Precision(rawValue: said) else {
            throw .unsupported("\(source.name) was made with a precision that is not known: \(said)")
        }
        func tensor(_ name: String, _ dtype: DType, _ columns: Int?...) throws(RecastError) -> (
            range: Range<Int>, shape: [Int]
        ) {
            guard let tensor = file.tensors.first(where: { $0.name == name })?.tensor, tensor.dtype == dtype,
                tensor.shape.count == columns.count,
                zip(tensor.shape, columns).allSatisfy({ $1 == nil || $0 == $1 })
            else { throw failure("has no tensor \(name) as it should be") }
            var range = 0..<0
            tensor.forEachStored { _, place in range = place }
            return (range, tensor.shape)
        }
        func numbers(_ name: String, _ columns: Int?...) throws(RecastError) -> [Int32] {
            let place =
                columns.count == 1
                ? try tensor(name, .i32, columns[0]) : try tensor(name, .i32, columns[0], columns[1])
            return try source.bytes(place.range).withUnsafeBytes { bytes in
                (0..<bytes.count / 4).map { bytes.integer(at: 4 * $0, as: Int32.self) }
            }
        }
        func floats(_ name: String, _ count: Int) throws(RecastError) -> [Float] {
            let place = try tensor(name, .f32, count)
            let values = try source.bytes(place.range).withUnsafeBytes { bytes in
                (0..<count).map { Float(bitPattern: bytes.integer(at: 4 * $0, as: UInt32.self)) }
            }
            guard values.allSatisfy(\.isFinite) else { throw failure("\(name) holds numbers that are none") }
            return values
        }
        guard let context = Int(try value("context")), context > 1,
            let scored = PerplexityOptions.Scored(rawValue: try value("window"))
        else { throw failure("does not say how its texts were cut") }
        let windows = try windows(try numbers("tokens", nil), try numbers("windows", nil, 3), failure)
        let channels = try channels(try value("channels"), count: windows.count, failure)
        let positions = windows.reduce(0) { $0 + $1.predictions.count }
        let isScored = try mask(
            file.tensors.contains { $0.name == "scored" }
                ? source.bytes(try tensor("scored", .u8, positions).range) : nil, windows)
        let storage: SavedPredictions.Storage
        let shape: [Int]
        if file.tensors.contains(where: { $0.name == "logits" }) {
            let place = try tensor("logits", .f32, positions, nil)
            (storage, shape) = (.logits(offset: place.range.lowerBound), place.shape)
        } else {
            let place = try tensor("codes", .u16, positions, nil)
            storage = .codes(
                offset: place.range.lowerBound, stride: 2 * place.shape[1], scales: try floats("scales", positions),
                minimums: try floats("minimums", positions), floor: nil)
            shape = place.shape
        }
        return try SavedPredictions(
            source, vocabularySize: shape[1], context: context, scored: scored, channels: channels, windows: windows,
            isScored: isScored, needsBOS: false, precision: precision, storage: storage)
    }

    private static func mask(_ bytes: [UInt8]?, _ windows: [ForwardPass.Text]) -> [[Bool]?]? {
        guard let bytes else { return nil }
        var next = 0
        return windows.map { window in
            defer { next += window.predictions.count }
            let own = bytes[next..<next + window.predictions.count]
            return own.contains(0) ? own.map { $0 != 0 } : nil
        }
    }

    private static func windows(
        _ tokens: [Int32], _ numbers: [Int32], _ failure: (String) -> RecastError
    ) throws(RecastError) -> [ForwardPass.Text] {
        var windows: [ForwardPass.Text] = []
        var next = 0
        for index in 0..<numbers.count / 3 {
            let (count, first, end) = (
                Int(numbers[3 * index]), Int(numbers[3 * index + 1]), Int(numbers[3 * index + 2])
            )
            guard count > 0, count <= tokens.count - next, first >= 0, first < end, end < count else {
                throw failure("window \(index) is not as a window can be")
            }
            windows.append(ForwardPass.Text(tokens: Array(tokens[next..<next + count]), predictions: first..<end))
            next += count
        }
        guard next == tokens.count, !windows.isEmpty else { throw failure("its windows are not those of its tokens") }
        return windows
    }

    private static func channels(
        _ text: String, count: Int, _ failure: (String) -> RecastError
    ) throws(RecastError) -> [SavedPredictions.SavedChannel] {
        let channels = (try? JSON(parsing: Array(text.utf8), file: "channels"))?.array?.compactMap { entry in
            entry["name"]?.string.flatMap { name in
                entry["tokens"]?.int.flatMap { tokens in
                    entry["windows"]?.int.map { SavedPredictions.SavedChannel(name: name, tokens: tokens, windows: $0) }
                }
            }
        }
        guard let channels, channels.allSatisfy({ $0.windows > 0 && $0.windows <= count && $0.tokens >= 0 }),
            channels.reduce(0, { $0 &+ $1.windows }) == count
        else { throw failure("does not say which windows belong to which text") }
        return channels
    }
}
