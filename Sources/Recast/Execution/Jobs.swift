/// A piece of a plan that one worker does at a time: some rows of one transfer.
struct Job: Sendable, Hashable {
    var transfer: Int
    var batch: Int
    var rows: Range<Int>
}

extension Plan {
    /// The plan cut into jobs, the same for any number of workers.
    ///
    /// - Parameter byteCount: about how much a job reads.
    func jobs(byteCount: Int = 4 << 20) -> [Job] {
        var jobs: [Job] = []
        for (index, transfer) in transfers.enumerated() {
            let source = transfer.source
            let grain = transfer.encoding.rowGrain.leastCommonMultiple(with: source.rowGrain)
            let wanted = max(1, byteCount / max(1, source.rowByteCount))
            let rows = max(grain, wanted / grain * grain)
            for batch in 0..<source.batchCount {
                for first in stride(from: 0, to: source.rowCount, by: rows) {
                    jobs.append(Job(transfer: index, batch: batch, rows: first..<min(first + rows, source.rowCount)))
                }
            }
        }
        return jobs
    }
}
