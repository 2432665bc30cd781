internal import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A destination that appears whole: everything is written beside it under names that end in `.partial`, made durable,
/// and then renamed.
///
/// Unless it is committed or kept, whatever was staged is removed when the value goes away.
public final class StagedDestination {
    public let path: String
    let form: Plan.Form
    private let replaces: Bool
    private let outputs: [OutputFile]
    /// Whether what is staged is this value's to remove.
    private var isFinished = true
    private let lock: PathLock

    /// - Parameters:
    ///   - replaces: whether an existing destination may be exchanged for the new one.
    ///   - resumes: whether what an earlier, interrupted run staged is kept and completed.
    ///   - sources: files that must not be the destination.
    ///   - freeBytes: what may still be written to the file system of a path.
    /// - Throws: `destinationExists`, or `inputOutput` where there is not enough space.
    init(
        _ path: String, form: Plan.Form, outputs: [OutputFile], replaces: Bool, resumes: Bool, sources: [SourceFile],
        freeBytes: (String) -> Int? = POSIX.freeBytes
    ) throws(RecastError) {
        self.path = Path.trimmed(path)
        self.form = form
        self.outputs = outputs
        self.replaces = replaces
        try Self.check(path, form: form, outputs: outputs, replaces: replaces, sources: sources)
        lock = try PathLock(self.path + ".partial.lock")
        // Without its journal, nothing tells what of it is done.
        if !resumes || !POSIX.exists(journalPath) { discardStaged() }
        try checkSpace(freeBytes(Path.directory(self.path)))
        isFinished = false
        guard form == .directory else { return }
        try POSIX.makeDirectory(stagedRoot)
        for output in outputs {
            for folder in Path.folders(of: output.name) { try POSIX.makeDirectory(Path.join(stagedRoot, folder)) }
        }
    }

    /// Whether every file is staged at its full size, as an interrupted run leaves it.
    var isWhole: Bool { outputs.allSatisfy { POSIX.status(stagedPath($0))?.byteCount == $0.byteCount } }

    deinit { if !isFinished { discardStaged() } }

    // MARK: Names

    /// Where the destination is staged.
    public var stagedRoot: String { path + ".partial" }

    var journalPath: String { path + ".partial.journal" }

    func stagedPath(_ output: OutputFile) -> String { Self.stagedPath(output, path: path, form: form) }

    private static func stagedPath(_ output: OutputFile, path: String, form: Plan.Form) -> String {
        switch form {
        case .file: path + ".partial"
        case .directory: Path.join(path + ".partial", output.name)
        case .fileSet: Path.join(Path.directory(path), output.name + ".partial")
        }
    }

    private static func finalPath(_ output: OutputFile, path: String, form: Plan.Form) -> String {
        form == .fileSet ? Path.join(Path.directory(path), output.name) : path
    }

    // MARK: Checks

    /// Whether the destination may be written at all; a dry run asks just this.
    static func check(
        _ path: String, form: Plan.Form, outputs: [OutputFile], replaces: Bool, sources: [SourceFile]
    ) throws(RecastError) {
        let path = Path.trimmed(path)
        let parent = Path.directory(path)
        guard let status = POSIX.status(parent), status.isDirectory else {
            throw RecastError(.inputOutput, "there is no directory \(parent) to write to", trail: [path])
        }
        let staged = form == .fileSet ? outputs.map { stagedPath($0, path: path, form: form) } : [path + ".partial"]
        for staged in staged {
            guard let there = POSIX.status(staged) else { continue }
            if let source = sources.first(where: { POSIX.leads($0.placePath, into: there) }) {
                throw RecastError(
                    .destinationExists, "would be staged in the place of the source \(source.path)", trail: [path])
            }
        }
        let finals = form == .fileSet ? outputs.map { finalPath($0, path: path, form: form) } : [path]
        for final in finals {
            guard POSIX.exists(final) else { continue }
            if let there = POSIX.status(final) {
                if let source = sources.first(where: { POSIX.leads($0.placePath, into: there) }) {
                    let problem = there.isDirectory ? "holds the source \(source.path)" : "is the source itself"
                    throw RecastError(.destinationExists, problem, trail: [final])
                }
            }
            guard replaces else {
                throw RecastError(.destinationExists, "exists already; --force replaces it", trail: [final])
            }
            if let there = POSIX.status(final), there.isDirectory != (form == .directory) {
                let kind = there.isDirectory ? "a directory, and a file" : "a file, and a directory"
                throw RecastError(.destinationExists, "is \(kind) would take its place", trail: [final])
            }
            if form == .directory, try !looksLikeCheckpoint(final) {
                throw RecastError(
                    .destinationExists, "is a directory that holds no checkpoint; it is not replaced", trail: [final])
            }
        }
    }

