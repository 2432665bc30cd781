import Synchronization

/// The files of a run. Each checkpoint that is opened adds its own, so that tensors of all of them can be in one graph;
/// files are opened when they are needed, and the most recently used are kept open.
///
/// A file that is dropped while somebody reads it is closed when that reader lets go.
public final class FilePool: Sendable {
    package let places: Places
    private let capacity: Int
    private let state: Mutex<State>

    private struct State {
        /// By their ids.
        var files: [SourceFile]
        var ids: [SourceFile: FileID]
        /// The most recently used last.
        var open: [Entry] = []
        var places: [PlaceReference: any FilePlace] = [:]
    }

    private struct Entry {
        var id: FileID
        var source: any ByteSource
    }

    /// - Parameters:
    ///   - files: those whose ids are the first.
    ///   - places: by which files are found again.
    package init(_ files: [SourceFile] = [], capacity: Int = 128, places: Places) {
        self.capacity = max(1, capacity)
        self.places = places
        let ids = Dictionary(files.enumerated().map { ($1, FileID($0)) }) { first, _ in first }
        state = Mutex(State(files: files, ids: ids))
    }

    /// All that were added so far, by their ids.
    package var files: [SourceFile] { state.withLock { $0.files } }

    package subscript(id: FileID) -> SourceFile { state.withLock { $0.files[id.index] } }

    /// The file's id; the same as long as it is the same file, unchanged.
    package func add(_ file: SourceFile) -> FileID {
        state.withLock { state in
            if let id = state.ids[file] { return id }
            let id = FileID(state.files.count)
            state.files.append(file)
            state.ids[file] = id
            return id
        }
    }

    /// - Throws: `inputOutput` where the file is not the one that was examined.
    package func source(_ id: FileID) throws(RecastError) -> any ByteSource {
        let held = state.withLock { state -> (any ByteSource)? in
            guard let index = state.open.lastIndex(where: { $0.id == id }) else { return nil }
            let entry = state.open.remove(at: index)
            state.open.append(entry)
            return entry.source
        }
        if let held { return held }

        let file = self[id]
        let source = try place(of: file).source(of: file.name)
        guard source.file == file else {
            throw RecastError(.inputOutput, "has changed since it was examined", trail: [file.path])
        }
        state.withLock { state in
            state.open.append(Entry(id: id, source: source))
            if state.open.count > capacity { state.open.removeFirst() }
        }
        return source
    }

    private func place(of file: SourceFile) throws(RecastError) -> any FilePlace {
        if let held = state.withLock({ $0.places[file.place] }) { return held }
        let place = try places.open(file.place)
        state.withLock { $0.places[file.place] = place }
        return place
    }

    // MARK: Changes

    /// Whether all files are still those that were examined, so that what was read of them belongs together.
    ///
    /// - Throws: `inputOutput` where one is not.
    package func checkUnchanged() throws(RecastError) {
        for file in files where !isUnchanged(file) {
            throw RecastError(.inputOutput, "has changed since it was examined", trail: [file.localPath ?? file.path])
        }
    }

    package var hasChanged: Bool { files.contains { !isUnchanged($0) } }

    private func isUnchanged(_ file: SourceFile) -> Bool {
        guard let status = (try? place(of: file))?.status(of: file.name) else { return false }
        return status.byteCount == file.byteCount && status.tag == file.tag
    }
}
