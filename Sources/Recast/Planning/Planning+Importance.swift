extension Planning {
    /// Gives each tensor that is quantized the importance of its columns.
    ///
    /// - Parameter name: what the importance file calls a tensor.
    /// - Throws: `malformedInput` for the importance of another model.
    func attachImportance(
        _ tensors: inout [TypedTensor], by importance: Importance, plan: inout Plan,
        name: (NamedTensor) -> String = { $0.name }
    ) throws(RecastError) {
        let file = checkpoint.sources.add(importance.file)
        var coverage = Coverage()
        for (index, tensor) in tensors.enumerated()
        where tensor.encoding.isQuantized && tensor.encoding.dtype != tensor.tensor.dtype {
            let name = name(tensor.named)
            let isUsual = [.embedding, .output].contains(GGUFTensorClass(tensor.named))
            guard let entry = importance.entry(for: name) else {
                if isUsual { coverage.unweighted.append(name) } else { coverage.missing.append(name) }
                continue
            }
            let (columns, matrices) = (tensor.tensor.columnCount, tensor.tensor.batchCount)
            guard entry.fits(columns: columns, matrices: matrices) else {
                // The embedding is looked up, not multiplied: an entry of that name is about something else.
                if GGUFTensorClass(tensor.named) == .embedding {
                    coverage.unweighted.append(name)
                } else {
                    coverage.misfits.append((name, entry.valueCount, columns * matrices))
                }
                continue
            }
            coverage.found += 1
            if entry.zeroCount > 0 { coverage.zeros.append((name, entry.zeroCount, entry.valueCount)) }
            coverage.unmeasured += entry.counts.count { $0 == 0 } > 0 ? [name] : []
            tensors[index].importance = importance.weights(entry, columns: columns, in: file)
        }
        do throws(RecastError) { try coverage.report(importance, plan: &plan) } catch {
            throw error.within(importance.path)
        }
    }
}

/// Which tensors an importance file knows.
private struct Coverage {
    var found = 0
    var missing: [String] = []
    /// Embedding and head, of which these files often know nothing.
    var unweighted: [String] = []
    var misfits: [(name: String, valueCount: Int, expected: Int)] = []
    /// With a matrix that nothing was multiplied with.
    var unmeasured: [String] = []

    /// With columns that weigh nothing.
    var zeros: [(name: String, count: Int, of: Int)] = []

    func report(_ importance: Importance, plan: inout Plan) throws(RecastError) {
        if let first = misfits.first {
            throw RecastError(
                .malformedInput,
                "is the importance of another model: \(first.valueCount) values instead of \(first.expected) for "
                    + misfits.map(\.name).abridged)
        }
        if found == 0, !missing.isEmpty {
            throw RecastError(
                .malformedInput,
                "is the importance of another model: it knows \(importance.entries.map(\.name).abridged), and none of "
                    + missing.abridged)
        }
        if !missing.isEmpty {
            plan.warnings.append(
                "\(importance.path) has no entry for \(missing.count) of \(found + missing.count) weights, in which all "
                    + "columns are taken to matter alike: \(missing.abridged)")
        }
        if !unweighted.isEmpty { plan.notes.append("quantized without importance: \(unweighted.abridged)") }
        if !zeros.isEmpty {
            let texts = zeros.map { "\($0.name) (\(max(1, 100 * $0.count / $0.of)) %)" }
            plan.warnings.append(
                "columns that weigh nothing in \(importance.path) are taken to weigh 1, as any number would do in their place: "
                    + "\(texts.abridged). llama-quantize itself writes what it makes of weights of nothing")
        }
        if !unmeasured.isEmpty {
            plan.notes.append(
                "some experts were never used when the importance was measured, and their columns are taken to matter "
                    + "alike: \(unmeasured.abridged)")
        }
    }
}
