import Dispatch
import Synchronization

extension Archiving {
    /// Packs, makes sure that the archive can be unpacked, and lets it appear.
    ///
    /// Workers read and compress frames side by side; they are written in order, by whichever worker completes the next
    /// one. So the bytes do not depend on their number.
    ///
    /// - Parameters:
    ///   - progress: is told how much is packed.
    ///   - verification: is told how much has been read back.
    /// - Throws: any error of reading and writing; the destination is then as it was.
    public func run(
        progress: (@Sendable (Progress) -> Void)? = nil, verification: (@Sendable (Progress) -> Void)? = nil
    ) throws(RecastError) -> Report {
        let output = OutputFile(name: Path.name(destination), byteCount: originalByteCount + reservedByteCount)
        let staged = try StagedDestination(
            destination, form: .file, outputs: [output], replaces: replaces, sources: sources, freeBytes: freeBytes)
        do throws(RecastError) {
            return try run(staged, progress, verification)
        } catch {
            throw staged.discard(after: error)
        }
    }

    private func run(
        _ staged: StagedDestination, _ progress: (@Sendable (Progress) -> Void)?,
        _ verification: (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> Report {
        let pool = FilePool(sources)
        let permissions = sources.permissions
        _ = try staged.prepare(permissions: permissions)
        let writer = try ArchiveWriter(self, files: pool, path: staged.stagedRoot, permissions: permissions)
        var report = try ArchivingLine(self, writer).run(progress)
        do throws(RecastError) {
            try verify(Archive(path: staged.stagedRoot), verification)
        } catch {
            guard error.code == .malformedInput else { throw error }
            throw RecastError(.inputOutput, error.message, trail: ["reading back what was written"] + error.trail)
        }
        try pool.checkUnchanged()
        report.warnings = try staged.commit()
        report.notes = staged.notes
        return report
    }

    var sources: [SourceFile] { files.map(\.source) }

    /// What any reader will see, before the original may go.
    private func verify(_ archive: Archive, _ progress: (@Sendable (Progress) -> Void)?) throws(RecastError) {
        guard archive.names == files.map(\.name), archive.originalByteCount == originalByteCount else {
            throw RecastError(.inputOutput, "was not written as planned", trail: [archive.path])
        }
        try archive.checkChecksums()
        if verifies { try archive.checkFrames(workers: workers, isInterrupted: isInterrupted, progress: progress) }
    }
}

/// The workers of a run, and what they share.
private final class ArchivingLine: Sendable {
    private let archiving: Archiving
    private let sources: FilePool
    /// The number of each piece's first frame among all frames, and behind the last piece that of all.
    private let firstFrames: [Int]
    private let state: Mutex<State>
    /// How many more frames may be on their way. Made with none, as libdispatch traps when a semaphore that holds less than
    /// it was made with goes away, and after an error some frames keep their buffers, waiting for a turn that never comes.
    private let buffers = DispatchSemaphore(value: 0)

    private struct State: ~Copyable {
        let writer: Writer
        var isWriting = false
        var waiting: [Int: ArchiveFrame] = [:]
        var written = 0
        var free: [ArchiveFrame]
        var compressible: [Int: UInt8] = [:]
        var done = 0
    }

    /// What a worker that may write is given.
    private struct Turn {
        let number: Int
        let frame: ArchiveFrame
        let writer: Writer
        let done: Int
    }

    /// Used by the one worker that has set `isWriting`.
    private struct Writer: @unchecked Sendable { let archive: ArchiveWriter }

    init(_ archiving: Archiving, _ writer: ArchiveWriter) {
        self.archiving = archiving
        sources = FilePool(archiving.sources)
        firstFrames = archiving.pieces.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.frameCount) }
        let capacity = archiving.pieces.lazy.map { min($0.byteCount, $0.frameByteCount) }.max() ?? 0
        let count = 2 * max(1, archiving.workers) + 2
        state = Mutex(
            State(
                writer: Writer(archive: writer),
                free: (0..<count).map { _ in ArchiveFrame(capacity: max(1, capacity)) }))
        for _ in 0..<count { buffers.signal() }
    }

    func run(_ progress: (@Sendable (Progress) -> Void)?) throws(RecastError) -> Archiving.Report {
        let workers = Workers(count: archiving.workers, isInterrupted: archiving.isInterrupted)
        let makeCompressors = { (_: Int) in [Compressor.Profile: Compressor]() }
        // A frame that is waited for has its buffer already, because buffers are given out in order.
        try workers.run(firstFrames[firstFrames.count - 1], permits: buffers, state: makeCompressors) {
            (compressors, number) throws(RecastError) in
            let frame = state.withLock { $0.free.removeLast() }
            try fill(frame, number, &compressors)
            try deliver(frame, number, progress)
        }
        return try state.withLock { $0.writer }.archive.finish()
    }

    private func fill(
        _ frame: ArchiveFrame, _ number: Int, _ compressors: inout [Compressor.Profile: Compressor]
    ) throws(RecastError) {
        let place = place(of: number)
        let piece = archiving.pieces[place.piece]
        do throws(RecastError) {
            let source = try sources.source(FileID(piece.file))
            let planes = try compressiblePlanes(of: place.piece, piece, source)
            let compressor = compressors[piece.profile] ?? Compressor(piece.profile)
            compressors[piece.profile] = compressor
            try frame.fill(
                piece: place.piece, piece, frame: place.frame, from: source, compressedPlanes: planes, compressor)
        } catch {
            throw error.within("packing \(piece.entry ?? "")")
        }
    }

    /// The piece that a frame belongs to, and the frame's number in it.
    private func place(of number: Int) -> (piece: Int, frame: Int) {
        var (low, high) = (0, archiving.pieces.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if firstFrames[middle] <= number { low = middle } else { high = middle - 1 }
        }
        return (low, number - firstFrames[low])
    }

    /// Found out by the first worker that needs it; by two at once at worst.
    private func compressiblePlanes(
        of index: Int, _ piece: Archiving.Piece, _ source: any ByteSource
    ) throws(RecastError) -> UInt8 {
        if let known = state.withLock({ $0.compressible[index] }) { return known }
        let mask = try Compressibility(of: piece, in: source).mask
        state.withLock { $0.compressible[index] = mask }
        return mask
    }

    /// Puts a frame where it waits for its turn, and writes all whose turn has come, unless another worker is at it.
    private func deliver(
        _ frame: ArchiveFrame, _ number: Int, _ progress: (@Sendable (Progress) -> Void)?
    ) throws(RecastError) {
        state.withLock { $0.waiting[number] = frame }
        var last: ArchiveFrame?
        while true {
            let turn = state.withLock { state -> Turn? in
                if let last {
                    state.free.append(last)
                    state.written += 1
                    state.done += last.byteCount
                    state.isWriting = false
                }
                guard !state.isWriting, let next = state.waiting.removeValue(forKey: state.written) else { return nil }
                state.isWriting = true
                return Turn(number: state.written, frame: next, writer: state.writer, done: state.done)
            }
            if last != nil { buffers.signal() }
            guard let turn else { return }
            try archiving.willWrite(turn.number)
            try turn.writer.archive.append(turn.frame)
            progress?(Progress(done: turn.done + turn.frame.byteCount, total: archiving.originalByteCount))
            last = turn.frame
        }
    }
}
