import Recast
import RecastInference

extension QuantizeReport {
    /// Adds what calibration and budget have found.
    mutating func add(_ quantization: QuantizationReport) {
        calibrated = quantization.calibration.weights.map { weight in
            Calibrated(
                name: "\(weight.slot)", encoding: weight.encoding, tokens: weight.tokens, damping: weight.damping,
                rounded: weight.rounded, searched: weight.searched, error: weight.error)
        }
        warnings += quantization.calibration.warnings
        guard let budget = quantization.budget else { return }
        units = budget.units.map {
            Unit(tensors: $0.tensors, type: $0.type.name, error: $0.error, divergence: $0.divergence)
        }
        candidates = budget.candidates.map { candidate in
            Candidate(
                name: candidate.name, scored: candidate.score.scored, divergence: candidate.score.divergence,
                divergenceError: candidate.score.error, sameTop: candidate.score.sameTop,
                ratio: candidate.score.ratio, isWritten: candidate.isChosen)
        }
    }
}

extension ConversionArguments {
    func page(
        _ report: Conversion.Report, _ plan: Plan, _ quantization: QuantizationReport?
    ) -> ReportPage {
        var page = QuantizeReport(
            plan, report, source: source, destination: destination, isVerified: !noVerify)
        page.warnings = plan.allWarnings + report.warnings
        page.notes = plan.notes + report.notes
        page.origin = ReportOptions.origin
        if let quantization { page.add(quantization) }
        return page.page
    }
}
