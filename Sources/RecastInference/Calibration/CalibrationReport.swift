import Recast

/// What a calibration has found.
public struct CalibrationReport: Sendable {
    /// One weight. Errors are those of its output, as parts of the output's mean square, on the texts of the calibration.
    public struct Weight: Sendable, Equatable {
        public var slot: Slot
        public var encoding: String
        /// Tokens that were multiplied with it.
        public var tokens: Int
        /// What was added to the diagonal of the Hessian, as a part of its mean.
        public var damping: Double
        /// Of rounding to nearest.
        public var rounded: Double
        /// Of a search in which each column weighs as much as its mean square: what an importance matrix does.
        public var searched: Double
        /// Of what is written.
        public var error: Double
        /// What was out of the ordinary, for people.
        public var remarks: [String] = []
    }

    public var weights: [Weight]

    /// What was out of the ordinary, with the weights it holds for.
    public var warnings: [String] {
        var groups: [(remark: String, slots: [String])] = []
        for weight in weights {
            for remark in weight.remarks {
                if let index = groups.firstIndex(where: { $0.remark == remark }) {
                    groups[index].slots.append("\(weight.slot)")
                } else {
                    groups.append((remark, ["\(weight.slot)"]))
                }
            }
        }
        return groups.map { group in
            let names = group.slots.prefix(3).joined(separator: ", ")
            return "\(group.remark): \(names)" + (group.slots.count > 3 ? " and \(group.slots.count - 3) more" : "")
        }
    }
}

extension CalibrationReport.Weight {
    init(
        _ slot: Slot, _ target: WeightTarget, tokens: Int, _ factor: HessianFactor, _ errors: OutputErrors,
        remarks: [String]
    ) {
        self.init(
            slot: slot, encoding: target.encoding.name, tokens: tokens, damping: Double(factor.damping),
            rounded: errors.relative(errors.rounded), searched: errors.relative(errors.searched),
            error: errors.relative(errors.final), remarks: remarks)
    }
}

// MARK: Kept between runs

extension CalibrationReport.Weight {
    var json: JSON {
        [
            "role": .string(slot.role.rawValue), "layer": slot.layer.map(JSON.int) ?? .null,
            "expert": slot.expert.map(JSON.int) ?? .null, "encoding": .string(encoding), "tokens": .int(tokens),
            "damping": .double(damping), "round": .double(rounded), "search": .double(searched),
            "error": .double(error), "remarks": .array(remarks.map(JSON.string)),
        ]
    }

    init?(_ json: JSON) {
        guard let role = (json["role"]?.string).flatMap(Role.init(rawValue:)), let encoding = json["encoding"]?.string,
            let tokens = json["tokens"]?.int, let damping = json["damping"]?.number?.double,
            let rounded = json["round"]?.number?.double, let searched = json["search"]?.number?.double,
            let error = json["error"]?.number?.double
        else { return nil }
        slot = Slot(role, layer: json["layer"]?.int, expert: json["expert"]?.int)
        (self.encoding, self.tokens, self.damping) = (encoding, tokens, damping)
        (self.rounded, self.searched, self.error) = (rounded, searched, error)
        remarks = json["remarks"]?.array?.compactMap(\.string) ?? []
    }
}
