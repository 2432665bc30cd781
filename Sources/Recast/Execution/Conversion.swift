/// Carries out a plan: stages the destination, executes, checks what was written, and lets it appear.
public struct Conversion: Sendable {
    public let plan: Plan
    public let destination: String
    /// Whether an existing destination is exchanged for the new one.
    public var replaces = false
    /// Whether an interrupted run keeps what it has done, and whether what an earlier one has done is used.
    public var resumes = false
    /// Whether finite numbers may become infinite.
    public var allowsOverflow = false
    package var verification = Verification.computed
    public var workers = 1
    /// Where the sources are found.
    package var places = Places.standard
    /// What the run asks its surroundings, for tests to answer.
    var isInterrupted: @Sendable () -> Bool = { Interruption.hasCome }
    var freeBytes: @Sendable (String) -> Int? = POSIX.freeBytes

    public init(_ plan: Plan, to destination: String) {
        self.plan = plan
        self.destination = Path.trimmed(destination)
    }

    /// What a finished conversion did.
    public struct Report: Sendable, Hashable {
        public var byteCount: Int
        /// What happened to the numbers of each transfer, by its index in the plan.
        package var tallies: [Tally]
        /// What the user should know of this run.
        public var notes: [String] = []
        /// What the user should do something about: what was there before and could not be removed.
        public var warnings: [String] = []

        /// What was planned: a run that would do worse is refused.
        public var exactness: Exactness

        package var tally: Tally { tallies.reduce(into: Tally()) { $0 += $1 } }

        init(_ plan: Plan, tallies: [Tally]) {
            byteCount = plan.byteCount
            self.tallies = tallies
            exactness = plan.exactness
        }
    }

    /// Whether the destination could be written: a dry run asks just this.
    ///
    /// - Throws: `destinationExists` or `inputOutput`.
    public func check() throws(RecastError) {
        try StagedDestination.check(
            destination, form: plan.form, outputs: plan.outputs, replaces: replaces, sources: plan.sources)
    }

    /// - Throws: any error of reading and writing; the destination is then as it was.
    public func run(progress: (@Sendable (Progress) -> Void)? = nil) throws(RecastError) -> Report {
        let staged = try StagedDestination(
            destination, form: plan.form, outputs: plan.outputs, replaces: replaces,
            beginning: resumes ? .resuming(Journal.Key(plan)) : .anew, sources: plan.sources, freeBytes: freeBytes)
        do throws(RecastError) {
            return try run(staged, progress)
        } catch {
            // Of sources that have changed, nothing that was done is of use.
            let isLasting = [.interrupted, .inputOutput, .inputMissing].contains(error.code)
            guard resumes, isLasting, !sources.hasChanged else { throw staged.discard(after: error) }
            throw RecastError(
                error.code,
                error.message + "; what is done is kept in \(staged.folder.path), --resume completes it",
                trail: error.trail)
        }
    }

