import Recast
import RecastInference

extension MeasurePerplexity {
    /// Questions with several answers, by their likelihood.
    func answerTasks() throws {
        let read = try tasks.map { argument in
            let named = NamedFile(argument)
            return try ChoiceTask(name: named.name, path: named.path)
        }
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        output.notes(model.notes + (try precision.notes(on: model)), warnings: model.warnings)
        let display = output.quiet ? nil : ProgressDisplay("evaluating", unit: .fraction)
        defer { display?.finish() }
        let pass = try ForwardPass(
            model.graph, files: model.sources, options: resources.passOptions(display, precision))
        let start = ContinuousClock.now
        let (scores, cut) = try pass.scores(of: read, loaded.tokenizer)
        display?.finish()
        if cut > 0 {
            Console.warning(
                "\(cut) questions with their answers are longer than the \(model.graph.configuration.contextLength) tokens the model can see; their beginnings are left out"
            )
        }
        if output.json {
            return try Console.document([
                "model": .string(checkpoint), "tasks": .array(scores.map(\.json)), "precision": precision.json,
                "seconds": .double(start.duration(to: .now).seconds),
            ])
        }
        let rows = scores.flatMap { score in
            [Self.row(score, indent: "")]
                + (score.groups.count > 1 ? score.groups.map { Self.row($0, indent: "  ") } : [])
        }
        let header = ["task", "questions", "accuracy", "", "by character", ""]
        try Console.result(Format.table([header] + rows, rightAligned: [1, 2, 4]))
    }

    private static func row(_ score: ChoiceScore, indent: String) -> [String] {
        func cells(_ accuracy: ChoiceScore.Accuracy) -> [String] {
            [Format.fixed(accuracy.value, 4), accuracy.error.map { "± " + Format.fixed($0, 4) } ?? ""]
        }
        return [indent + score.name, "\(score.items.count)"] + cells(score.accuracy) + cells(score.normalizedAccuracy)
    }
}

extension ChoiceScore {
    fileprivate var summary: [(String, JSON)] {
        func error(_ accuracy: Accuracy) -> JSON { accuracy.error.map(JSON.double) ?? .null }
        return [
            ("name", .string(name)), ("items", .int(items.count)), ("accuracy", .double(accuracy.value)),
            ("error", error(accuracy)), ("normalized_accuracy", .double(normalizedAccuracy.value)),
            ("normalized_error", error(normalizedAccuracy)),
        ]
    }

    fileprivate var json: JSON {
        .object(
            JSON.Object(
                summary + [
                    ("groups", .array(groups.map { .object(JSON.Object($0.summary)) })),
                    (
                        "answers",
                        .array(
                            items.map { item in
                                [
                                    "answer": .int(item.answer), "choice": .int(item.choice),
                                    "normalized_choice": .int(item.normalizedChoice),
                                    "log_likelihoods": .array(item.logLikelihoods.map(JSON.double)),
                                ]
                            })
                    ),
                ]))
    }
}
