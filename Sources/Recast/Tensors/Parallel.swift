/// Workers that read the same files.
struct Parallel {
    let workers: Int
    let files: FilePool
    var isInterrupted: @Sendable () -> Bool = { Interruption.hasCome }

    /// Runs `body` for each index, by several workers in whatever order; the first error, by index, is thrown.
    func forEach(
        _ count: Int, _ body: @Sendable (Int, inout Reader) throws(RecastError) -> Void
    ) throws(RecastError) {
        let workers = Workers(count: workers, isInterrupted: isInterrupted)
        try workers.run(count, state: { _ in Reader(files: files) }) { (reader, index) throws(RecastError) in
            try body(index, &reader)
        }
    }
}
