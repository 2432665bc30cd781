import Dispatch
import Synchronization

/// Workers that read the same files.
struct Parallel {
    let workers: Int
    let files: FilePool
    var isInterrupted: @Sendable () -> Bool = { Interruption.hasCome }

    /// Runs `body` for each index, by several workers in whatever order; the first error, by index, is thrown.
    func forEach(
        _ count: Int, _ body: @Sendable (Int, inout Reader) throws(RecastError) -> Void
    ) throws(RecastError) {
        guard count > 0 else { return }
        let next = Atomic<Int>(0)
        let failures = Mutex<[(index: Int, error: RecastError)]>([])
        let failed = Atomic<Bool>(false)
        DispatchQueue.concurrentPerform(iterations: min(max(1, workers), count)) { _ in
            var reader = Reader(files: files)
            while !failed.load(ordering: .relaxed) {
                let index = next.add(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                do throws(RecastError) {
                    if isInterrupted() { throw RecastError(.interrupted, "interrupted") }
                    try body(index, &reader)
                } catch {
                    failures.withLock { $0.append((index, error)) }
                    failed.store(true, ordering: .relaxed)
                }
            }
        }
        if let first = failures.withLock({ $0.min { $0.index < $1.index } }) { throw first.error }
    }
}
