import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What long work over the layers of a model keeps beside its destination: `DESTINATION.recast-calibration`.
///
/// | name | what it is |
/// |---|---|
/// | `layers` | what the work is, and a line for each layer that is done, with what was found of it |
/// | `hidden-0`, `hidden-1` | the hidden states of all tokens behind a layer, in turns |
/// | others | what the work makes, of each layer a file |
///
/// A layer counts when its line is there, which is written after all else of it has reached the disk.
final class WorkFolder: LayerKeeper {
    private static let journal = "layers"

    let folder: StagingFolder
    private let key: String
    private var lines: [Line] = []
    /// Called for each layer before it counts; what it returns is kept with it.
    var onFinish: ((Int) throws(RecastError) -> [JSON])?

    private struct Line {
        var layer: Int
        var byteCount: Int
        var checksum: UInt32
        var records: [JSON]
    }

    static func path(for destination: String) -> String { Path.trimmed(destination) + ".recast-calibration" }

    /// - Parameters:
    ///   - key: what the work is, so that none goes on with another's.
    ///   - resumes: whether what an earlier run has kept is used.
    ///   - replaces: whether it may be thrown away.
    /// - Throws: `destinationExists` where an earlier run has kept something and neither is said; `usage` where it was other
    ///   work; `inputOutput`.
    init(for destination: String, key: String, resumes: Bool, replaces: Bool) throws(RecastError) {
        let path = Self.path(for: destination)
        self.key = key
        folder = try StagingFolder(at: path, replaces: replaces)
        let kept = try folder.lines(of: Self.journal)
        if let first = kept.first, !replaces || resumes {
            guard resumes else {
                throw RecastError(
                    .destinationExists,
                    "keeps \(kept.count - 1) finished layers of an interrupted calibration: --resume goes on with it, --force "
                        + "begins again", trail: [path])
            }
            guard first == key else {
                if replaces {
                    try clear()
                    return
                }
                throw RecastError(
                    .usage,
                    "keeps an interrupted calibration with other sources, texts or options; --force begins again",
                    trail: [path])
            }
            lines = kept.dropFirst().compactMap(Self.parsed)
            // Layers follow each other; what comes behind a gap is of no use.
            let count = lines.enumerated().prefix { $0.offset == $0.element.layer }.count
            lines.removeLast(lines.count - count)
        } else {
            try clear()
        }
    }

    private func clear() throws(RecastError) {
        if let problem = folder.clear().first { throw problem }
        try folder.write([key], to: Self.journal)
    }

    /// Where something of the work is kept.
    func path(of name: String) -> String { Path.join(folder.path, name) }

    /// What was kept of the layers that are done.
    var records: [[JSON]] { lines.map(\.records) }

    /// Forgets a layer and those behind it.
    func forget(from layer: Int) { lines.removeLast(max(0, lines.count - layer)) }

    func discard() -> [RecastError] { folder.discard() }

    /// Writes a file of the work, and makes it last.
    func write(_ bytes: [UInt8], to name: String) throws(RecastError) {
        if let problem = folder.remove(name).first { throw problem }
        let sink = try FileSink(creating: path(of: name), mode: 0o600)
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: 0) }
        try sink.synchronize()
    }

    func read(_ name: String) throws(RecastError) -> [UInt8] {
        let source = try FileSource(path: path(of: name))
        return try source.bytes(0..<source.byteCount)
    }

    func write(_ json: JSON, to name: String) throws(RecastError) {
        try write(Array(json.text(.compact).utf8), to: name)
    }

    /// What is in a file of the work; nil where there is none, or only a part of one.
    func json(_ name: String) -> JSON? {
        guard let bytes = try? read(name) else { return nil }
        return try? JSON(parsing: bytes, file: name)
    }

    /// What is to be thrown after an error: where the work is kept, with how to go on.
    func ended(by error: RecastError, keeps: Bool) -> RecastError {
        guard keeps, [.interrupted, .inputOutput, .destinationExists].contains(error.code), finishedCount > 0 else {
            _ = discard()
            return error
        }
        return RecastError(
            error.code,
            error.message + "; \(finishedCount) finished layers are kept in \(folder.path), --resume goes on with them",
            details: error.details, trail: error.trail)
    }

    // MARK: Layers

    var finishedCount: Int { lines.count }

    private static func stateName(_ layer: Int) -> String { "hidden-\(layer % 2)" }

    func restore(_ hidden: KeptStates) throws(RecastError) {
        guard let line = lines.last else { return }
        let path = path(of: Self.stateName(line.layer))
        let source = try FileSource(path: path)
        var checksum = CRC32()
        guard source.byteCount == hidden.byteCount, line.byteCount == hidden.byteCount else {
            throw RecastError(
                .inputOutput, "has not the hidden states that were kept; --force begins again", trail: [path])
        }
        try hidden.forEachPiece(isFilled: true) { (bytes, offset) throws(RecastError) in
            try source.read(into: bytes, at: offset)
            checksum.update(UnsafeRawBufferPointer(bytes))
        }
        guard checksum.value == line.checksum else {
            throw RecastError(.inputOutput, "is damaged; --force begins the calibration again", trail: [path])
        }
    }

    func finish(_ layer: Int, _ hidden: KeptStates) throws(RecastError) {
        precondition(layer == lines.count)
        let records = try onFinish?(layer) ?? []
        let name = Self.stateName(layer)
        if let problem = folder.remove(name).first { throw problem }
        let sink = try FileSink(creating: path(of: name), mode: 0o600)
        var checksum = CRC32()
        try hidden.forEachPiece(isFilled: false) { (bytes, offset) throws(RecastError) in
            checksum.update(UnsafeRawBufferPointer(bytes))
            try sink.write(UnsafeRawBufferPointer(bytes), at: offset)
        }
        try sink.synchronize()
        lines.append(Line(layer: layer, byteCount: hidden.byteCount, checksum: checksum.value, records: records))
        try folder.write([key] + lines.map(Self.text), to: Self.journal)
    }

    private static func text(_ line: Line) -> String {
        let json: JSON = [
            "layer": .int(line.layer), "bytes": .int(line.byteCount), "checksum": .int(Int(line.checksum)),
            "records": .array(line.records),
        ]
        return json.text(.compact)
    }

    private static func parsed(_ text: String) -> Line? {
        guard let json = try? JSON(parsing: Array(text.utf8), file: journal), let layer = json["layer"]?.int,
            let byteCount = json["bytes"]?.int, let checksum = (json["checksum"]?.int).flatMap(UInt32.init(exactly:)),
            let records = json["records"]?.array
        else { return nil }
        return Line(layer: layer, byteCount: byteCount, checksum: checksum, records: records)
    }
}