    private func run(
        _ staged: StagedDestination, _ progress: (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> Report {
        if staged.isCommitted {
            if let tallies = try talliesOfCommitted(staged) { return try finish(staged, tallies, []) }
            try staged.restart(plan.sources)
        }
        var executor = executor(staged)
        let permissions = plan.sources.permissions
        let kept = try staged.prepare(permissions: permissions)
        try executor.prepare(keeping: kept, permissions: permissions)
        let finished = try executor.intact(staged.earlier?.finished ?? [:], in: kept)
        let journal =
            resumes
            ? try Journal(
                in: staged.folder, Journal.Key(plan), files: try staged.journalFiles(), finished: finished) : nil
        executor.reductions = try executor.reduce()
        var tallies = try executor.run(journal: journal, progress: progress)
        try check(tallies)
        try executor.writeChecksums(tallies)
        var notes: [String] = []
        if verification != .none {
            if let note = try executor.verifySources() { notes.append(note) }
            try verify(staged, executor, &tallies)
        }
        try executor.files.checkUnchanged()
        return try finish(staged, tallies, notes)
    }

    /// The plan's, each to be opened again and found unchanged.
    private var sources: FilePool { FilePool(plan.sources, places: places) }

    private func executor(_ staged: StagedDestination) -> Executor {
        var executor = Executor(
            plan, files: sources, stagedPaths: plan.outputs.map(staged.currentPath), workers: workers)
        executor.isInterrupted = isInterrupted
        executor.verification = verification
        executor.isJournalled = resumes
        return executor
    }

    private func finish(
        _ staged: StagedDestination, _ tallies: [Tally], _ notes: [String]
    ) throws(RecastError) -> Report {
        var report = Report(plan, tallies: tallies)
        report.warnings = try staged.commit()
        report.notes = notes + staged.notes
        return report
    }

    /// The tallies of a run that was killed when the destination had its name; nil where that is not what was written.
    private func talliesOfCommitted(_ staged: StagedDestination) throws(RecastError) -> [Tally]? {
        let executor = executor(staged)
        for output in plan.outputs where POSIX.status(staged.currentPath(output))?.byteCount != output.byteCount {
            return nil
        }
        let finished = try executor.intact(staged.earlier?.finished ?? [:], in: Set(plan.outputs.indices))
        guard finished.count == executor.jobs.count, try executor.literalsAreIntact() else { return nil }
        var tallies = [Tally](repeating: Tally(), count: plan.transfers.count)
        for (index, job) in executor.jobs.enumerated() { tallies[job.transfer] += finished[index] ?? Tally() }
        return tallies
    }

    /// Numbers that were lost are an error that names every tensor.
    private func check(_ tallies: [Tally]) throws(RecastError) {
        var problems: [String] = []
        var isOverflow = false
        for (transfer, tally) in zip(plan.transfers, tallies) {
            let type = transfer.encoding.name
            if tally.nonfiniteCount > 0 {
                problems.append(
                    "\(transfer.name): \(tally.nonfiniteCount) NaN or infinite values, which \(type) cannot hold")
            }
            if tally.lostBlockCount > 0 {
                problems.append("\(transfer.name): \(tally.lostBlockCount) blocks have values too large for \(type)")
            }
            if tally.lostScaleCount > 0 {
                problems.append(
                    "\(transfer.name): \(tally.lostScaleCount) scales are too large or too small for \(type)")
            }
            if transfer.exactness == .bit, tally.roundedCount > 0 {
                problems.append(
                    "\(transfer.name): \(tally.roundedCount) values are no longer those that were widened to F32, and do not fit "
                        + "\(type); --dtype f32 keeps them, --dtype \(type.lowercased()) rounds them")
            }
            if tally.overflowCount > 0, !allowsOverflow {
                isOverflow = true
                problems.append("\(transfer.name): \(tally.overflowCount) values are too large for \(type)")
            }
        }
        guard !problems.isEmpty else { return }
        let more = problems.count > 10 ? ["\(problems.count - 10) more tensors"] : []
        let hint = isOverflow ? ["--allow-overflow makes them infinite; --dtype bf16 or f32 holds them"] : []
        throw .unsupported("some numbers cannot be stored:", details: problems.prefix(10) + more + hint)
    }

    /// Reads back the headers of what was written, as any reader would.
    private func verify(
        _ staged: StagedDestination, _ executor: Executor, _ tallies: inout [Tally]
    ) throws(RecastError) {
        try verifyHeaders(staged)
        try executor.verifyWritten(tallies)
        if verification == .everything { try executor.verifyCopies() }
        let isPacked = plan.transfers.contains { $0.encoding.dtype == nil }
        guard isPacked || plan.expectedModel != nil else { return }
        let checkpoint = try Checkpoint(
            path: plan.form == .directory ? staged.root : staged.currentPath(plan.outputs[0]))
        try checkpoint.content.verify(plan, path: checkpoint.path)
        try plan.expectedModel?.check(checkpoint)
        guard isPacked else { return }
        var decoded: [String: LazyTensor] = [:]
        for tensor in try checkpoint.weights() { decoded[tensor.name] = tensor.tensor }
        try executor.measurePacked(decoded, files: checkpoint.sources, &tallies)
        for (transfer, tally) in zip(plan.transfers, tallies) {
            let error = tally.error
            if transfer.repacking?.isExact == true, error.squaredError > 0 {
                throw RecastError(
                    .inputOutput, "its codes were to move as they are, but read back they stand for other numbers",
                    trail: [transfer.name])
            }
            if error.squaredSource.isFinite, !error.squaredError.isFinite {
                throw RecastError(.inputOutput, "read back, some of its numbers are not finite", trail: [transfer.name])
            }
        }
    }

    private func verifyHeaders(_ staged: StagedDestination) throws(RecastError) {
        var expected: [String: StoredPart] = [:]
        for part in plan.transfers.flatMap(\.storedParts) { expected[part.name] = part }
        for output in plan.outputs {
            let path = staged.currentPath(output)
            guard POSIX.status(path)?.byteCount == output.byteCount else {
                throw RecastError(.inputOutput, "has not the size it was written with", trail: [path])
            }
            for tensor in try Self.storedTensors(in: FileSource(path: path), named: output.name) {
                guard let part = expected[tensor.name], part.shape == tensor.tensor.shape,
                    part.dtype == tensor.tensor.dtype
                else { throw RecastError(.inputOutput, "\(tensor.name) was not written as planned", trail: [path]) }
            }
        }
    }

    /// The tensors that a written file says it holds; none where its format does not name them there.
    private static func storedTensors(in file: FileSource, named name: String) throws(RecastError) -> [NamedTensor] {
        for format in Checkpoint.formats {
            if let tensors = try format.storedTensors(in: file) { return tensors }
        }
        guard !Checkpoint.formats.contains(where: { $0.tensorFileSuffixes.contains(where: name.hasSuffix) }) else {
            throw RecastError(.inputOutput, "was not written as planned", trail: [file.name])
        }
        return []
    }
}
