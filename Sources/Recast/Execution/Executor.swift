import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Carries out a plan: workers take one job after the other, and write at offsets known beforehand.
///
/// The bytes written, and the tallies, are the same for any number of workers and any schedule.
struct Executor: Sendable {
    let plan: Plan
    let jobs: [Job]
    let files: FilePool
    let outputs: OutputPool
    let workers: Int
    private let stagedPaths: [String]
    /// What the workers have read of files that say what their bytes must be.
    let sourceLog: SourceLog
    /// What some encodings must know of a whole tensor beforehand, by transfer.
    var reductions: [Int: Reduced] = [:]
    var verification = Verification.computed
    /// Whether checksums of what is written are kept for a later run, whatever this one reads back.
    var isJournalled = false
    /// Whether files that were written before are written again, so that even zeros must be.
    private(set) var rewrites = false
    var isInterrupted: @Sendable () -> Bool = { Interruption.hasCome }

    /// Byte ranges shorter than this are cheaper to read together and permute in memory.
    static let shortestRun = 64 << 10

    init(
        _ plan: Plan, files: FilePool? = nil, stagedPaths: [String], workers: Int, jobByteCount: Int = 4 << 20
    ) {
        self.plan = plan
        self.workers = max(1, workers)
        jobs = plan.jobs(byteCount: jobByteCount)
        self.files = files ?? FilePool(plan.sources)
        self.stagedPaths = stagedPaths
        sourceLog = SourceLog(plan.checksums)
        outputs = OutputPool(paths: stagedPaths)
    }

    /// Makes the outputs at their full size and writes what is known beforehand.
    ///
    /// - Parameters:
    ///   - kept: those that are there, and of which some jobs are done.
    ///   - permissions: of those that are made.
    mutating func prepare(keeping kept: Set<Int> = [], permissions: mode_t = 0o666) throws(RecastError) {
        rewrites = !kept.isEmpty
        let gaps = plan.gaps(of: kept)
        for (index, output) in plan.outputs.enumerated() {
            if !kept.contains(index) {
                try FileSink(creating: stagedPaths[index], mode: permissions).setSize(output.byteCount)
            }
            let sink = try outputs.sink(index)
            for gap in gaps[index] ?? [] { try sink.writeZeros(gap) }
            for literal in output.literals {
                try literal.bytes.withBytes { (bytes) throws(RecastError) in try sink.write(bytes, at: literal.offset) }
            }
        }
    }

    /// Does all jobs that `journal` does not list as done.
    ///
    /// - Returns: a tally for each transfer.
    /// - Throws: the error of the first job that failed, or `interrupted`.
    func run(
        journal: consuming Journal?, progress: (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> [Tally] {
        let finished = journal?.finished ?? [:]
        let pending = jobs.indices.filter { finished[$0] == nil }
        let state = State(executor: self, finished: finished, journal: journal)
        func reader() -> Reader {
            var reader = Reader(files: files)
            reader.measuresErrors = verification != .none
            reader.sourceLog = verification == .none ? nil : sourceLog
            return reader
        }
        var failure: RecastError?
        do throws(RecastError) {
            let workers = Workers(count: workers, isInterrupted: isInterrupted)
            try workers.run(pending.count, state: { _ in reader() }) { (reader, index) throws(RecastError) in
                reader.tally = Tally()
                try perform(jobs[pending[index]], using: &reader)
                try state.finish(pending[index], reader.tally, progress)
            }
        } catch { failure = error }
        return try state.end(after: failure)
    }

    private func perform(_ job: Job, using reader: inout Reader) throws(RecastError) {
        let transfer = plan.transfers[job.transfer]
        do throws(RecastError) {
            if transfer.movesCodes {
                try convertTile(job, transfer, &reader)
                return
            }
            if needsChecksums(transfer) {
                try convert(job, transfer, &reader)
                return
            }
            for target in transfer.targets where try !copyRuns(job, transfer, target, &reader) {
                try convert(job, transfer, &reader)
                return
            }
        } catch {
            throw error.within("converting \(transfer.name)")
        }
    }
}

// MARK: One job

extension Executor {
    /// The part of a job's rows that a target wants, and where in the file it begins.
    func piece(
        of job: Job, _ target: Transfer.Target, rowByteCount: Int
    ) -> (rows: Range<Int>, offset: Int)? {
        let rows = job.rows.clamped(to: target.rows)
        guard target.batches.contains(job.batch), !rows.isEmpty, !target.columns.isEmpty else { return nil }
        let row = (job.batch - target.batches.lowerBound) * target.rows.count + rows.lowerBound - target.rows.lowerBound
        return (rows, target.offset + row * rowByteCount)
    }

    /// Moves the bytes without looking at them; false where numbers must be computed or the runs are too short.
    private func copyRuns(
        _ job: Job, _ transfer: Transfer, _ target: Transfer.Target, _ reader: inout Reader
    ) throws(RecastError) -> Bool {
        let source = transfer.source
        guard transfer.encoding == .plain(source.dtype) else { return false }
        let window = Window(batch: job.batch, rows: job.rows, columns: target.columns)
        guard let piece = piece(of: job, target, rowByteCount: source.rowByteCount(of: window)) else { return true }
        let part = Window(batch: job.batch, rows: piece.rows, columns: target.columns)
        let byteCount = source.byteCount(of: part)
        guard let runs = source.runs(part, limit: max(1, byteCount / Self.shortestRun)) else { return false }
        let sink = try outputs.sink(target.output)
        var offset = piece.offset
        for run in runs {
            switch run.source {
            case .file(let file, let start):
                let source = try files.source(file)
                if let log = reader.sourceLog, log.wants(file, run.byteCount) {
                    try log.copy(
                        source, file, at: start, to: sink, at: offset, count: run.byteCount, scratch: reader.scratch)
                } else {
                    try sink.copy(
                        from: source, at: start, to: offset, count: run.byteCount, scratch: reader.scratch)
                }
            case .bytes(let bytes):
                try Array(bytes).withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: offset) }
            case .zeros: if rewrites { try sink.writeZeros(offset..<offset + run.byteCount) }
            }
            offset += run.byteCount
        }
        return true
    }