    /// Replacing a directory removes all that is in it, so it must be of the kind that is written, or empty.
    private static func looksLikeCheckpoint(_ path: String) throws(RecastError) -> Bool {
        let names = try POSIX.names(in: path)
        return names.isEmpty
            || names.contains {
                $0 == "config.json" || $0 == MegatronFolder.tracker || $0.hasSuffix(".safetensors")
                    || $0.hasSuffix(".gguf")
            }
    }

    private func checkSpace(_ free: Int?) throws(RecastError) {
        guard let free else { return }
        let needed = outputs.reduce(0) { sum, output in
            sum + max(0, output.byteCount - (POSIX.status(stagedPath(output))?.allocatedByteCount ?? 0))
        }
        guard needed <= free else {
            throw RecastError(
                .inputOutput, "not enough space: \(needed) bytes are needed, \(free) are free", trail: [path])
        }
    }

    // MARK: Ending

    /// Makes everything durable and gives it its name.
    func commit() throws(RecastError) {
        for output in outputs {
            let staged = stagedPath(output)
            let descriptor = try POSIX.open(staged, O_RDWR)
            defer { close(descriptor) }
            guard fsync(descriptor) == 0 else { throw POSIX.failure("synchronize", staged) }
        }
        switch form {
        case .file:
            try rename(stagedRoot, to: path)
        case .directory:
            POSIX.synchronizeDirectory(stagedRoot)
            try rename(stagedRoot, to: path)
        case .fileSet:
            // A reader is given the first file: the old set ends with it, and the new one does not exist before it.
            if replaces { POSIX.remove(Self.finalPath(outputs[0], path: path, form: form)) }
            for output in outputs.reversed() {
                try rename(stagedPath(output), to: Self.finalPath(output, path: path, form: form))
            }
        }
        isFinished = true
        POSIX.remove(journalPath)
        POSIX.synchronizeDirectory(Path.directory(path))
    }

    private func rename(_ staged: String, to final: String) throws(RecastError) {
        if ck_rename_exclusive(staged, final) == 0 { return }
        guard errno == EEXIST else {
            // File systems without this kind of rename: nothing is in the way, or it may be replaced.
            if !POSIX.exists(final) || replaces && POSIX.status(final)?.isDirectory == false {
                try POSIX.rename(staged, to: final)
                return
            }
            throw POSIX.failure("rename to \(final)", staged)
        }
        guard replaces else {
            throw RecastError(.destinationExists, "has appeared in the meantime; --force replaces it", trail: [final])
        }
        guard ck_rename_exchange(staged, final) == 0 else { throw POSIX.failure("exchange for \(final)", staged) }
        POSIX.remove(staged)
    }

    /// Leaves what is staged for a later run.
    func keep() { isFinished = true }

    private func discardStaged() {
        switch form {
        case .file, .directory: POSIX.remove(stagedRoot)
        case .fileSet: outputs.forEach { POSIX.remove(stagedPath($0)) }
        }
        POSIX.remove(journalPath)
    }
}
