import Recast
import RecastInference
import Synchronization

/// One progress bar for several passes, at once or one after the other.
final class JointProgress: Sendable {
    private let display: ProgressDisplay?
    private let parts: Mutex<[Progress?]>

    init(_ title: String, passes: Int, _ output: OutputOptions) {
        display = output.quiet ? nil : ProgressDisplay(title, unit: .fraction)
        parts = Mutex([Progress?](repeating: nil, count: passes))
    }

    /// - Parameter share: passes whose hidden states are there at the same time.
    func options(
        _ pass: Int, _ resources: ResourceOptions, _ precision: PrecisionOptions, share: Int = 1
    ) -> PassOptions {
        var options = resources.passOptions(nil, precision)
        options.maximumMemory /= share
        if display != nil { options.progress = { self.show(pass, $0) } }
        return options
    }

    private func show(_ pass: Int, _ progress: Progress) {
        let sum = parts.withLock { parts -> Progress in
            parts[pass] = progress
            // Passes that have not begun are taken to be as long as this one.
            return Progress(
                done: parts.reduce(0) { $0 + ($1?.done ?? 0) },
                total: parts.reduce(0) { $0 + ($1?.total ?? progress.total) }, phase: progress.phase)
        }
        display?.show(sum)
    }

    func finish() { display?.finish() }
}
