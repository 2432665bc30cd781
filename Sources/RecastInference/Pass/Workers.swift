import Dispatch
import Recast
import Synchronization

/// Threads that share a list of jobs.
///
/// What a job computes must not depend on who does it: BLAS stays on the calling thread, so that the same blocks give
/// the same bits with any number of workers.
struct Workers: Sendable {
    let count: Int
    private let isCancelled: (@Sendable () -> Bool)?

    /// - Throws: `unsupported` where OpenBLAS cannot be loaded.
    init(_ options: PassOptions) throws(RecastError) {
        _ = try MatrixLibrary.loaded()
        count = max(1, options.workers)
        isCancelled = options.isCancelled
    }

    /// Calls `body` for each job; of jobs that fail, the first one's error is thrown and no further ones are begun.
    ///
    /// - Throws: also `interrupted`, which is asked for before each job.
    func run(_ jobs: Int, _ body: (_ worker: Int, _ job: Int) throws(RecastError) -> Void) throws(RecastError) {
        if count == 1 || jobs <= 1 {
            for job in 0..<jobs {
                try checkCancellation()
                try body(0, job)
            }
            return
        }
        let next = Atomic<Int>(0)
        let failure = Mutex<(job: Int, error: RecastError)?>(nil)
        withoutActuallyEscaping(body) { body in
            // Jobs divide what they write among themselves; the compiler cannot see that.
            nonisolated(unsafe) let body = body
            DispatchQueue.concurrentPerform(iterations: min(count, jobs)) { worker in
                while failure.withLock({ $0 == nil }) {
                    let job = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    if job >= jobs { return }
                    do throws(RecastError) {
                        try checkCancellation()
                        try body(worker, job)
                    } catch {
                        failure.withLock { first in
                            if first.map({ job < $0.job }) ?? true { first = (job, error) }
                        }
                    }
                }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure.error }
    }

    private func checkCancellation() throws(RecastError) {
        if let isCancelled, isCancelled() { throw RecastError(.interrupted, "interrupted") }
    }
}
