/// The renames that let a staged destination appear, and what undoes or finishes them.
///
/// One file or directory takes its place in one step: at every moment the destination is the old one or the new one. A
/// set of files cannot; the file that readers open first goes first and comes last, so that a half of one set is never
/// read with a half of the other, and the record says what is left to do.
struct Commit {
    let folder: StagingFolder
    /// The directory of the destination.
    let parent: String
    let record: CommitRecord
    /// Renames that were done: what undoes them, last first.
    private var done: [Step] = []
    /// Whether there was a moment without a directory by the destination's name.
    private(set) var wasAbsent = false

    private enum Step {
        case moved(from: String, to: String)
        case exchanged(String, String)
        /// A file was renamed over another, of which a second name was kept.
        case covered(by: String, at: String, keptAs: String)
    }

    init(_ record: CommitRecord, in folder: StagingFolder, parent: String) {
        self.folder = folder
        self.parent = parent
        self.record = record
    }

    static func newPath(_ name: String, in folder: StagingFolder) -> String { folder.path + "/new/" + name }

    private func new(_ entry: CommitRecord.Entry) -> String { Self.newPath(entry.name, in: folder) }
    private func old(_ entry: CommitRecord.Entry) -> String { folder.path + "/old/" + entry.name }
    private func final(_ entry: CommitRecord.Entry) -> String { Path.join(parent, entry.name) }

    // MARK: Doing

    /// Gives the destination its name.
    ///
    /// - Throws: what has failed; everything is then as it was, or, where even that fails, the message says so and the
    ///   record stays, so that the next run finishes.
    mutating func run() throws(RecastError) {
        do throws(RecastError) {
            _ = try folder.write(record.lines, to: CommitRecord.name)
            try rename()
            try synchronize()
        } catch {
            try undo(after: error)
            throw error
        }
    }

    private mutating func rename() throws(RecastError) {
        if record.entries.count == 1 {
            try takePlace(record.entries[0])
            return
        }
        for entry in record.entries where entry.old != nil { try moveAside(entry) }
        for entry in record.entries.reversed() { try moveIn(entry) }
    }

    /// Puts one file or directory in the place of what is there, in one step where the file system knows how.
    private mutating func takePlace(_ entry: CommitRecord.Entry) throws(RecastError) {
        guard entry.old != nil else {
            try moveIn(entry)
            return
        }
        do throws(POSIX.RenameFailure) {
            try POSIX.exchange(new(entry), with: final(entry))
            done.append(.exchanged(new(entry), final(entry)))
            return
        } catch {
            guard case .unsupported = error else { throw error.error("take the place of \(final(entry))", new(entry)) }
        }
        // A file takes the place of another in one step everywhere; for a moment there is no directory.
        if try POSIX.place(final(entry))?.isDirectory == false {
            try cover(entry)
            return
        }
        wasAbsent = true
        try moveAside(entry)
        try moveIn(entry)
    }

    private mutating func cover(_ entry: CommitRecord.Entry) throws(RecastError) {
        _ = try POSIX.makeDirectory(folder.path + "/old", mode: 0o700)
        let isKept = POSIX.link(final(entry), to: old(entry))
        do throws(POSIX.RenameFailure) { try POSIX.renameOver(new(entry), to: final(entry)) } catch {
            throw error.error("take the place of \(final(entry))", new(entry))
        }
        if isKept { done.append(.covered(by: new(entry), at: final(entry), keptAs: old(entry))) }
    }

    private mutating func moveAside(_ entry: CommitRecord.Entry) throws(RecastError) {
        _ = try POSIX.makeDirectory(folder.path + "/old", mode: 0o700)
        try move(final(entry), to: old(entry), "move the old one away")
    }

    private mutating func moveIn(_ entry: CommitRecord.Entry) throws(RecastError) {
        try move(new(entry), to: final(entry), "give it its name")
    }

    private mutating func move(_ path: String, to final: String, _ action: String) throws(RecastError) {
        do throws(POSIX.RenameFailure) { try POSIX.renameExclusively(path, to: final) } catch {
            if case .exists = error {
                throw RecastError(
                    .destinationExists, "has appeared in the meantime; --force replaces it", trail: [final])
            }
            throw error.error(action, path)
        }
        done.append(.moved(from: path, to: final))
    }

    private func synchronize() throws(RecastError) {
        try POSIX.synchronizeDirectory(parent)
        for name in ["/new", "/old"] where try POSIX.exists(folder.path + name) {
            try POSIX.synchronizeDirectory(folder.path + name)
        }
    }

    private mutating func undo(after error: RecastError) throws(RecastError) {
        while let step = done.last {
            do throws(POSIX.RenameFailure) {
                switch step {
                case .moved(let path, let final): try POSIX.renameExclusively(final, to: path)
                case .exchanged(let path, let final): try POSIX.exchange(path, with: final)
                case .covered(let path, let final, let old):
                    _ = POSIX.link(final, to: path)
                    try POSIX.renameOver(old, to: final)
                }
            } catch let failure {
                let why = failure.error("undo that", parent)
                throw RecastError(
                    .inputOutput,
                    "\(error.message); and undoing it failed: \(why.message). Old and new files are whole, in \(parent) "
                        + "and \(folder.path); the same command again finishes", trail: error.trail)
            }
            done.removeLast()
        }
        if let problem = folder.remove(CommitRecord.name).first { throw problem.within(error.description) }
    }

    // MARK: Finishing what a killed run has begun

    enum State {
        /// None of the names has changed hands.
        case untouched
        /// All have.
        case complete
    }

    /// Finds out how far an earlier run has come, and goes on where it has begun.
    ///
    /// - Throws: where what the record speaks of is not there any more, or something else is.
    mutating func finish() throws(RecastError) -> State {
        var isBegun = false
        var isComplete = true
        for entry in record.entries {
            let there = try POSIX.place(final(entry))?.identity
            let isInPlace = there == entry.new
            // A file that still has its name, and another in `old/`, has not been moved.
            let aside = try POSIX.place(old(entry))?.identity
            if isInPlace || entry.old != nil && there != entry.old && aside == entry.old { isBegun = true }
            if !isInPlace { isComplete = false }
        }
        guard isBegun else { return .untouched }
        if isComplete {
            try synchronize()
            return .complete
        }
        for entry in record.entries.reversed() {
            let there = try POSIX.place(final(entry))?.identity
            if there == entry.new { continue }
            guard try POSIX.place(new(entry))?.identity == entry.new else {
                throw lost(entry, "what was staged is not there any more")
            }
            if let there {
                guard there == entry.old else { throw lost(entry, "something else has taken its name") }
                try moveAside(entry)
            }
            try moveIn(entry)
        }
        try synchronize()
        return .complete
    }

    private func lost(_ entry: CommitRecord.Entry, _ message: String) -> RecastError {
        RecastError(
            .inputOutput,
            "a run that was killed while it gave the destination its name cannot be finished: \(message). What there is "
                + "of old and new files is in \(folder.path); move it away to begin anew", trail: [final(entry)])
    }
}
