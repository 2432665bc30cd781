import Recast

extension Summary {
    /// The same as a page.
    var page: ReportPage {
        let family = (try? model.get())?.graph.configuration.family
        var report = InspectReport(
            checkpoint: checkpoint.path, format: format, family: family, parameterCount: parameterCount)
        if case .failure(let error) = model { report.problem = error.summary }
        // What goes on has a line of its own in the table of the terminal; here it is said again.
        var name = ""
        for row in modelRows {
            name = row[0].isEmpty ? name : row[0]
            report.properties.append((name, row[1]))
        }
        report.properties.append(("tokenizer", tokenizerText))
        report.tensors = weights.map { weight in
            InspectReport.Tensor(
                name: weight.name, type: weight.tensor.encodingName, shape: weight.tensor.shape,
                byteCount: Self.storedByteCount(weight.tensor))
        }
        report.files = checkpoint.ownFiles.map { .init(name: Path.name($0.path), byteCount: $0.byteCount) }
        report.targets = reach.map { reach in
            switch reach.outcome {
            case .possible(let exactness): .init(name: reach.target, exactness: exactness.rawValue, reason: nil)
            case .refused(let reason): .init(name: reach.target, exactness: nil, reason: reason)
            }
        }
        report.warnings = warnings
        report.notes = checkpoint.notes
        report.origin = ReportOptions.origin
        return report.page
    }

    /// Of a quantized weight the bytes of its parts: those of its numbers are nowhere.
    private static func storedByteCount(_ tensor: LazyTensor) -> Int {
        guard tensor.encodingName != tensor.dtype.name else { return tensor.byteCount }
        return switch tensor.recipe {
        case .stored, .literal, .zeros: tensor.byteCount
        case .arranged(_, let children), .computed(_, let children):
            children.reduce(0) { $0 + storedByteCount($1) }
        }
    }
}
