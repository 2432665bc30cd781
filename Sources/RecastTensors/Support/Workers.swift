import Dispatch
import Synchronization

/// Threads that share a list of jobs: the one parallel loop of the package.
package struct Workers: Sendable {
    package let count: Int
    /// Asked before each job, by any thread; true ends the loop with `interrupted`.
    private let isInterrupted: @Sendable () -> Bool

    package init(count: Int, isInterrupted: @escaping @Sendable () -> Bool = { Interruption.hasCome }) {
        self.count = max(1, count)
        self.isInterrupted = isInterrupted
    }

    /// Calls `body` once for each job. Jobs are begun in order, by whichever worker is free; after one that fails no more are
    /// begun, and of those that failed the first in their order is the one whose error is thrown: so that which error it is
    /// does not depend on the number of workers.
    ///
    /// Jobs must divide what they write among themselves; the compiler does not see that.
    ///
    /// - Parameters:
    ///   - permits: what a worker waits for before it takes a job, and whoever completes the job must give back. The permits
    ///     of jobs that fail are given back here.
    ///   - state: what a worker keeps from job to job, by the worker's number, from 0.
    /// - Throws: what `body` throws; `interrupted`.
    package func run<State: ~Copyable>(
        _ jobs: Int, permits: DispatchSemaphore? = nil, state makeState: (_ worker: Int) -> State,
        _ body: (inout State, _ job: Int) throws(RecastError) -> Void
    ) throws(RecastError) {
        if count == 1 || jobs <= 1 {
            guard jobs > 0 else { return }
            var state = makeState(0)
            for job in 0..<jobs {
                permits?.wait()
                try check()
                try body(&state, job)
            }
            return
        }
        let next = Atomic<Int>(0)
        let failed = Atomic<Bool>(false)
        let failure = Mutex<(job: Int, error: RecastError)?>(nil)
        withoutActuallyEscaping(body) { body in
            withoutActuallyEscaping(makeState) { makeState in
                nonisolated(unsafe) let (body, makeState) = (body, makeState)
                DispatchQueue.concurrentPerform(iterations: min(count, jobs)) { worker in
                    var state = makeState(worker)
                    while true {
                        permits?.wait()
                        let job = failed.load(ordering: .relaxed) ? jobs : next.add(1, ordering: .relaxed).oldValue
                        guard job < jobs else { break }
                        do throws(RecastError) {
                            try check()
                            try body(&state, job)
                        } catch {
                            failure.withLock { first in
                                if first.map({ job < $0.job }) ?? true { first = (job, error) }
                            }
                            failed.store(true, ordering: .relaxed)
                            break
                        }
                    }
                    permits?.signal()
                }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure.error }
    }

    /// Jobs that need nothing but to know who does them.
    package func run(
        _ jobs: Int, _ body: (_ worker: Int, _ job: Int) throws(RecastError) -> Void
    ) throws(RecastError) {
        try run(jobs, state: { $0 }) { (worker, job) throws(RecastError) in try body(worker, job) }
    }

    /// - Throws: `interrupted` where it has come.
    package func check() throws(RecastError) {
        if isInterrupted() { throw RecastError(.interrupted, "interrupted") }
    }
}
