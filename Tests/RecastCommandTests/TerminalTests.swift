import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastCommand

/// What a file says cannot steer the terminal it is shown on.
struct TerminalTests {
    private let directory = TemporaryDirectory()

    /// What terminals obey, or what hides or turns text: as Unicode's tables name them, not as the library finds them.
    private static let controls: [ClosedRange<UInt32>] = [
        0x00...0x1F, 0x7F...0x9F, 0xAD...0xAD, 0x61C...0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2064,
        0x2066...0x206F, 0xFEFF...0xFEFF, 0xFFF9...0xFFFB, 0xE0001...0xE0001, 0xE0020...0xE007F,
    ]
    private static let scalars = controls.joined().compactMap(Unicode.Scalar.init)

    /// All of them, in the midst of what is to be seen.
    private static let attack = "a" + scalars.map(String.init).joined(separator: "x") + "z"

    /// Whether the text has a control character other than the line breaks between lines.
    static func isClean(_ text: String) -> Bool {
        let forbidden = Set(scalars.filter { $0 != "\n" })
        return !text.unicodeScalars.contains(where: forbidden.contains)
    }

    // MARK: The text itself

    @Test func escapes() {
        let name = "a\u{1B}]0;T\u{7}\r\n\tb\u{9B}\u{7F}\u{202E}c\u{2028}\u{E0041}é漢👩‍💻\\"
        #expect(
            TerminalText(escaping: name).string
                == #"a\u001b]0;T\u0007\r\n\tb\u009b\u007f\u202ec\u2028\udb40\udc41é漢👩\u200d💻\"#)
        let text: TerminalText = "\u{1B}[K\(name.prefix(2).description) \(-1)\("\u{8}" as TerminalText)"
        #expect(text.string == "\u{1B}[Ka\\u001b -1\u{8}")
        #expect(TerminalText(escapingAllButLineBreaks: "a\nb\tc\u{0}").string == "a\nb\\tc\\u0000")
        for scalar in Self.scalars {
            #expect(TerminalText(escaping: "\(scalar)").string.hasPrefix("\\"), "\(scalar.value)")
        }
        for scalar in (0x20...0x10FFFF as ClosedRange<UInt32>).compactMap(Unicode.Scalar.init)
        where ![.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory) {
            if TerminalText(escaping: "\(scalar)").string != "\(scalar)" { Issue.record("\(scalar.value)") }
        }
    }

    @Test func tables() {
        let table = Format.table([["a\nb", "1"], ["c\u{1B}", "22"], ["d", "\t"]], rightAligned: [1]).string
        #expect(table == #"a\nb      1"# + "\n" + #"c\u001b  22"# + "\n" + #"d        \t"#)
        // A name of a megabyte in one row is not a megabyte in all of them.
        let long = String(repeating: "n", count: 1 << 20)
        let rows = [[long, "1"]] + (0..<1000).map { ["n\($0)", "2"] }
        #expect(Format.table(rows).string.utf8.count < 2 << 20)
    }

    /// Characters may be cut anywhere, and what is no UTF-8 is not passed on.
    @Test func modelText() {
        let bytes = Array("é漢👩‍💻\u{1B}[2J\n\t\r\u{9B}\u{202E}.".utf8) + [0x9B, 0xF0, 0x9F, 0x41, 0xFF, 0xE6, 0xBC]
        let expected = "é漢👩‍💻\\u001b[2J\n\t\\r\\u009b\\u202e.\u{FFFD}\u{FFFD}A\u{FFFD}\u{FFFD}"
        for size in 1...bytes.count {
            var text = ModelText()
            var shown = ""
            for start in stride(from: 0, to: bytes.count, by: size) {
                shown += text.append(Array(bytes[start..<min(start + size, bytes.count)])).string
            }
            #expect(shown + text.end().string == expected, "\(size)")
        }
        // What can be shown is shown at once.
        var text = ModelText()
        #expect(text.append([0x41, 0xF0, 0x9F, 0x91]).string == "A")
        #expect(text.append([0xA9]).string == "👩")
        #expect(text.append([0x42]).string == "B" && text.end().string == "")
    }

