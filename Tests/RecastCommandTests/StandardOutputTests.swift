import Foundation
import Recast
import TestSupport
import Testing

/// A result that cannot be written is an error of its own, in every command.
struct StandardOutputTests {
    private let directory = TemporaryDirectory()

    /// A command line for each command, and what it makes.
    private func commands() throws -> [(arguments: [String], destination: String?)] {
        let model = Fixtures.tinyModel
        let text = directory.write("text", Array("In the beginning was the word".utf8))
        let packed = directory.file("packed")
        if directory.bytes("packed") == nil { #expect(try CommandTests.recast("pack", model, packed).status == 0) }
        // swift-format-ignore
        return [
            (["--help"], nil), (["--version"], nil), (["convert", "--help"], nil), (["help", "pack"], nil),
            (["--generate-completion-script", "bash"], nil), (["--generate-completion-script", "zsh"], nil),
            (["inspect", model], nil), (["inspect", model, "--json"], nil),
            (["families"], nil), (["families", "--json"], nil), (["families", "x"], nil),
            (["encodings"], nil), (["encodings", "--json"], nil),
            (["diff", model, model], nil), (["diff", model, model, "--json"], nil),
            (["tokenize", model, text], nil), (["tokenize", model, text, "--json"], nil),
            (["perplexity", model, "--text", text], nil), (["perplexity", model, "--text", text, "--json"], nil),
            (["generate", model, "--prompt", "In", "--max-tokens", "2"], nil),
            (["generate", model, "--prompt", "In", "--max-tokens", "2", "--json"], nil),
            (["convert", model, "out", "--dry-run"], nil), (["convert", model, "out", "--dry-run", "--json"], nil),
            (["convert", model, "converted"], "converted"),
            (["convert", model, "converted.json", "--json"], "converted.json"),
            (["quantize", model, "q.gguf", "--encoding", "q8_0", "--errors"], "q.gguf"),
            (["pack", model, "again.packed"], "again.packed"),
            (["unpack", packed, "unpacked"], "unpacked"),
        ].map { arguments, destination in
            (arguments.map { $0 == destination ? directory.file($0) : $0 }, destination)
        }
    }

    /// What was converted is there, as only the report of it is lost.
    @Test(arguments: ["> /dev/full", ">&-"])
    func cannotBeWritten(redirection: String) throws {
        for (arguments, destination) in try commands() {
            let outcome = try CommandTests.shell("exec \"$0\" \"$@\" \(redirection)", arguments + quiet(arguments))
            #expect(outcome.status == 74, "\(arguments)")
            let reason = redirection == ">&-" ? "Bad file descriptor" : "No space left on device"
            #expect(
                outcome.errors.split(separator: "\n").last == "error: standard output: cannot write: \(reason)",
                "\(arguments): \(outcome.errors)")
            if let destination {
                #expect(directory.names.contains(destination), "\(arguments)")
                #expect(try !Checkpoint(path: directory.file(destination)).tensors.isEmpty, "\(arguments)")
            }
        }
        #expect(!directory.names.contains { $0.contains(".partial") })
    }

    private func quiet(_ arguments: [String]) -> [String] {
        arguments[0].hasPrefix("-") || arguments[0] == "help" ? [] : ["--quiet"]
    }

    /// An error of the command itself is the one to report, and keeps its status.
    @Test func afterAnotherError() throws {
        let outcome = try CommandTests.shell("exec \"$0\" \"$@\" > /dev/full", ["inspect", "/nowhere", "--json"])
        #expect(outcome.status == 66)
        #expect(outcome.errors.hasPrefix("error: /nowhere") && outcome.errors.split(separator: "\n").count == 1)
        let different = directory.file("q8_0.gguf")
        #expect(try CommandTests.recast("convert", Fixtures.tinyModel, different, "--encoding", "q8_0").status == 0)
        let diff = try CommandTests.shell(
            "exec \"$0\" \"$@\" > /dev/full", ["diff", Fixtures.tinyModel, different, "--quiet"])
        #expect(diff.status == 74)
    }

