import ArgumentParser
import Recast
import RecastInference

/// Beyond which a comparison fails.
struct CompareThresholds: ParsableArguments {
    @Option(help: ArgumentHelp("Fail above this mean divergence, in nats.", valueName: "x"))
    var maxKld: Double?

    @Option(help: ArgumentHelp("Fail above this ratio of perplexities.", valueName: "x"))
    var maxPerplexityRatio: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Fail where a layer's cosine similarity is below this, -1 to 1.", valueName: "x"))
    var minCosine: Double?

    @Option(
        name: .customLong("min-top1"),
        help: ArgumentHelp("Fail below this part of positions with the same likeliest token, 0 to 1.", valueName: "x"))
    var minTop1: Double?

    func validate() throws {
        if let minTop1, !(0...1).contains(minTop1) { throw ValidationError("--min-top1 takes a number from 0 to 1") }
        if let minCosine, !(-1...1).contains(minCosine) {
            throw ValidationError("--min-cosine takes a number from -1 to 1")
        }
        if let maxKld, !(maxKld >= 0) { throw ValidationError("--max-kld takes a number from 0 on") }
        if let maxPerplexityRatio, !(maxPerplexityRatio > 0) {
            throw ValidationError("--max-perplexity-ratio takes a positive number")
        }
    }

    /// The options that were given.
    var given: [String] {
        [
            ("--max-kld", maxKld), ("--max-perplexity-ratio", maxPerplexityRatio), ("--min-cosine", minCosine),
            ("--min-top1", minTop1),
        ].filter { $0.1 != nil }.map(\.0)
    }

    /// What is demanded, and what it is held against.
    func demands(_ result: Divergence) -> [CompareReport.Threshold] {
        let total = result.total
        let worst = result.layers.min { $0.cosine < $1.cosine }
        func demand(_ name: String, _ value: Double?, _ limit: Double?, isMinimum: Bool) -> CompareReport.Threshold? {
            guard let value, let limit else { return nil }
            // What is no number keeps no threshold.
            return CompareReport.Threshold(
                name: name, value: value, limit: limit, isMinimum: isMinimum,
                isPassed: isMinimum ? value >= limit : value <= limit)
        }
        return [
            demand("mean divergence", total.divergence.mean, maxKld, isMinimum: false),
            demand("ratio of perplexities", total.ratio, maxPerplexityRatio, isMinimum: false),
            demand(
                "cosine similarity behind layer \(worst?.layer ?? 0)", worst?.cosine, minCosine, isMinimum: true),
            demand("part of positions with the same likeliest token", total.sameTop, minTop1, isMinimum: true),
        ].compactMap(\.self)
    }

    /// What is passed, each as a sentence.
    static func failures(_ demands: [CompareReport.Threshold]) -> [String] {
        demands.filter { !$0.isPassed }.map {
            "the \($0.name), \(Format.fixed($0.value, 6)), is \($0.isMinimum ? "below" : "above") \($0.limit)"
        }
    }

    func ratioFailure(_ ratio: Double) -> String? {
        guard let maxPerplexityRatio, !(ratio <= maxPerplexityRatio) else { return nil }
        return "the ratio of perplexities, \(Format.fixed(ratio, 6)), is above \(maxPerplexityRatio)"
    }

    /// - Throws: `comparisonFailed` with each threshold that is passed.
    func check(_ result: Divergence) throws(RecastError) { try Self.fail(Self.failures(demands(result))) }

    static func fail(_ failures: [String]) throws(RecastError) {
        if let first = failures.first {
            throw RecastError(.comparisonFailed, first, details: Array(failures.dropFirst()))
        }
    }
}
