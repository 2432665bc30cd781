import ArgumentParser
import Recast

/// A page beside what is printed, for commands that have a `--force` already.
struct ReportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Write a page with charts of what was found, too: one HTML file that needs nothing else.",
            valueName: "file.html"))
    var report: String?

    /// Says what is wrong with it before anything is measured.
    func check(replaces: Bool, besides sources: [SourceFile]) throws(RecastError) {
        guard let report else { return }
        try ReportPage.check(report, replaces: replaces, besides: sources)
    }

    /// Prints a result, and writes its page. Neither is lost where the other cannot be written.
    ///
    /// - Parameter sources: what it tells of; the page is open to no more people than these files.
    func showing(
        _ output: OutputOptions, replaces: Bool, of sources: [SourceFile], _ page: () -> ReportPage,
        _ show: () throws -> Void
    ) throws {
        guard let report else { return try show() }
        var problem: (any Error)?
        do { try show() } catch { problem = error }
        let warnings = try page().write(to: report, replaces: replaces, of: sources)
        if let problem { throw problem }
        output.notes(["\(report) shows this with charts"], warnings: warnings)
    }

    /// What the foot of a page says.
    static var origin: ReportOrigin { ReportOrigin(command: ["recast"] + CommandLine.arguments.dropFirst()) }
}

/// The same for commands that write nothing else.
struct ReportFileOptions: ParsableArguments {
    @OptionGroup var options: ReportOptions

    @Flag(help: "Replace an existing report.")
    var force = false

    func validate() throws {
        if force, options.report == nil { throw ValidationError("--force replaces a report: --report FILE.html") }
    }

    func check(besides sources: [SourceFile]) throws(RecastError) {
        try options.check(replaces: force, besides: sources)
    }

    func showing(
        _ output: OutputOptions, of sources: [SourceFile], _ page: () -> ReportPage, _ show: () throws -> Void
    ) throws {
        try options.showing(output, replaces: force, of: sources, page, show)
    }
}
