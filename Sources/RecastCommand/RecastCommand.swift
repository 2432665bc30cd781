import ArgumentParser
import Recast

@main
struct RecastCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recast",
        abstract: "Moves language-model checkpoints between formats, and proves that nothing was lost.",
        discussion: """
            EXAMPLES:
              recast inspect Qwen2.5-0.5B
              recast convert Qwen2.5-0.5B Qwen2.5-0.5B-llama
              recast quantize Qwen2.5-0.5B qwen.gguf --encoding q4_k_m
              recast perplexity qwen.gguf --text prose=book.txt --text code=program.py

            Exit status: 0 success, 1 a comparison failed, 64 usage, 65 malformed input, 66 input missing, 69 not
            supported, 73 the destination exists, 74 input/output, 130 interrupted.
            """,
        version: Versions.text,
        subcommands: [
            Inspect.self, Convert.self, Quantize.self, MeasurePerplexity.self, Generate.self, Tokenize.self, Diff.self,
            Families.self, Pack.self, Unpack.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            Interruption.catchSignals()
            try command.run()
        } catch let error as RecastError {
            Console.error(error.description)
            if CommandLine.arguments.contains("--json"), !Console.hasDocument.load(ordering: .relaxed) {
                Console.result(["error": ["code": .string(error.code.rawValue), "message": .string(error.description)]])
            }
            endProcess(error.code.exitStatus)
        } catch {
            if exitCode(for: error) == .validationFailure, CommandLine.arguments.contains("--json") {
                Console.result(["error": ["code": "usage", "message": .string(message(for: error))]])
            }
            exit(withError: error)
        }
    }
}
