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

    /// What is passed, each as a sentence.
    func failures(_ result: Divergence) -> [String] {
        func above(_ value: Double, _ limit: Double?) -> Bool { limit.map { !(value <= $0) } ?? false }
        let total = result.total
        let worst = result.layers.min { $0.cosine < $1.cosine }
        return [
            above(total.divergence.mean, maxKld)
                ? "the mean divergence \(Format.fixed(total.divergence.mean, 6)) is above \(maxKld!)" : nil,
            ratioFailure(total.ratio),
            worst.flatMap { worst in
                above(-worst.cosine, minCosine.map { -$0 })
                    ? "the cosine similarity behind layer \(worst.layer), \(Format.fixed(worst.cosine, 6)), is below \(minCosine!)"
                    : nil
            },
            above(-total.sameTop, minTop1.map { -$0 })
                ? "the likeliest token is the same at \(Format.fixed(total.sameTop, 5)) of positions, below \(minTop1!)"
                : nil,
        ].compactMap(\.self)
    }

    func ratioFailure(_ ratio: Double) -> String? {
        guard let maxPerplexityRatio, !(ratio <= maxPerplexityRatio) else { return nil }
        return "the ratio of perplexities \(Format.fixed(ratio, 5)) is above \(maxPerplexityRatio)"
    }

    /// - Throws: `comparisonFailed` with each threshold that is passed.
    func check(_ result: Divergence) throws(RecastError) { try Self.fail(failures(result)) }

    static func fail(_ failures: [String]) throws(RecastError) {
        if let first = failures.first {
            throw RecastError(.comparisonFailed, first, details: Array(failures.dropFirst()))
        }
    }
}
