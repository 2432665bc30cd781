import Recast

/// Where the candidates of a budget are calibrated: folders of work beside the destination.
struct CandidateFolders {
    private let work: CalibrationWork

    /// The most candidates that there can be.
    static let limit = 3

    init(_ work: CalibrationWork) { self.work = work }

    static func destination(of index: Int, _ work: CalibrationWork) -> String {
        Path.trimmed(work.destination) + ".candidate-\(index + 1)"
    }

    private func path(_ index: Int) -> String { WorkFolder.path(for: Self.destination(of: index, work)) }

    /// - Throws: `destinationExists` where an earlier search has left one, and it may neither be used nor thrown away.
    func check() throws(RecastError) {
        guard !work.resumes, !work.replaces else { return }
        for index in 0..<Self.limit where try POSIX.place(path(index)) != nil {
            throw RecastError(
                .destinationExists,
                "keeps a candidate of an interrupted search for types: --resume goes on with it, --force begins again",
                trail: [path(index)])
        }
    }

    /// Takes away what is left of the candidates that were not chosen.
    func discard(but chosen: Int) {
        for index in 0..<Self.limit where index != chosen {
            guard (try? POSIX.place(path(index))) != nil,
                let folder = try? StagingFolder(at: path(index), replaces: false)
            else { continue }
            _ = folder.discard()
        }
    }
}
