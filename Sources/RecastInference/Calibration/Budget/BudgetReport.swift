import Recast

/// How the types of a file were chosen.
public struct BudgetReport: Sendable {
    /// Tensors that share a type.
    public struct Unit: Sendable, Equatable {
        public var tensors: [String]
        public var type: WeightType
        /// What their outputs lose by the type, as a part of their mean square, summed over their roles.
        public var error: Double
        /// What they alone do to the model's predictions, mean divergence in nats, as it was predicted.
        public var divergence: Double
    }

    /// How far predictions on the texts that were held out are from the original's.
    public struct Score: Sendable, Equatable {
        /// Positions that were compared.
        public var scored: Int
        /// The mean, in nats.
        public var divergence: Double
        /// The standard error of the mean.
        public var error: Double?
        /// The part of the positions with the same likeliest token.
        public var sameTop: Double
        /// The perplexity divided by the original's.
        public var ratio: Double

        /// What is no number is above all.
        func isBelow(_ other: Score) -> Bool {
            (divergence.isNaN ? .infinity : divergence) < (other.divergence.isNaN ? .infinity : other.divergence)
        }
    }

    /// A table of types that was calibrated and measured.
    public struct Candidate: Sendable, Equatable {
        /// What its types were chosen by.
        public var name: String
        public var score: Score
        public var isChosen: Bool
    }

    public var units: [Unit]
    public var candidates: [Candidate]

    init(
        _ units: [BudgetUnit], _ measured: [Budget.Measured], _ tables: [[WeightType]], names: [String],
        _ scores: [Score], chosen: Int
    ) {
        self.units = units.indices.map { index in
            let type = tables[chosen][index]
            return Unit(
                tensors: units[index].tensors.map(\.name), type: type, error: measured[index].errors[type] ?? .nan,
                divergence: measured[index].predicted(type))
        }
        candidates = scores.indices.map { Candidate(name: names[$0], score: scores[$0], isChosen: $0 == chosen) }
    }
}

// MARK: Kept between runs

extension BudgetReport.Score {
    init(_ score: Divergence.Score) {
        (scored, divergence, error) = (score.scored, score.divergence.mean, score.divergence.error)
        (sameTop, ratio) = (score.sameTop, score.ratio)
    }

    var json: JSON {
        [
            "scored": .int(scored), "divergence": .double(divergence), "error": error.map(JSON.double) ?? .null,
            "same_top": .double(sameTop), "ratio": .double(ratio),
        ]
    }

    init?(_ json: JSON) {
        guard let scored = json["scored"]?.int, let sameTop = json["same_top"]?.double,
            let ratio = json["ratio"]?.double
        else { return nil }
        self.init(
            scored: scored, divergence: json["divergence"]?.double ?? .nan, error: json["error"]?.double,
            sameTop: sameTop, ratio: ratio)
    }
}