    /// The way of programs in pipes: no message, and the signal tells the shell why.
    @Test func theReaderHasGone() throws {
        for (arguments, destination) in try commands() {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: try CommandTests.binary)
            process.arguments = arguments + quiet(arguments)
            let pipe = Pipe()
            let errors = directory.write("errors", [])
            process.standardOutput = pipe.fileHandleForWriting
            process.standardError = FileHandle(forWritingAtPath: errors)
            try pipe.fileHandleForReading.close()
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationReason == .uncaughtSignal, "\(arguments)")
            #expect(process.terminationStatus == SIGPIPE, "\(arguments)")
            #expect(directory.bytes("errors") == [], "\(arguments)")
            if let destination { #expect(directory.names.contains(destination), "\(arguments)") }
        }
        #expect(!directory.names.contains { $0.contains(".partial") })
    }

    /// Where whoever started the command has said that closed pipes are no reason to die.
    @Test func theReaderHasGoneAndTheSignalIsIgnored() throws {
        let script = """
            trap '' PIPE
            { sleep 0.3; "$0" "$@" 2> "$ERRORS"; echo $? > "$STATUS"; } | :
            cat "$ERRORS" >&2; exit $(cat "$STATUS")
            """
        let files = "ERRORS='\(directory.file("errors"))'; STATUS='\(directory.file("status"))'\n"
        let outcome = try CommandTests.shell(files + script, ["families"])
        #expect(outcome.status == 74)
        #expect(outcome.errors == "error: standard output: cannot write: Broken pipe\n")
    }

    /// Messages that cannot be written are lost; the work is done.
    @Test(arguments: ["2> /dev/full", "2>&-"])
    func messagesCannotBeWritten(redirection: String) throws {
        let destination = directory.file("model.gguf")
        let outcome = try CommandTests.shell(
            "exec \"$0\" \"$@\" \(redirection)",
            ["quantize", Fixtures.tinyModel, destination, "--encoding", "q4_k_m"])
        #expect(outcome.status == 0 && outcome.output.contains("bits per weight"))
        #expect(try Checkpoint(path: destination).tensors.count == 51)
        #expect(try CommandTests.shell("exec \"$0\" \"$@\" \(redirection)", ["inspect", "/nowhere"]).status == 66)
    }

    /// A descriptor that is closed is not given to a file of the conversion, which would then get the report.
    @Test func closedDescriptorsAreNotFiles() throws {
        let (closed, open) = (directory.file("closed.gguf"), directory.file("open.gguf"))
        let arguments = ["convert", Fixtures.tinyModel]
        #expect(try CommandTests.shell("exec \"$0\" \"$@\" <&- >&- 2>&-", arguments + [closed]).status == 74)
        #expect(try CommandTests.recast(arguments + [open]).status == 0)
        #expect(directory.bytes("closed.gguf") == directory.bytes("open.gguf"))
    }

    /// A limit of the file size stands for a full disk: the write that passes it fails.
    @Test(arguments: ["1", "2", "4"])
    func packingOntoAFullDisk(jobs: String) throws {
        let packed = directory.file("packed")
        #expect(try CommandTests.recast("pack", Fixtures.tinyModel, packed).status == 0)
        let blocks = directory.bytes("packed")!.count / 512
        directory.remove("packed")
        // From 1, so that there is room for the message.
        for limit in stride(from: 1, to: blocks - 1, by: max(1, blocks / 25)) {
            let outcome = try CommandTests.shell(
                "ulimit -f \(limit); exec \"$0\" \"$@\"",
                ["pack", Fixtures.tinyModel, packed, "--quiet", "--jobs", jobs])
            #expect(outcome.status == 74 && outcome.errors.contains("File too large"), "\(limit): \(outcome.errors)")
            #expect(directory.names.isEmpty, "\(limit)")
        }
    }
}
