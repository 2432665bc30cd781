import Recast
import RecastInference

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Compare {
    /// Each model reads the texts with its own tokenizer, and what is compared is how well their bytes are predicted.
    func compareByText() throws {
        if tokenizer.tokenizer != nil {
            throw RecastError.usage("--tokenizer is for models with the same tokens, not for --by-text")
        }
        let progress = JointProgress("comparing", passes: 2, output)
        defer { progress.finish() }
        let results = try [reference, candidate!].enumerated().map { index, path in
            let files = try Checkpoint(path: path)
            try files.verifyChecksums(workers: resources.jobs)
            let model = try Model(files)
            let notes = model.notes + (try precision.notes(on: model))
            output.notes(notes.map { "\(path): \($0)" }, warnings: model.warnings.map { "\(path): \($0)" })
            let loaded = try LoadedTokenizer(model, tokenizer)
            let channels = try texts.channels(loaded, windows, output)
            windows.warn(of: model)
            let pass = try ForwardPass(
                model.graph, files: model.sources, options: progress.options(index, resources, precision))
            return try pass.byteLikelihoods(of: channels, windows.options(loaded)) {
                loaded.tokenizer.decodedBytes([$0]).count
            }
        }
        progress.finish()
        let channels = zip(results[0].channels, results[1].channels).map(BytePair.init)
        let total = BytePair(results[0].total, results[1].total)
        if output.json {
            try Console.document([
                "reference": .string(reference), "candidate": .string(candidate!), "by_text": .bool(true),
                "context": .int(windows.context), "window": .string(windows.window.rawValue),
                "precision": precision.json,
                "channels": .array(channels.map(\.json)), "total": total.json,
            ])
        } else {
            let scores = channels + (channels.count > 1 ? [total] : [])
            let rows: [(String, (BytePair) -> String)] = [
                ("bytes scored, reference", { "\($0.reference.bytes)" }),
                ("bytes scored, candidate", { "\($0.candidate.bytes)" }),
                ("bytes per token, reference", { Format.fixed($0.reference.bytesPerToken, 3) }),
                ("bytes per token, candidate", { Format.fixed($0.candidate.bytesPerToken, 3) }),
                ("bits per byte, reference", { Format.fixed($0.reference.bitsPerByte, 5) }),
                ("bits per byte, candidate", { Format.fixed($0.candidate.bitsPerByte, 5) }),
                ("ratio of perplexities per byte", { Format.fixed($0.ratio, 5) }),
            ]
            let table = [[""] + scores.map(\.reference.name)] + rows.map { title, value in [title] + scores.map(value) }
            try Console.result(Format.table(table, rightAligned: Set(1...scores.count)))
        }
        try CompareThresholds.fail([thresholds.ratioFailure(total.ratio)].compactMap(\.self))
    }

    private struct BytePair {
        let reference: ByteLikelihood
        let candidate: ByteLikelihood

        init(_ reference: ByteLikelihood, _ candidate: ByteLikelihood) {
            self.reference = reference
            self.candidate = candidate
        }

        var ratio: Double { pow(2, candidate.bitsPerByte - reference.bitsPerByte) }

        var json: JSON {
            [
                "name": .string(reference.name), "reference": reference.json, "candidate": candidate.json,
                "ratio": .double(ratio),
            ]
        }
    }
}

extension ByteLikelihood {
    fileprivate var bytesPerToken: Double { Double(bytes) / Double(scored) }

    fileprivate var json: JSON {
        [
            "tokens": .int(tokens), "scored": .int(scored), "bytes": .int(bytes), "nll": .double(nll),
            "bits_per_byte": .double(bitsPerByte),
        ]
    }
}
