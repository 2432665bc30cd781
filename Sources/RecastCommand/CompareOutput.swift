import Recast
import RecastInference

extension Compare {
    func show(_ result: Divergence, context: Int, _ window: String) throws(RecastError) {
        if output.json {
            var document = JSON.Object([
                ("reference", .string(reference)), ("candidate", .optional(candidate)), ("context", .int(context)),
                ("window", .string(window)), ("precision", precision.json),
                ("channels", .array(result.channels.map(\.json))),
                ("total", result.total.json), ("layers", .array(result.layers.map(\.json))),
            ])
            if tensors { document["tensors"] = .array(result.linears.map(\.json)) }
            return try Console.document(.object(document))
        }
        let scores = result.channels + (result.channels.count > 1 ? [result.total] : [])
        let rows: [(String, (Divergence.Score) -> String)] = [
            ("tokens scored", { "\($0.scored)" }),
            ("perplexity, reference", { Self.perplexity($0.reference) }),
            ("perplexity, candidate", { Self.perplexity($0.candidate) }),
            ("ratio", { Format.fixed($0.ratio, 5) }),
            (
                "KL divergence, mean",
                { score in
                    Format.fixed(score.divergence.mean, 6)
                        + (score.divergence.error.map { " ± " + Format.fixed($0, 6) } ?? "")
                }
            ),
            ("  median", { Format.fixed($0.divergence.median, 6) }),
            ("  90 %", { Format.fixed($0.divergence.p90, 6) }),
            ("  95 %", { Format.fixed($0.divergence.p95, 6) }),
            ("  99 %", { Format.fixed($0.divergence.p99, 6) }),
            ("  99.9 %", { Format.fixed($0.divergence.p999, 6) }),
            ("  maximum", { Format.fixed($0.divergence.maximum, 6) }),
            ("same top token", { Format.fixed(100 * $0.sameTop, 3) + " %" }),
            ("RMS Δp", { Format.fixed(100 * $0.rootMeanSquareDeltaP, 3) + " %" }),
        ]
        let table = [[""] + scores.map(\.name)] + rows.map { title, value in [title] + scores.map(value) }
        try Console.result(Format.table(table, rightAligned: Set(1...scores.count)))
        if !result.layers.isEmpty {
            let rows = result.layers.map {
                ["\($0.layer)", Format.fixed($0.cosine, 6), Format.fixed($0.relativeError, 6)]
            }
            try Console.result("")
            try Console.result(
                Format.table([["behind layer", "cosine", "relative error"]] + rows, rightAligned: [0, 1, 2]))
        }
        guard tensors else { return }
        let linears = result.linears.map {
            ["\($0.slot)", "\($0.tokens)", Format.fixed($0.cosine, 6), Format.fixed($0.relativeError, 6)]
        }
        try Console.result("")
        try Console.result(
            Format.table([["output of", "tokens", "cosine", "relative error"]] + linears, rightAligned: [1, 2, 3]))
    }

    private static func perplexity(_ likelihood: Divergence.Likelihood) -> String {
        Format.fixed(likelihood.perplexity, 4) + (likelihood.error.map { " ± " + Format.fixed($0, 4) } ?? "")
    }
}

extension Divergence.Score {
    fileprivate var json: JSON {
        [
            "name": .string(name), "tokens": .int(tokens), "scored": .int(scored), "reference": reference.json,
            "candidate": candidate.json, "ratio": .double(ratio), "kld": divergence.json, "top1": .double(sameTop),
            "dp_rms": .double(rootMeanSquareDeltaP),
        ]
    }
}

extension Divergence.Likelihood {
    fileprivate var json: JSON {
        ["nll": .double(nll), "perplexity": .double(perplexity), "error": error.map(JSON.double) ?? .null]
    }
}

extension Divergence.Distribution {
    fileprivate var json: JSON {
        [
            "mean": .double(mean), "error": error.map(JSON.double) ?? .null, "median": .double(median),
            "p90": .double(p90), "p95": .double(p95), "p99": .double(p99), "p999": .double(p999),
            "max": .double(maximum),
        ]
    }
}

extension Divergence.Layer {
    fileprivate var json: JSON {
        ["layer": .int(layer), "cosine": .double(cosine), "relative_error": .double(relativeError)]
    }
}

extension Divergence.Linear {
    fileprivate var json: JSON {
        [
            "layer": slot.layer.map(JSON.int) ?? .null, "role": .string(slot.role.rawValue),
            "expert": slot.expert.map(JSON.int) ?? .null, "tokens": .int(tokens), "cosine": .double(cosine),
            "relative_error": .double(relativeError),
        ]
    }
}