    /// Reads the job's rows once in the target type, and writes to every target what it wants of them.
    private func convert(_ job: Job, _ transfer: Transfer, _ reader: inout Reader) throws(RecastError) {
        guard let dtype = transfer.encoding.dtype else { return }
        let encoded = transfer.source.converted(to: dtype, importance: transfer.importance)
        let left = transfer.targets.map(\.columns.lowerBound).min() ?? 0
        let right = transfer.targets.map(\.columns.upperBound).max() ?? 0
        let window = Window(batch: job.batch, rows: job.rows, columns: left..<right)
        let rowByteCount = encoded.rowByteCount(of: window)
        let byteCount = encoded.byteCount(of: window)
        try reader.withScratch(byteCount) { (reader, rows) throws(RecastError) in
            try encoded.read(window, into: rows, using: &reader)
            for target in transfer.targets {
                let narrow = Window(batch: job.batch, rows: job.rows, columns: target.columns)
                let wanted = encoded.rowByteCount(of: narrow)
                guard let piece = piece(of: job, target, rowByteCount: wanted) else { continue }
                let first = (piece.rows.lowerBound - job.rows.lowerBound) * rowByteCount
                if wanted == rowByteCount {
                    let part = rows[first..<first + piece.rows.count * rowByteCount]
                    try write(
                        UnsafeRawBufferPointer(rebasing: part), to: target.output, at: piece.offset, &reader.tally)
                    continue
                }
                let start = dtype.byteCount(ofBlocks: target.columns.lowerBound - left)
                try reader.withScratch(piece.rows.count * wanted) { (reader, part) throws(RecastError) in
                    for row in 0..<piece.rows.count {
                        (part.baseAddress! + row * wanted).copyMemory(
                            from: rows.baseAddress! + first + row * rowByteCount + start, byteCount: wanted)
                    }
                    try write(UnsafeRawBufferPointer(part), to: target.output, at: piece.offset, &reader.tally)
                }
            }
        }
    }
}

// MARK: Shared state

/// What the workers of a run share: tallies by job, the journal.
private final class State: Sendable {
    private struct Content: ~Copyable {
        var tallies: [Int: Tally]
        var journal: Journal?
        var unrecorded: [(job: Int, tally: Tally)] = []
        var lastRecord = ContinuousClock.now
        var done = 0
    }

    private let executor: Executor
    private let total: Int
    private let content: Mutex<Content>

    init(executor: Executor, finished: [Int: Tally], journal: consuming Journal?) {
        self.executor = executor
        total = executor.jobs.reduce(0) { $0 + executor.byteCount(of: $1) }
        let done = finished.keys.reduce(0) { sum, job in
            sum + (executor.jobs.indices.contains(job) ? executor.byteCount(of: executor.jobs[job]) : 0)
        }
        content = Mutex(Content(tallies: finished, journal: journal, done: done))
    }

    func finish(_ job: Int, _ tally: Tally, _ progress: (@Sendable (Progress) -> Void)?) throws(RecastError) {
        let outcome = content.withLock { content -> Result<Int, RecastError> in
            content.tallies[job] = tally
            content.done += executor.byteCount(of: executor.jobs[job])
            guard content.journal != nil else { return .success(content.done) }
            content.unrecorded.append((job, tally))
            guard content.lastRecord.duration(to: .now) > .seconds(2) else { return .success(content.done) }
            do throws(RecastError) {
                try record(&content)
                return .success(content.done)
            } catch { return .failure(error) }
        }
        progress?(Progress(done: try outcome.get(), total: total))
    }

    /// Only what is on the disk may be called done.
    private func record(_ content: inout Content) throws(RecastError) {
        let touched = content.unrecorded.flatMap { job in
            executor.plan.transfers[executor.jobs[job.job].transfer].targets.map(\.output)
        }
        try executor.outputs.synchronize(Set(touched))
        try content.journal?.record(content.unrecorded)
        content.unrecorded = []
        content.lastRecord = .now
    }

    /// The tallies by transfer. What was done before a failure is recorded as well.
    func end(after failure: RecastError?) throws(RecastError) -> [Tally] {
        let outcome = content.withLock { content -> Result<[Tally], RecastError> in
            if content.journal != nil, !content.unrecorded.isEmpty {
                do throws(RecastError) { try record(&content) } catch { return .failure(failure ?? error) }
            }
            if let failure { return .failure(failure) }
            var tallies = [Tally](repeating: Tally(), count: executor.plan.transfers.count)
            for (index, job) in executor.jobs.enumerated() {
                if let tally = content.tallies[index] { tallies[job.transfer] += tally }
            }
            return .success(tallies)
        }
        return try outcome.get()
    }
}

extension Executor {
    fileprivate func byteCount(of job: Job) -> Int {
        job.rows.count * plan.transfers[job.transfer].source.rowByteCount
    }
}
