import Dispatch
import Synchronization
import TestSupport
import Testing

@testable import Recast

@Suite struct WorkersTests {
    @Test(arguments: [1, 2, 5, 64], [0, 1, 2, 100]) func everyJobOnce(_ count: Int, _ jobs: Int) throws {
        let done = Mutex([Int](repeating: 0, count: jobs))
        let workers = Mutex<Set<Int>>([])
        try Workers(count: count, isInterrupted: { false }).run(jobs) { worker, job in
            done.withLock { $0[job] += 1 }
            _ = workers.withLock { $0.insert(worker) }
        }
        #expect(done.withLock { $0 } == [Int](repeating: 1, count: jobs))
        #expect(workers.withLock { $0 }.isSubset(of: Set(0..<max(1, min(count, jobs)))))
    }

    /// Whatever the schedule, the error is that of the first job that fails.
    @Test(arguments: 1...8) func firstErrorOfTheJobs(_ count: Int) {
        for _ in 0..<50 {
            let begun = Atomic<Int>(0)
            let error = #expect(throws: RecastError.self) {
                try Workers(count: count, isInterrupted: { false }).run(1000) { (_, job) throws(RecastError) in
                    begun.add(1, ordering: .relaxed)
                    if job % 7 == 6 { throw .usage("job \(job)") }
                }
            }
            #expect(error == .usage("job 6"))
            #expect(begun.load(ordering: .relaxed) < 1000)
        }
    }

    /// A state belongs to one worker, which keeps it.
    @Test(arguments: [1, 3]) func states(_ count: Int) throws {
        final class State {
            var jobs = 0
        }
        let made = Mutex<[Int]>([])
        let sum = Atomic<Int>(0)
        try Workers(count: count, isInterrupted: { false }).run(
            90,
            state: { worker in
                made.withLock { $0.append(worker) }
                return State()
            }
        ) { state, _ in
            state.jobs += 1
            sum.add(1, ordering: .relaxed)
        }
        #expect(sum.load(ordering: .relaxed) == 90)
        #expect(made.withLock { $0.sorted() } == Array(0..<count))
    }

    @Test(arguments: [1, 4]) func interruption(_ count: Int) {
        let asked = Atomic<Int>(0)
        let begun = Atomic<Int>(0)
        let workers = Workers(count: count) { asked.add(1, ordering: .relaxed).newValue > 10 }
        let error = #expect(throws: RecastError.self) {
            try workers.run(1000) { _, _ in begun.add(1, ordering: .relaxed) }
        }
        #expect(error?.code == .interrupted && begun.load(ordering: .relaxed) == 10)
    }

    /// No more jobs are on their way than there are permits, and none waits for ever after an error.
    @Test(arguments: [1, 3, 8], [Int?.none, 0, 17]) func permits(_ count: Int, _ failing: Int?) throws {
        let permits = DispatchSemaphore(value: 0)
        for _ in 0..<3 { permits.signal() }
        let held = Atomic<Int>(0)
        let most = Mutex(0)
        func run() throws(RecastError) {
            try Workers(count: count, isInterrupted: { false }).run(50, permits: permits, state: { _ in 0 }) {
                (_, job) throws(RecastError) in
                let now = held.add(1, ordering: .relaxed).newValue
                most.withLock { $0 = max($0, now) }
                held.subtract(1, ordering: .relaxed)
                if job == failing { throw .usage("job \(job)") }
                permits.signal()
            }
        }
        if let failing {
            #expect(throws: RecastError.usage("job \(failing)")) { try run() }
        } else {
            try run()
        }
        #expect(most.withLock { $0 } <= 3)
    }
}
