extension Family {
    /// More names tell no more.
    private static let examinedCount = 1 << 15

    /// What to say of the family that a model of an unknown architecture is most like: by its `model_type` or by the names of
    /// its tensors, not by how the architecture is spelled, which tells nothing.
    ///
    /// - Parameter tensors: names; none where they are not known.
    /// - Returns: nil where it is like none.
    static func hint(for configuration: JSON.Object, tensors: [String]) -> String? {
        let named = configuration["model_type"]?.string.flatMap { type in
            all.first { $0.modelType == type && $0.recognizes(configuration) }
        }
        let way = { (family: Family) in
            "where it is computed as one, \"architectures\": [\"\(family.architectures[0])\"] in config.json says so"
        }
        guard let (family, likeness) = nearest(to: tensors, configuration, preferring: named) else {
            return named.map {
                "its model_type \($0.modelType) is that of the family \($0.name) (\($0.architectures[0])); \(way($0))"
            }
        }
        if likeness.isWhole {
            let type = named?.name == family.name ? " and its model_type are" : " are"
            return
                "the names of its tensors\(type) those of the family \(family.name) (\(family.architectures[0])); \(way(family))"
        }
        return
            "the nearest family is \(family.name) (\(family.architectures[0])), which lacks \(likeness.unknownCount) of its tensors "
            + "and has \(likeness.missingCount) others"
    }

    private static func nearest(
        to names: [String], _ configuration: JSON.Object, preferring named: Family?
    ) -> (family: Family, likeness: MappingTable.Likeness)? {
        // Of several that fit alike the one counts that is named, or the first.
        let all = likenesses(to: names, configuration, of: (named.map { [$0] } ?? []) + all)
        guard let best = all.min(by: { $0.likeness < $1.likeness }), best.likeness.isClose else { return nil }
        return best
    }

    /// Names as a table of a whole model by itself may have them.
    static func comparable(_ names: [String]) -> [String] {
        let plain = WrappedModel.plainNames(Array(names.prefix(examinedCount)))
        // Bases without a head are saved without the first module's name.
        let isBare = !plain.contains { name in ["model.", "transformer.", "backbone."].contains(where: name.hasPrefix) }
        let carried = plain.filter { !$0.hasSuffix("inv_freq") }
        let whole = isBare ? carried.map { $0.hasPrefix("lm_head.") ? $0 : "model." + $0 } : carried
        // transformers' memory has the experts of a layer in two tensors.
        return whole.flatMap { name -> [String] in
            let stacks = [
                ("gate_up_proj", ["gate_proj", "up_proj"]), ("up_proj", ["up_proj"]), ("down_proj", ["down_proj"]),
            ]
            for (fused, parts) in stacks {
                for (suffix, part) in [("", "weight"), ("_bias", "bias")]
                where name.hasSuffix(".experts." + fused + suffix) {
                    return parts.map { name.dropLast(fused.count + suffix.count) + "0.\($0).\(part)" }
                }
            }
            return [name]
        }
    }

    /// How much the tensors of families are called like these.
    static func likenesses(
        to names: [String], _ configuration: JSON.Object, of families: [Family]
    ) -> [(family: Family, likeness: MappingTable.Likeness)] {
        let spelled = comparable(names)
        return families.map { family in
            let groups = family.biasGroups.filter { group in
                switch group.presence {
                case .always: true
                case .configured(let key, let usual): configuration[key]?.bool ?? usual
                case .switchedOff(let key, let usual): !(configuration[key]?.bool ?? usual)
                }
            }
            return (family, family.table.likeness(of: spelled, biased: Set(groups.flatMap(\.roles))))
        }
    }
}
