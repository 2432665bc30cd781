import Recast
import RecastInference

extension Compare {
    /// What was found, as a page.
    func page(_ result: Divergence, context: Int, _ window: String, _ notes: [String], _ warnings: [String])
        -> ReportPage
    {
        var report = CompareReport(
            reference: reference, candidate: candidate ?? "", channels: result.channels.map(\.reported),
            total: result.total.reported)
        report.divergences = (
            [0] + result.histogram.dropLast().map(\.upperBound) + [.infinity], result.histogram.map(\.count)
        )
        report.thresholds = thresholds.demands(result)
        report.minimumCosine = thresholds.minCosine
        report.layers = result.layers.map {
            .init(layer: $0.layer, cosine: $0.cosine, relativeError: $0.relativeError)
        }
        report.linears = result.linears.map { linear in
            let expert = linear.slot.expert.map { ".\($0)" } ?? ""
            return .init(
                layer: linear.slot.layer ?? 0, role: linear.slot.role.rawValue + expert, cosine: linear.cosine,
                relativeError: linear.relativeError)
        }
        report.conditions = [
            ("context", "\(context)"), ("window", window), ("precision", precision.precision.rawValue),
        ]
        report.notes = notes
        report.warnings = warnings
        report.origin = ReportOptions.origin
        return report.page
    }
}

extension Divergence.Score {
    fileprivate var reported: CompareReport.Channel {
        CompareReport.Channel(
            name: name, tokens: tokens, scored: scored,
            referencePerplexity: .init(reference.perplexity, error: reference.error),
            candidatePerplexity: .init(candidate.perplexity, error: candidate.error), ratio: ratio,
            divergence: .init(divergence.mean, error: divergence.error),
            quantiles: [
                (0.5, divergence.median), (0.9, divergence.p90), (0.95, divergence.p95), (0.99, divergence.p99),
                (0.999, divergence.p999), (1, divergence.maximum),
            ], sameTop: sameTop, rootMeanSquareDeltaP: rootMeanSquareDeltaP)
    }
}
