import Foundation
import TestSupport
import Testing

/// What Tests/Attacks/README.md says of each hostile file is what happens.
struct AttackTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Attacks").path

    struct Attack: CustomTestStringConvertible, Sendable {
        var name: String
        var statuses: [Int32]

        var testDescription: String { name }
        var path: String { AttackTests.folder + "/files/" + name }
    }

    /// The rows of the table.
    static let attacks: [Attack] = {
        let text = (try? String(contentsOfFile: folder + "/README.md", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { line in
            let cells = line.split(separator: "|")
            let statuses = cells[cells.count - 1].split { !$0.isNumber }.compactMap { Int32($0) }
            return Attack(name: String(cells[0].dropFirst(2).dropLast(2)), statuses: statuses)
        }
    }()

    @Test func everyFileIsInTheTable() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder + "/files")
        #expect(files.sorted() == Self.attacks.map(\.name).sorted() && files.count > 100)
        #expect(Self.attacks.allSatisfy { !$0.statuses.isEmpty })
    }

    @Test(arguments: attacks)
    func attack(_ attack: Attack) throws {
        let directory = TemporaryDirectory()
        var commands = [["inspect", attack.path, "--tensors", "--metadata"]]
        if attack.name == "torch-checksum.bin" { commands[0].append("--checksums") }
        if attack.name.hasPrefix("tokenizer-") { commands = [["tokenize", attack.path, attack.path + "/text"]] }
        if attack.name.hasPrefix("importance-") {
            let arguments = ["--encoding", "q4_0", "--dry-run", "--importance", attack.path]
            commands = [["quantize", Fixtures.tinyModel, "out.gguf"] + arguments]
        }
        if attack.name.hasPrefix("archive-") { commands.append(["unpack", attack.path, "out"]) }
        for command in commands {
            // Many run side by side here, so that they get more time than the table says.
            let outcome = try CommandTests.shell(
                "cd '\(directory.path)' && ulimit -v 1500000 && exec timeout -s KILL 20 \"$0\" \"$@\"", command)
            #expect(attack.statuses.contains(outcome.status), "\(outcome.status): \(outcome.errors.prefix(500))")
            #expect(outcome.status == 0 || outcome.errors.hasPrefix("error: "), "\(outcome.errors.prefix(500))")
            #expect(TerminalTests.isClean(outcome.output) && TerminalTests.isClean(outcome.errors))
            #expect(directory.names.isEmpty)
        }
    }
}
