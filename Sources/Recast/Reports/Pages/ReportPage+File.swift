extension ReportPage {
    /// Whether a page may be written there, before anything is measured for it.
    ///
    /// - Parameters:
    ///   - replaces: whether a page that is there may be replaced.
    ///   - sources: files that must not be.
    /// - Throws: `usage` for a name that is not that of a page, `destinationExists` or `inputOutput`.
    package static func check(
        _ path: String, replaces: Bool, besides sources: [SourceFile]
    ) throws(RecastError) {
        // Whatever --force is given with: a page takes the place of nothing but a page.
        let name = Path.name(path).lowercased()
        guard name.hasSuffix(".html") || name.hasSuffix(".htm") else {
            throw .usage("--report writes a page: the name of its file ends in .html, which \(path) does not")
        }
        try conversion([], to: path, replaces: replaces, besides: sources).check()
    }

    /// Writes the page; it is there as a whole, or not at all.
    ///
    /// - Parameter sources: what it tells of; it is open to no more people than these files, and replaces none of them.
    /// - Returns: what the user should do something about.
    /// - Throws: `destinationExists` or `inputOutput`.
    package func write(to path: String, replaces: Bool, of sources: [SourceFile]) throws(RecastError) -> [String] {
        try Self.conversion(bytes, to: path, replaces: replaces, besides: sources).run().warnings
    }

    private static func conversion(
        _ bytes: [UInt8], to path: String, replaces: Bool, besides sources: [SourceFile]
    ) -> Conversion {
        var plan = Plan(sources: sources, form: .file)
        plan.outputs = [OutputFile(name: Path.name(path), bytes: bytes)]
        var conversion = Conversion(plan, to: path)
        conversion.replaces = replaces
        return conversion
    }
}
