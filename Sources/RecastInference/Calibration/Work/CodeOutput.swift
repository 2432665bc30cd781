import Recast
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where the codes of a calibration go: a file for each layer, one for the embedding and one for the head.
final class CodeOutput: Sendable {
    enum Part: Hashable {
        case embedding
        case layer(Int)
        case head
    }

    private let directory: String
    private let weights: [Part: [CodeFile.Weight]]
    private let isTied: Bool
    private let permissions: mode_t
    private let open = Mutex<(part: Part, file: CodeFile)?>(nil)

    init(in folder: WorkFolder, graph: Graph, grids: [Slot: WeightTarget], permissions: mode_t) {
        directory = folder.folder.path
        let isTied = graph.isTied
        self.isTied = isTied
        self.permissions = permissions
        let weights = grids.keys.sorted { "\($0)" < "\($1)" }.map { slot in
            let tensor = graph[slot]!
            return CodeFile.Weight(
                slot: slot, encoding: grids[slot]!.encoding, rows: tensor.rowCount, columns: tensor.columnCount)
        }
        self.weights = Dictionary(grouping: weights) { Self.part($0.slot, isTied: isTied) }
    }

    /// A tied embedding is the head.
    private static func part(_ slot: Slot, isTied: Bool) -> Part {
        slot.layer.map { .layer($0) } ?? (slot.role == .tokenEmbedding && !isTied ? .embedding : .head)
    }

    private func path(_ part: Part) -> String {
        switch part {
        case .embedding: Path.join(directory, "codes-embedding")
        case .layer(let layer): Path.join(directory, "codes-\(layer)")
        case .head: Path.join(directory, "codes-head")
        }
    }

    /// Several threads may write rows at the same time.
    @Sendable func write(_ slot: Slot, _ rows: Range<Int>, _ codes: EncodedRows) throws(RecastError) {
        let part = Self.part(slot, isTied: isTied)
        let file = try open.withLock { (open) throws(RecastError) in
            if let open, open.part == part { return open.file }
            // What an interrupted run has written of it does not count.
            let path = path(part)
            if let problem = POSIX.remove(path).first { throw problem }
            let file = try CodeFile(creating: path, for: weights[part]!, permissions: permissions)
            open = (part, file)
            return file
        }
        try file.write(codes, rows: rows, of: slot)
    }

    /// Makes what was written last.
    func finish(_ part: Part) throws(RecastError) {
        try open.withLock { (open) throws(RecastError) in
            guard let (there, file) = open, there == part else { return }
            try file.synchronize()
            open = nil
        }
    }

    /// The weights of a part that is written.
    func tensors(of part: Part, _ files: FilePool) throws(RecastError) -> [Slot: LazyTensor] {
        try CodeFile.tensors(of: weights[part] ?? [], in: path(part), files: files)
    }

    /// All weights, once all are written.
    func tensors(_ files: FilePool) throws(RecastError) -> [Slot: LazyTensor] {
        var tensors: [Slot: LazyTensor] = [:]
        for part in weights.keys { tensors.merge(try self.tensors(of: part, files)) { $1 } }
        return tensors
    }
}
