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
        // Bases without a head are saved without the first module's name.
        let isBare = !names.contains { $0.hasPrefix("model.") || $0.hasPrefix("transformer.") }
        let carried = names.prefix(examinedCount).filter { !$0.hasSuffix("inv_freq") }
        let spelled = isBare ? carried.map { $0.hasPrefix("lm_head.") ? $0 : "model." + $0 } : Array(carried)
        // Of several that fit alike the one counts that is named, or the first.
        let families = (named.map { [$0] } ?? []) + all
        var best: (family: Family, likeness: MappingTable.Likeness)?
        for family in families {
            let groups = family.biasGroups.filter { group in
                switch group.presence {
                case .always: true
                case .configured(let key, let usual): configuration[key]?.bool ?? usual
                case .switchedOff(let key, let usual): !(configuration[key]?.bool ?? usual)
                }
            }
            let likeness = family.table.likeness(of: spelled, biased: Set(groups.flatMap(\.roles)))
            if best.map({ likeness < $0.likeness }) ?? true { best = (family, likeness) }
        }
        guard let best, best.likeness.isClose else { return nil }
        return best
    }
}
