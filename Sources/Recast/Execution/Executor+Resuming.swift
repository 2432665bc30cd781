import Synchronization

/// What an earlier run has done is believed only where it is read back.
extension Executor {
    /// The jobs of an earlier run whose bytes are in the files.
    ///
    /// - Parameters:
    ///   - finished: what its journal says is done.
    ///   - kept: outputs whose files are those the journal speaks of.
    func intact(_ finished: [Int: Tally], in kept: Set<Int>) throws(RecastError) -> [Int: Tally] {
        let candidates = finished.keys.sorted().filter { index in
            jobs.indices.contains(index)
                && plan.transfers[jobs[index].transfer].targets.allSatisfy { kept.contains($0.output) }
        }
        let found = Mutex<[Int: Tally]>([:])
        try inParallel(over: candidates.count) { (index, reader) throws(RecastError) in
            let number = candidates[index]
            guard let tally = finished[number], try isIntact(jobs[number], tally, &reader) else { return }
            found.withLock { $0[number] = tally }
        }
        return found.withLock { $0 }
    }

    private func isIntact(_ job: Job, _ tally: Tally, _ reader: inout Reader) throws(RecastError) -> Bool {
        let transfer = plan.transfers[job.transfer]
        let isWritten = tally.written.allSatisfy {
            plan.outputs.indices.contains($0.output) && $0.lies(within: plan.outputs[$0.output].byteCount)
        }
        guard isWritten else { return false }
        if isCopy(transfer), !needsChecksums(transfer) { return try differingCopy(job, &reader) == nil }
        let isEmpty = job.rows.isEmpty || transfer.targets.allSatisfy { $0.columns.isEmpty || $0.rows.isEmpty }
        guard isEmpty || !tally.written.isEmpty else { return false }
        for piece in tally.written where try !isIntact(piece, &reader) { return false }
        return true
    }

    /// Whether the files hold what was known of them beforehand.
    func literalsAreIntact() throws(RecastError) -> Bool {
        for (index, output) in plan.outputs.enumerated() {
            let sink = try outputs.sink(index)
            // Places of checksums are literals that have been written over.
            var places = output.checksums.flatMap(\.places).sorted()[...]
            for literal in output.literals.sorted(by: { $0.offset < $1.offset }) {
                var found = [UInt8](repeating: 0, count: literal.bytes.count)
                try found.withMutableBytes { (buffer) throws(RecastError) in
                    try sink.read(into: buffer, at: literal.offset)
                }
                places = places.drop { $0 < literal.offset }
                for place in places.prefix(while: { $0 < literal.offset + found.count }) {
                    let start = place - literal.offset
                    let end = min(start + 4, found.count)
                    found.replaceSubrange(start..<end, with: literal.bytes[start..<end])
                }
                guard found == literal.bytes else { return false }
            }
        }
        return true
    }
}

extension Plan {
    /// The parts of some outputs that neither a literal nor a transfer fills, by output.
    func gaps(of wanted: Set<Int>) -> [Int: [Range<Int>]] {
        guard !wanted.isEmpty else { return [:] }
        var filled: [Int: [Range<Int>]] = [:]
        for output in wanted {
            filled[output] =
                outputs[output].literals.map { $0.offset..<$0.offset + $0.bytes.count }
                + outputs[output].checksums.flatMap(\.places).map { $0..<$0 + 4 }
        }
        for transfer in transfers {
            let parts = transfer.parts
            for target in transfer.targets where wanted.contains(target.output) {
                let part = LazyTensor.zeros(parts[target.part].dtype, parts[target.part].shape)
                let window = Window(batch: 0, rows: target.rows, columns: target.columns)
                let byteCount = target.batches.count * part.byteCount(of: window)
                filled[target.output]?.append(target.offset..<target.offset + byteCount)
            }
        }
        var gaps: [Int: [Range<Int>]] = [:]
        for (output, ranges) in filled {
            var end = 0
            for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
                if range.lowerBound > end { gaps[output, default: []].append(end..<range.lowerBound) }
                end = max(end, range.upperBound)
            }
            if end < outputs[output].byteCount {
                gaps[output, default: []].append(end..<outputs[output].byteCount)
            }
        }
        return gaps
    }
}
