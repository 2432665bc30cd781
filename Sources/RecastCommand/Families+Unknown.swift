import Recast

// What is said of an architecture that is no family.
extension ArchitectureAnswer {
    /// Names of a kind that are shown.
    private static let shownCount = 12

    var rows: [[String]] {
        var rows = [["architecture", architecture]]
        switch standing {
        case .family(let family): rows.append(["family", family.name])
        case .refused(let difference): rows.append(["not supported", difference])
        case .unknown:
            rows.append([
                "unknown", similarNames.isEmpty ? "" : "did you mean \(similarNames.joined(separator: ", "))?",
            ])
        }
        guard let nearest else { return rows }
        let means = nearest.isToldByTensors ? "the names of its tensors" : "the keys of its configuration"
        rows.append([
            nearest.isClose ? "nearest family" : "none is near",
            "\(nearest.family.name) (\(nearest.family.architectures[0])), by \(means)",
        ])
        for (title, names) in [
            ("tensors besides", nearest.unknownTensors), ("tensors it lacks", nearest.missingTensors),
            ("keys besides", nearest.unknownKeys),
        ] {
            for (index, name) in names.prefix(Self.shownCount).enumerated() {
                rows.append([index == 0 ? title : "", name])
            }
            if names.count > Self.shownCount { rows.append(["", "\(names.count - Self.shownCount) more"]) }
        }
        if let problem = nearest.problem { rows.append(["read as one", problem]) }
        if nearest.isPerhapsOne {
            rows.append([
                "where it computes as one",
                "\"architectures\": [\"\(nearest.family.architectures[0])\"] in config.json says so",
            ])
        }
        return rows
    }

    var json: JSON {
        var object = JSON.Object([("architecture", .string(architecture))])
        switch standing {
        case .family(let family): object["family"] = .string(family.name)
        case .refused(let difference): (object["standing"], object["difference"]) = ("refused", .string(difference))
        case .unknown: (object["standing"], object["similar"]) = ("unknown", .array(similarNames.map(JSON.string)))
        }
        guard let nearest else { return .object(object) }
        object["nearest"] = [
            "family": .string(nearest.family.name), "architecture": .string(nearest.family.architectures[0]),
            "by": nearest.isToldByTensors ? "tensors" : "configuration", "close": .bool(nearest.isClose),
            "unknown_tensors": .array(nearest.unknownTensors.map(JSON.string)),
            "missing_tensors": .array(nearest.missingTensors.map(JSON.string)),
            "unknown_keys": .array(nearest.unknownKeys.map(JSON.string)),
            "problem": nearest.problem.map(JSON.string) ?? .null,
        ]
        return .object(object)
    }
}
