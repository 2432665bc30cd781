extension ExpectedModel {
    /// - Throws: `inputOutput` with every field that is otherwise.
    func check(_ checkpoint: Checkpoint) throws(RecastError) {
        var options = Model.Options()
        options.looksAtTensors = false
        let model: Model
        do throws(RecastError) { model = try Model(checkpoint, options: options) } catch {
            throw RecastError(.inputOutput, "read back, it is no model: \(error)", trail: [checkpoint.path])
        }
        var problems = configuration.differences(from: model.graph.configuration)
            .filter { statesFamily || $0.field.kind != .family }
            .map { "\($0.field.name): \($0.own) planned, \($0.other) read" }
        if model.graph.isTied != isTied {
            problems.append("tied embeddings: \(isTied ? "yes" : "no") planned, \(isTied ? "no" : "yes") read")
        }
        let count = checkpoint.content.tokenCount
        if count != tokenCount {
            problems.append(
                "tokens: \(tokenCount.map(String.init) ?? "none") planned, \(count.map(String.init) ?? "none") read")
        }
        guard problems.isEmpty else {
            throw RecastError(
                .inputOutput, "read back, it is another model than was planned:", details: problems,
                trail: [checkpoint.path])
        }
    }
}
