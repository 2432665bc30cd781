#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A destination that appears whole: everything is written in a folder beside it, made durable, and then renamed, or
/// exchanged with what is there.
///
/// Unless it is committed or kept, whatever was staged is removed.
package final class StagedDestination {
    package let path: String
    let form: Plan.Form
    private let replaces: Bool
    private let outputs: [OutputFile]
    let folder: StagingFolder
    /// What an earlier run has done of the same plan; nil where there is nothing of the kind.
    private(set) var earlier: Journal.Content?
    /// Whether an earlier run has written all of it and was killed while it gave it its name, which has been finished.
    private(set) var isCommitted = false
    /// What the user should know of the beginning.
    private(set) var notes: [String] = []

    /// What a run is to find in the staging folder.
    enum Beginning {
        case anew
        /// What an earlier, interrupted run of this plan has staged is completed.
        case resuming(Journal.Key)
    }

    /// - Parameters:
    ///   - replaces: whether an existing destination may be exchanged for the new one.
    ///   - sources: files that must not be the destination.
    ///   - freeBytes: what may still be written to the file system of a path.
    /// - Throws: `destinationExists`; `inputOutput` where there is not enough space, or another run is at it; `usage` where
    ///   an earlier run with other options has left something to resume.
    init(
        _ path: String, form: Plan.Form, outputs: [OutputFile], replaces: Bool, beginning: Beginning = .anew,
        sources: [SourceFile], freeBytes: (String) -> Int? = POSIX.freeBytes
    ) throws(RecastError) {
        self.path = Path.trimmed(path)
        self.form = form
        self.outputs = outputs
        self.replaces = replaces
        try Self.checkName(path)
        let staging = StagingFolder.path(for: self.path)
        try Self.checkSources(staging, sources)
        if try POSIX.exists(staging) {
            folder = try StagingFolder(for: self.path, replaces: replaces)
            try inherit(beginning)
            if isCommitted { return }
            do throws(RecastError) {
                try Self.check(path, form: form, outputs: outputs, replaces: replaces, sources: sources)
                try checkSpace(freeBytes(Path.directory(self.path)))
            } catch {
                // What an earlier run has staged is kept; a folder without anything is not.
                if folder.isEmpty { _ = folder.discard() }
                throw error
            }
            if earlier == nil, let problem = folder.clear().first { throw problem }
        } else {
            try Self.check(path, form: form, outputs: outputs, replaces: replaces, sources: sources)
            folder = try StagingFolder(for: self.path, replaces: replaces)
            try checkSpace(freeBytes(Path.directory(self.path)), discarding: true)
        }
        if !folder.hasLocks {
            notes.append(
                "this file system has no locks: two runs that write to \(self.path) at once are told by the folder alone"
            )
        }
    }

    // MARK: Names

    /// Where the destination is staged: the file or directory itself, or for a set the folder of its files.
    package var stagedRoot: String {
        form == .fileSet ? folder.path + "/new" : Commit.newPath(Path.name(path), in: folder)
    }

    /// Where the destination will be, or, once it has its name, is.
    var root: String { isCommitted ? (form == .fileSet ? Path.directory(path) : path) : stagedRoot }

    /// Where an output is at the time.
    func currentPath(_ output: OutputFile) -> String {
        form == .file ? root : Path.join(root, output.name)
    }

    private static func finalPath(_ output: OutputFile, path: String, form: Plan.Form) -> String {
        form == .fileSet ? Path.join(Path.directory(path), output.name) : path
    }

    // MARK: Checks

    /// Whether the destination may be written at all; a dry run asks just this.
    static func check(
        _ path: String, form: Plan.Form, outputs: [OutputFile], replaces: Bool, sources: [SourceFile]
    ) throws(RecastError) {
        try checkName(path)
        let path = Path.trimmed(path)
        let parent = Path.directory(path)
        guard try POSIX.target(parent)?.isDirectory == true else {
            throw RecastError(.inputOutput, "there is no directory \(parent) to write to", trail: [path])
        }
        try checkSources(StagingFolder.path(for: path), sources)
        let finals = form == .fileSet ? outputs.map { finalPath($0, path: path, form: form) } : [path]
        for final in finals {
            guard let place = try POSIX.place(final) else { continue }
            let there = try POSIX.target(final)
            if let there {
                if let source = sources.first(where: { $0.isInside(there) }) {
                    let problem = there.isDirectory ? "holds the source \(source.path)" : "is the source itself"
                    throw RecastError(.destinationExists, problem, trail: [final])
                }
            }
            guard replaces else {
                let isForced = !place.isDirectory || (try? checkReplaced(final, outputs)) != nil
                throw RecastError(
                    .destinationExists,
                    isForced
                        ? "exists already; --force replaces it"
                        : "exists already, and is no checkpoint that --force replaces",
                    trail: [final])
            }
            if let there, there.isDirectory != (form == .directory) {
                let kind = there.isDirectory ? "a directory, and a file" : "a file, and a directory"
                throw RecastError(.destinationExists, "is \(kind) would take its place", trail: [final])
            }
            // Of a link nothing but the link is replaced.
            if place.isDirectory { try checkReplaced(final, outputs) }
        }
    }

    private static func checkName(_ path: String) throws(RecastError) {
        guard !path.isEmpty else { throw .usage("the destination has no name") }
        guard ![".", "..", ""].contains(Path.name(path)) else {
            throw .usage("\(path) names a directory by its place; give the destination a name of its own")
        }
    }

    /// No source may lie where the destination is staged.
    private static func checkSources(_ staging: String, _ sources: [SourceFile]) throws(RecastError) {
        guard let there = try POSIX.target(staging) else { return }
        if let source = sources.first(where: { $0.isInside(there) }) {
            throw RecastError(
                .destinationExists, "would be staged in the place of the source \(source.path)", trail: [staging])
        }
    }

    /// Replacing a directory removes all that is in it, so all of it must be of the kind that is written.
    private static func checkReplaced(_ path: String, _ outputs: [OutputFile]) throws(RecastError) {
        let written = Set(outputs.map(\.name))
        guard let foreign = try ReplacedDirectory.foreignNames(in: path, besides: written) else {
            throw RecastError(
                .destinationExists, "is a directory that holds no checkpoint; it is not replaced", trail: [path])
        }
        guard foreign.isEmpty else {
            throw RecastError(
                .destinationExists,
                "is not replaced, as it also holds what belongs to no checkpoint: \(foreign.abridged)", trail: [path])
        }
        guard access(path, W_OK) == 0 else {
            throw RecastError(.destinationExists, "is a directory that may not be written to", trail: [path])
        }
    }

    private func checkSpace(_ free: Int?, discarding: Bool = false) throws(RecastError) {
        guard let free else { return }
        let needed = outputs.reduce(0) { sum, output in
            let there = earlier == nil ? 0 : POSIX.status(currentPath(output))?.allocatedByteCount ?? 0
            return sum + max(0, output.byteCount - there)
        }
        guard needed > free else { return }
        if discarding { _ = folder.discard() }
        throw RecastError(
            .inputOutput, "not enough space: \(needed) bytes are needed, \(free) are free", trail: [path])
    }

    // MARK: What an earlier run has left

    private func inherit(_ beginning: Beginning) throws(RecastError) {
        var commit = CommitRecord(lines: try folder.lines(of: CommitRecord.name)).map {
            Commit($0, in: folder, parent: Path.directory(path))
        }
        let isFinished = try commit?.finish() == .complete
        if case .resuming(let key) = beginning {
            let content = Journal.content(of: try folder.lines(of: Journal.name))
            if content?.key == key {
                earlier = content
            } else if let content, content.key.plan == key.plan {
                notes.append("the source has changed since an earlier run was interrupted; this one begins anew")
            } else if content != nil, !isFinished {
                throw RecastError(
                    .usage,
                    "belongs to a conversion with other options or another source; remove it, or leave out "
                        + "--resume", trail: [folder.path])
            }
        }
        guard isFinished else { return }
        isCommitted = earlier != nil
        // The names have changed hands, and what is left is of the past.
        if !isCommitted, let problem = folder.clear().first { throw problem }
    }

    // MARK: Staging

    /// Makes the folders, and clears away files that are not those an earlier run has made.
    ///
    /// - Parameter permissions: of the files; the folders have what goes with it.
    /// - Returns: the outputs whose files are there.
    func prepare(permissions: mode_t) throws(RecastError) -> Set<Int> {
        let mode = permissions | permissions >> 2 & 0o111
        try makeFolder(folder.path + "/new", mode: 0o700)
        if form == .directory {
            try makeFolder(stagedRoot, mode: mode)
            for name in folderNames { try makeFolder(Path.join(stagedRoot, name), mode: mode) }
        }
        var kept: Set<Int> = []
        for (index, output) in outputs.enumerated() {
            let path = currentPath(output)
            guard let place = try POSIX.place(path) else { continue }
            if let known = earlier?.files[index], place.isRegular, place.identity == known.identity,
                place.byteCount == output.byteCount, known.byteCount == output.byteCount
            {
                kept.insert(index)
            } else if let problem = POSIX.remove(path).first {
                throw problem
            }
        }
        return kept
    }

    private func makeFolder(_ path: String, mode: mode_t) throws(RecastError) {
        if try POSIX.makeDirectory(path, mode: mode) { return }
        guard try POSIX.place(path)?.isDirectory == true else {
            throw RecastError(.inputOutput, "is no folder", trail: [path])
        }
    }

    /// The folders in the destination, outermost first.
    private var folderNames: [String] {
        Set(outputs.flatMap { Path.folders(of: $0.name) }).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Forgets what an earlier run has given its name to, because it has been changed since.
    func restart(_ sources: [SourceFile]) throws(RecastError) {
        (isCommitted, earlier) = (false, nil)
        if let problem = folder.clear().first { throw problem }
        do throws(RecastError) {
            try Self.check(path, form: form, outputs: outputs, replaces: replaces, sources: sources)
        } catch {
            throw discard(after: error)
        }
    }

    /// The staged files as a journal names them.
    func journalFiles() throws(RecastError) -> [(identity: FileIdentity, byteCount: Int)] {
        try outputs.map { (output) throws(RecastError) in
            let path = currentPath(output)
            guard let place = try POSIX.place(path) else {
                throw RecastError(.inputOutput, "is not there any more", trail: [path])
            }
            return (place.identity, output.byteCount)
        }
    }

    // MARK: Ending

    /// Makes everything durable and gives it its name.
    ///
    /// - Returns: what could not be removed of what was there before.
    func commit() throws(RecastError) -> [String] {
        if !isCommitted {
            try synchronize()
            if form == .directory, try POSIX.place(path)?.isDirectory == true { try Self.checkReplaced(path, outputs) }
            let names = form == .fileSet ? outputs.map(\.name) : [Path.name(path)]
            var commit = Commit(
                CommitRecord(try names.map { (name) throws(RecastError) in try entry(name) }), in: folder,
                parent: Path.directory(path))
            try commit.run()
            isCommitted = true
            if commit.wasAbsent {
                notes.append(
                    "this file system cannot exchange two directories in one step: for a moment there was no \(path)")
            }
        }
        let problems = folder.discard()
        guard !problems.isEmpty else { return [] }
        return ["what was there before could not be removed whole: " + problems.map(\.description).abridged]
    }

    private func entry(_ name: String) throws(RecastError) -> CommitRecord.Entry {
        let staged = Commit.newPath(name, in: folder)
        let final = Path.join(Path.directory(path), name)
        guard let new = try POSIX.place(staged) else {
            throw RecastError(.inputOutput, "is not there any more", trail: [staged])
        }
        let old = try POSIX.place(final)
        guard old == nil || replaces else {
            throw RecastError(.destinationExists, "has appeared in the meantime; --force replaces it", trail: [final])
        }
        return CommitRecord.Entry(name: name, new: new.identity, old: old?.identity)
    }

    /// Files, then the folders they are in, innermost first.
    private func synchronize() throws(RecastError) {
        for output in outputs {
            let staged = currentPath(output)
            let descriptor = try POSIX.open(staged, O_RDWR | O_NOFOLLOW)
            defer { close(descriptor) }
            try POSIX.synchronize(descriptor, path: staged)
        }
        if form == .directory {
            for name in folderNames.reversed() { try POSIX.synchronizeDirectory(Path.join(stagedRoot, name)) }
            try POSIX.synchronizeDirectory(stagedRoot)
        }
        try POSIX.synchronizeDirectory(folder.path + "/new")
        try POSIX.synchronizeDirectory(folder.path)
    }

    /// Removes what is staged, unless the destination is between two names, which only the next run can end.
    ///
    /// - Returns: the error, with what could not be removed.
    func discard(after error: RecastError) -> RecastError {
        guard (try? POSIX.exists(Path.join(folder.path, CommitRecord.name))) != true else { return error }
        let problems = folder.discard()
        guard let first = problems.first else { return error }
        var error = error
        error.message += "; and what was staged could not be removed: \(first)"
        return error
    }
}
