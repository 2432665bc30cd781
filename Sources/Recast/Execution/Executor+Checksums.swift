extension OutputFile {
    /// Whether checksums of what is written go into the file.
    var hasChecksums: Bool { !checksums.isEmpty }
}

extension Executor {
    /// Whether what is written to any of a transfer's targets must be looked at for a checksum, so that no byte can be
    /// moved unseen.
    func needsChecksums(_ transfer: Transfer) -> Bool {
        transfer.targets.contains { plan.outputs[$0.output].hasChecksums }
    }

    /// Whether a transfer moves bytes as they are.
    func isCopy(_ transfer: Transfer) -> Bool {
        !transfer.movesCodes && transfer.encoding == .plain(transfer.source.dtype)
    }

    /// Writes the checksums that files hold of their own parts, from those of the pieces that were written.
    func writeChecksums(_ tallies: [Tally]) throws(RecastError) {
        let wanted = plan.outputs.indices.filter { plan.outputs[$0].hasChecksums }
        guard !wanted.isEmpty else { return }
        var pieces: [Int: [WrittenBytes]] = [:]
        for piece in tallies.flatMap(\.written) { pieces[piece.output, default: []].append(piece) }
        for output in wanted {
            let sorted = (pieces[output] ?? []).sorted { $0.offset < $1.offset }
            try writeChecksums(of: output, sorted[...])
        }
    }

    private func writeChecksums(
        of index: Int, _ pieces: ArraySlice<WrittenBytes>
    ) throws(RecastError) {
        let output = plan.outputs[index]
        let sink = try outputs.sink(index)
        var pieces = pieces
        for checksum in output.checksums.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            var value: UInt32 = 0
            var end = checksum.range.lowerBound
            while let piece = pieces.first, piece.offset == end, end < checksum.range.upperBound {
                let count = piece.rowCount * piece.rowByteCount
                value = CRC32.combined(value, piece.checksum, secondByteCount: count)
                end += count
                pieces.removeFirst()
            }
            guard end == checksum.range.upperBound else {
                throw RecastError(
                    .inputOutput, "bytes \(end)..<\(checksum.range.upperBound) were not written", trail: [sink.path])
            }
            var bytes: [UInt8] = []
            bytes.append(littleEndian: value)
            for place in checksum.places {
                try bytes.withBytes { (bytes) throws(RecastError) in try sink.write(bytes, at: place) }
            }
        }
    }
}
