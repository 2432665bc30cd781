import Foundation
import Recast
import Synchronization

/// Worker processes that answer batches of prompts.
///
/// Each has a thread here that gives it the next batch when it is done with one; answers are given away in the order of the
/// batches. A batch whose worker ends without an answer is given to another once; then its prompts are failures.
final class AnswerPool: Sendable {
    private let workers: [AnswerWorker]

    private struct State {
        /// Batches that nobody has, the next one last, and how often each was given away.
        var waiting: [Int]
        var tries: [Int: Int] = [:]
        var answers: [Int: [PromptAnswer]] = [:]
        /// The first batch whose answers were not given away.
        var next = 0
        var busy = 0
        var failure: RecastError?
    }

    /// - Parameter words: the arguments of a worker.
    init(count: Int, words: [String]) throws(RecastError) {
        var workers: [AnswerWorker] = []
        for _ in 0..<count { workers.append(try AnswerWorker(words)) }
        self.workers = workers
    }

    deinit { for worker in workers { worker.end() } }

    func run(
        _ batches: [[PromptLine]], _ take: ([PromptAnswer]) throws(RecastError) -> Void
    ) throws(RecastError) {
        let state = Mutex(State(waiting: Array(batches.indices.reversed())))
        let changed = DispatchSemaphore(value: 0)
        let alive = Mutex(workers.count)
        for worker in workers {
            let thread = Thread {
                while true {
                    let batch = state.withLock { state -> Int? in
                        guard state.failure == nil, let batch = state.waiting.popLast() else { return nil }
                        state.busy += 1
                        return batch
                    }
                    guard let batch else {
                        // Another may yet give its batch back.
                        if state.withLock({ $0.busy == 0 || $0.failure != nil }) { break }
                        usleep(10_000)
                        continue
                    }
                    let answers = worker.answers(batches[batch])
                    state.withLock { state in
                        state.busy -= 1
                        if let answers {
                            state.answers[batch] = answers
                        } else {
                            state.tries[batch, default: 0] += 1
                            if state.tries[batch]! < 2, alive.withLock({ $0 }) > 1 {
                                state.waiting.append(batch)
                            } else {
                                state.answers[batch] = batches[batch].map {
                                    PromptAnswer(
                                        index: $0.index, id: $0.id,
                                        .failure("the worker process that had it has ended: \(worker.ending)"))
                                }
                            }
                        }
                    }
                    changed.signal()
                    if answers == nil { break }
                }
                alive.withLock { $0 -= 1 }
                changed.signal()
            }
            thread.start()
        }
        var next = 0
        while next < batches.count {
            _ = changed.wait(timeout: .now() + .milliseconds(200))
            do throws(RecastError) {
                try Interruption.check()
                while let answers = state.withLock({ $0.answers.removeValue(forKey: next) }) {
                    try take(answers)
                    next += 1
                }
            } catch {
                state.withLock { $0.failure = error }
                for worker in workers { worker.end() }
                throw error
            }
            if next < batches.count, alive.withLock({ $0 }) == 0, state.withLock({ $0.answers[next] == nil }) {
                throw RecastError(
                    .inputOutput, "all worker processes have ended: \(workers[0].ending)",
                    details: ["each has the model in memory: fewer --workers need less"])
            }
        }
    }
}

/// One worker process.
private final class AnswerWorker: @unchecked Sendable {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending: [UInt8] = []

    init(_ words: [String]) throws(RecastError) {
        process.executableURL = Bundle.main.executableURL
        process.arguments = words
        process.standardInput = input
        process.standardOutput = output
        do { try process.run() } catch {
            throw RecastError(.inputOutput, "cannot start a worker process: \(error.localizedDescription)")
        }
    }

    /// - Returns: nil where the process has ended.
    func answers(_ batch: [PromptLine]) -> [PromptAnswer]? {
        let json = JSON.array(
            batch.map { ["index": .int($0.index), "number": .int($0.number), "line": .string($0.source)] })
        do { try input.fileHandleForWriting.write(contentsOf: Data((json.text() + "\n").utf8)) } catch { return nil }
        guard let line = readLine(), let answers = (try? JSON(parsing: line, file: "a worker"))?.array else {
            return nil
        }
        let found = answers.compactMap(PromptAnswer.init)
        return found.map(\.index) == batch.map(\.index) ? found : nil
    }

    private func readLine() -> [UInt8]? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                defer { pending.removeFirst(end + 1) }
                return Array(pending[..<end])
            }
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { return nil }
            pending += data
        }
    }

    /// How it has ended, for people.
    var ending: String {
        if process.isRunning { process.waitUntilExit() }
        return process.terminationReason == .uncaughtSignal
            ? "by signal \(process.terminationStatus)" : "with status \(process.terminationStatus)"
    }

    func end() { if process.isRunning { process.terminate() } }
}
