extension Recipe {
    /// The file type that most lines are of.
    package var fileType: GGUFFileType {
        var counts: [DType: Int] = [:]
        for override in overrides { counts[override.dtype, default: 0] += 1 }
        let commonest = counts.max { ($0.value, $1.key.name) < ($1.value, $0.key.name) }?.key
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
