import ArgumentParser
import Recast
import RecastInference

/// A worker process of `recast infer`: each line of standard input is a batch of prompts, each line of standard output its answers.
struct InferWorker: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "infer-worker", shouldDisplay: false)

    @Argument var checkpoint: String
    @OptionGroup var reading: PromptOptions
    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var tokenizer: TokenizerOptions
    @OptionGroup var precision: PrecisionOptions
    @OptionGroup var resources: ResourceOptions

    func run() throws {
        let model = try Model(Checkpoint(path: checkpoint))
        let answerer = try PromptAnswerer(
            model, LoadedTokenizer(model, tokenizer), sampling, reading, resources.passOptions(nil, precision))
        while let line = readLine(strippingNewline: true) {
            let batch = try JSON(parsing: Array(line.utf8), file: "standard input").array ?? []
            let lines = batch.compactMap { entry in
                entry["index"]?.int.flatMap { index in
                    entry["line"]?.string.map {
                        PromptLine($0.utf8, index: index, number: entry["number"]?.int ?? 0)
                    }
                }
            }
            let answers = try answerer.answers(lines)
            try Console.streamToFile(Array((JSON.array(answers.map(\.line)).text() + "\n").utf8))
        }
    }
}
