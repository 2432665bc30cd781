extension Recipe {
    /// The type that most lines are of; where some are encodings of Hugging Face targets, the one that most of these are.
    var commonest: WeightType? {
        var counts: [WeightType: Int] = [:]
        let packings = overrides.filter { $0.type.dtype == nil }
        for override in packings.isEmpty ? overrides : packings { counts[override.type, default: 0] += 1 }
        return counts.max { ($0.value, $1.key.name) < ($1.value, $0.key.name) }?.key
    }

    /// Whether most lines are of types of GGUF.
    package var isOfGGUF: Bool { commonest?.dtype != nil }

    /// The file type that most lines are of.
    package var fileType: GGUFFileType {
        let commonest = commonest?.dtype
        return GGUFFileType.allCases.first { $0.dtype == commonest } ?? .f16
    }

    /// A plan that writes it as a file.
    ///
    /// - Parameter remarks: for people, above the lines.
    package func plan(destination: String, remarks: [String]) -> Plan {
        let bytes = Array(text(remarks: remarks).utf8)
        var plan = Plan(sources: [], form: .file)
        plan.outputs = [
            OutputFile(
                name: Path.name(destination), byteCount: bytes.count,
                literals: [OutputFile.Literal(offset: 0, bytes: bytes)])
        ]
        return plan
    }
}
