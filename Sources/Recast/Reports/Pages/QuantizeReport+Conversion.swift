extension QuantizeReport {
    /// - Parameter isVerified: whether what was written has been read back.
    public init(_ plan: Plan, _ report: Conversion.Report, source: String, destination: String, isVerified: Bool) {
        let tensors = zip(plan.transfers, report.tallies).filter { $0.0.isTensor }.map { transfer, tally in
            // Of codes that were chosen beforehand the error of the weight says little: that of its output counts.
            let isMeasured = tally.error.count > 0 && transfer.calibration == nil
            return Tensor(
                name: transfer.name, from: transfer.source.encodingName, to: transfer.encoding.name,
                treatment: transfer.treatment, isMatrix: transfer.source.shape.count > 1,
                elementCount: transfer.source.elementCount, byteCount: transfer.byteCount,
                error: isMeasured
                    ? Tensor.Distance(
                        relative: tally.error.relative, rootMeanSquare: tally.error.rootMeanSquare,
                        maximum: Double(tally.error.maximum)) : nil)
        }
        self.init(
            source: source, destination: destination, format: plan.format, layout: plan.layout,
            exactness: report.exactness.rawValue, byteCount: report.byteCount, isVerified: isVerified, tensors: tensors)
    }
}