    @Test func documents() throws {
        let json = JSON.object(JSON.Object([(Self.attack, .array([.string(Self.attack), 1]))]))
        let text = json.text(.indented, escaping: .terminalControls)
        #expect(Self.isClean(text))
        #expect(try JSON(parsing: Array(text.utf8), file: "") == json)
        let plain: JSON = ["é": "漢\"\\/"]
        #expect(plain.text(.indented, escaping: .terminalControls) == plain.text(.indented))
        // Foundation reads it as it reads the other spelling.
        let read = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: [Any]]
        #expect(read?.keys.first.map { Array($0.utf8) } == Array(Self.attack.utf8))
    }

    // MARK: The commands

    /// Names of tensors and keys, values, types, names of files, errors about them, notes, warnings.
    private func hostileFiles() throws -> [String] {
        func write(_ name: String, _ header: JSON, data: Int = 4) -> String {
            var bytes = header.serialized()
            while bytes.count % 8 != 0 { bytes.append(0x20) }
            let count = withUnsafeBytes(of: UInt64(bytes.count).littleEndian, Array.init)
            return directory.write(name, count + bytes + [UInt8](repeating: 0, count: data))
        }
        func header(_ name: String, dtype: String) -> JSON {
            let tensor: JSON = ["dtype": .string(dtype), "shape": [1], "data_offsets": [0, 4]]
            let metadata = JSON.Object([("note" + Self.attack, .string(Self.attack))])
            return .object(JSON.Object([("__metadata__", .object(metadata)), (name, tensor)]))
        }
        let fileName = String(Self.attack.unicodeScalars.filter { $0 != "\0" && $0.value < 0x80 })
        var paths = [
            write("good.safetensors", header(Self.attack, dtype: "F32")),
            write("dtype.safetensors", header("w", dtype: Self.attack)),
            write("offsets.safetensors", header(Self.attack, dtype: "F64")),
            write(fileName + ".safetensors", header("w", dtype: "F32")),
        ]
        let config = try FileSource.contents(of: Fixtures.tinyModel + "/config.json")
        for (name, key) in [("architecture", "architectures"), ("kind", "model_type"), ("act", "hidden_act")] {
            var object = try #require(JSON(parsing: config, file: "").object)
            object[key] = key == "architectures" ? [.string(Self.attack)] : .string(Self.attack)
            directory.write("\(name)/config.json", JSON.object(object).serialized())
            _ = write("\(name)/model.safetensors", header(Self.attack, dtype: "F32"))
            paths.append(directory.file(name))
        }
        // A model in which a tensor is unknown, another missing: several lines of reasons.
        directory.write("lines/config.json", config)
        _ = write("lines/model.safetensors", header("x\n  error: " + Self.attack, dtype: "F32"))
        paths.append(directory.file("lines"))
        var gguf = GGUFBuilder()
        gguf.pair("general.architecture", GGUFBuilder.string(Self.attack))
        gguf.pair("general.name" + Self.attack, GGUFBuilder.string(Self.attack))
        paths.append(directory.write("a.gguf", gguf.bytes))
        return paths
    }

    @Test func nothingRawIsShown() throws {
        let text = directory.write("text", Array("a".utf8))
        for path in try hostileFiles() {
            let destination = directory.file("out")
            for arguments in [
                ["inspect", path, "--tensors", "--metadata"], ["inspect", path, "--tensors", "--metadata", "--json"],
                ["convert", path, destination, "--family", "same"], ["convert", path, destination, "--dry-run"],
                ["quantize", path, destination + ".gguf", "--encoding", "q8_0", "--json"], ["diff", path, path],
                ["pack", path, destination + ".packed"], ["tokenize", path, text],
                ["perplexity", path, "--text", text], ["generate", path, "--prompt", "\u{1B}[2J"],
            ] {
                let outcome = try CommandTests.recast(arguments)
                #expect(Self.isClean(outcome.output), "\(arguments)")
                #expect(Self.isClean(outcome.errors), "\(arguments)")
                #expect([0, 64, 65, 66, 69, 73].contains(outcome.status), "\(arguments)")
            }
        }
    }

    @Test func whatIsShownInstead() throws {
        let path = try hostileFiles()[0]
        let text = try CommandTests.recast("inspect", path, "--tensors", "--metadata").output
        let escaped = TerminalText(escaping: Self.attack).string
        #expect(text.contains("\n\(escaped)  1  F32\n") && text.contains("note\(escaped)  \(escaped)\n"))
        let json = try CommandTests.recast("inspect", path, "--tensors", "--metadata", "--json").json
        #expect(json["tensors"]?.array?.first?["name"]?.string.map { Array($0.utf8) } == Array(Self.attack.utf8))
    }

    /// A name cannot make a line that looks like ours.
    @Test func linesOfErrorsAreOurs() throws {
        let path = try #require(hostileFiles().first { $0.hasSuffix("/lines") })
        let lines = try CommandTests.recast("convert", path, directory.file("out")).errors.split(separator: "\n")
        #expect(lines.count > 2 && lines[0].hasPrefix("error: "))
        for line in lines.dropFirst() {
            #expect(["  missing: ", "  unknown: ", "  --allow-unknown"].contains { line.hasPrefix($0) }, "\(line)")
        }
        #expect(lines.contains { $0.hasPrefix(#"  unknown: x\n  error: a\u0000x"#) })
    }

    @Test func argumentsAreEscapedToo() throws {
        for arguments in [["inspect", "x", "--\u{1B}[2J"], ["\u{1B}[2J"], ["convert", "a", "b", "--to", "\u{1B}[2J"]] {
            let outcome = try CommandTests.recast(arguments)
            #expect(outcome.status == 64 && Self.isClean(outcome.errors) && outcome.errors.contains(#"\u001b[2J"#))
        }
    }

    /// The text of a model, of which the prompt is the beginning, is the result: raw, but for a terminal.
    @Test func generating() throws {
        let prompt = "\u{1B}[2JIn\tthe\u{202E}\n"
        let arguments = ["generate", Fixtures.tinyModel, "--prompt", prompt, "--max-tokens", "1", "--quiet"]
        let raw = try CommandTests.recast(arguments)
        #expect(raw.status == 0 && raw.output.hasPrefix(prompt))

        var (terminal, other): (Int32, Int32) = (-1, -1)
        try #require(openpty(&terminal, &other, nil, nil, nil) == 0)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try CommandTests.binary)
        process.arguments = arguments
        process.standardOutput = FileHandle(fileDescriptor: other)
        try process.run()
        process.waitUntilExit()
        // A terminal's driver turns line breaks into two characters.
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(terminal, &buffer, buffer.count)
        let shown = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        close(other)
        close(terminal)
        #expect(process.terminationStatus == 0)
        #expect(shown.hasPrefix("\\u001b[2JIn\tthe\\u202e\r\n"), "\(shown)")
        #expect(!shown.contains("\u{1B}"))
    }
}
