/// Workers that read the same files.
package struct Parallel {
    let workers: Int
    package let files: FilePool
    let isInterrupted: @Sendable () -> Bool

    package init(
        workers: Int, files: FilePool, isInterrupted: @escaping @Sendable () -> Bool = { Interruption.hasCome }
    ) {
        (self.workers, self.files, self.isInterrupted) = (workers, files, isInterrupted)
    }

    /// Runs `body` for each index, by several workers in whatever order; the first error, by index, is thrown.
    package func forEach(
        _ count: Int, _ body: @Sendable (Int, inout Reader) throws(RecastError) -> Void
    ) throws(RecastError) {
        let workers = Workers(count: workers, isInterrupted: isInterrupted)
        try workers.run(count, state: { _ in Reader(files: files) }) { (reader, index) throws(RecastError) in
            try body(index, &reader)
        }
    }
}
