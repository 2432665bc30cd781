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
            supported, 73 the destination exists, 74 input/output, or standard output cannot be written (what was
            converted is there nevertheless), 130 interrupted. Where a pipe's reader has gone, SIGPIPE ends a command
            without a message: 141 in a shell.
            """,
        version: Versions.text,
        subcommands: [
            Inspect.self, Convert.self, Quantize.self, MeasurePerplexity.self, Compare.self, MeasureImportance.self,
            ProbeText.self, Generate.self, Infer.self, Tokenize.self, Diff.self, Families.self, Encodings.self,
            Pack.self, Unpack.self, InferWorker.self,
        ])

    static func main() {
        Console.prepare()
        var status: Int32 = 0
        do {
            var command = try parseAsRoot()
            Interruption.catchSignals()
            try command.run()
        } catch {
            status = report(error)
        }
        do throws(RecastError) { try Console.finish() } catch {
            if status == 0 || status == RecastError.Code.comparisonFailed.exitStatus { status = report(error) }
        }
        Console.end(status)
    }

    /// - Returns: the exit status.
    private static func report(_ error: any Error) -> Int32 {
        guard let error = error as? RecastError else { return reportParser(error) }
        if Console.isSilent(error) { return error.code.exitStatus }
        Console.error(error)
        showDocument(code: error.code.rawValue, error.description)
        return error.code.exitStatus
    }

    /// What the parser of arguments throws: a complaint, but also help, a version or a script that was asked for.
    private static func reportParser(_ error: any Error) -> Int32 {
        let status = exitCode(for: error)
        let text = fullMessage(for: error)
        if status == .success {
            guard !text.isEmpty else { return 0 }
            do throws(RecastError) { try Console.result(TerminalText(verbatim: text)) } catch { return report(error) }
            return 0
        }
        if status == .validationFailure { showDocument(code: "usage", message(for: error)) }
        if !text.isEmpty { Console.showError(TerminalText(escapingAllButLineBreaks: text) + "\n") }
        return status.rawValue
    }

    /// The error as a document, where one was asked for and standard output is not what failed. That it cannot be written
    /// changes nothing: the first error is the one to report.
    private static func showDocument(code: String, _ message: String) {
        guard CommandLine.arguments.contains("--json"), !Console.hasDocument.load(ordering: .relaxed) else { return }
        try? Console.document(["error": ["code": .string(code), "message": .string(message)]])
    }
}
