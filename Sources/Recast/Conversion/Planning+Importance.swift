extension Planning {
    /// Gives each tensor that is quantized the importance of its columns.
    ///
    /// - Parameter names: what the importance file calls the tensors, where that is not their own name.
    /// - Throws: `malformedInput` for the importance of another model.
    func attachImportance(
        _ tensors: inout [TypedTensor], by importance: Importance, names: [Int: String] = [:], plan: inout Plan
    ) throws(RecastError) {
        let file = checkpoint.sources.add(importance.file)
        var coverage = Coverage()
        for (index, tensor) in tensors.enumerated()
        where tensor.encoding.isQuantized && tensor.encoding.dtype != tensor.tensor.dtype {
            let name = names[index] ?? tensor.name
            guard let entry = importance.entry(for: name) else {
                coverage.missing.append(name)
                continue
            }
            let (columns, matrices) = (tensor.tensor.columnCount, tensor.tensor.batchCount)
            guard entry.fits(columns: columns, matrices: matrices) else {
                coverage.misfits.append((name, entry.valueCount, columns * matrices))
                continue
            }
            coverage.found += 1
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
    var misfits: [(name: String, valueCount: Int, expected: Int)] = []
    /// With a matrix that nothing was multiplied with.
    var unmeasured: [String] = []

    func report(_ importance: Importance, plan: inout Plan) throws(RecastError) {
        // The embedding is looked up, not multiplied: an entry of that name is about something else.
        let wrong = misfits.filter { GGUFTensorClass($0.name) != .embedding }
        if let first = wrong.first {
            throw RecastError(
                .malformedInput,
                "is the importance of another model: \(first.valueCount) values instead of \(first.expected) for "
                    + wrong.map(\.name).abridged)
        }
        let isUsual = { (name: String) in [.embedding, .output].contains(GGUFTensorClass(name)) }
        let unknown = missing.filter { !isUsual($0) }
        if found == 0, !unknown.isEmpty {
            throw RecastError(
                .malformedInput,
                "is the importance of another model: it knows \(importance.entries.map(\.name).abridged), and none of "
                    + unknown.abridged)
        }
        if !unknown.isEmpty {
            plan.warnings.append(
                "\(importance.path) has no entry for \(unknown.count) of \(found + unknown.count) weights, in which all "
                    + "columns are taken to matter alike: \(unknown.abridged)")
        }
        let unweighted = missing.filter(isUsual) + misfits.map(\.name)
        if !unweighted.isEmpty { plan.notes.append("quantized without importance: \(unweighted.abridged)") }
        if !unmeasured.isEmpty {
            plan.notes.append(
                "some experts were never used when the importance was measured, and their columns are taken to matter "
                    + "alike: \(unmeasured.abridged)")
        }
    }
}
