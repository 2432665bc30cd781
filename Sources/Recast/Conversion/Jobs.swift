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

extension LazyTensor {
    /// The rows that are best read together, so that a permutation does not read them twice.
    var rowGrain: Int {
        switch recipe {
        case .gathered(let base, let order):
            order.groupCount * rowByteCount <= 4 << 20 ? order.groupCount : base.rowGrain
        case .converted(let base, _, _): base.rowGrain
        case .decoded(let encoding, _): encoding.rowGrain
        default: 1
        }
    }
}

extension Int {
    /// Of two positive numbers.
    func leastCommonMultiple(with other: Int) -> Int {
        var (a, b) = (self, other)
        while b != 0 { (a, b) = (b, a % b) }
        return self / a * other
    }
}
