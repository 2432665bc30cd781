import Foundation
import Recast
import RecastInference
import TestSupport
import Testing

/// The README's table of families is what the library says of itself.
struct FamilyTableTests {
    private static let readme = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("README.md").path
    private static let marks = (begin: "<!-- families -->\n", end: "<!-- /families -->\n")

    /// With `RECAST_WRITE_TABLES=1` in the environment the README is mended instead.
    @Test func readmeSaysWhatIsSupported() throws {
        let text = try String(contentsOfFile: Self.readme, encoding: .utf8)
        let begin = try #require(text.range(of: Self.marks.begin)), end = try #require(text.range(of: Self.marks.end))
        let table = try Self.table()
        if ProcessInfo.processInfo.environment["RECAST_WRITE_TABLES"] == "1" {
            let mended = text.replacingCharacters(in: begin.upperBound..<end.lowerBound, with: table)
            try mended.write(toFile: Self.readme, atomically: true, encoding: .utf8)
        } else {
            #expect(String(text[begin.upperBound..<end.lowerBound]) == table, "RECAST_WRITE_TABLES=1 mends it")
        }
    }

    private static func table() throws -> String {
        let header =
            "| family | own layout | to llama | from llama | GGUF | Megatron | runs |\n|---|---|---|---|---|---|---|\n"
        return try header
            + FamilySupport.all.map { support in
                let gguf = support.architecture.map { "\(cell(support.gguf)) `\($0)`" } ?? "–"
                let cells = [
                    "\(support.family.name) (`\(support.family.architectures[0])`)", cell(support.own),
                    cell(support.llama), cell(support.fromLlama), gguf, cell(support.megatron), runs(support),
                ]
                return "| " + cells.joined(separator: " | ") + " |\n"
            }.joined()
    }

    private static func cell(_ answer: FamilySupport.Answer) -> String {
        switch answer {
        case .bit: "✓"
        case .rounded: "rounded"
        case .refused: "–"
        }
    }

    private static func runs(_ support: FamilySupport) -> String {
        (try? ForwardPass(support.sample, files: FilePool([]))) == nil ? "–" : "✓"
    }

    /// Every family is kept in its own layout and runs; nothing is refused without a reason.
    @Test func everyFamily() throws {
        let all = try FamilySupport.all
        #expect(all.count >= 33)
        for support in all {
            #expect(support.own == .bit, "\(support.family.name)")
            #expect(Self.runs(support) == "✓", "\(support.family.name)")
            for answer in [support.llama, support.fromLlama, support.gguf, support.megatron] {
                if case .refused(let reason) = answer {
                    #expect(reason.count > 20, "\(support.family.name): \(reason)")
                }
            }
        }
    }

    @Test func families() throws {
        let text = try CommandTests.recast("families")
        #expect(text.status == 0)
        #expect(text.output.split(separator: "\n").count == Family.all.count + 1)
        let reasons = try CommandTests.recast("families", "--reasons").output
        #expect(reasons.contains("no architecture for helium"))
        let json = try #require(try CommandTests.recast("families", "--json").json["families"]?.array)
        #expect(json.count == Family.all.count)
        let olmo = try #require(json.first { $0["family"]?.string == "olmo" })
        #expect(olmo["llama"]?["outcome"]?.string == "rounded")
        #expect(olmo["gguf"]?["architecture"]?.string == "olmo")
        #expect(
            olmo["from_llama"]?["reason"]?.string?.contains("norm: RMSNorm in this llama, LayerNorm in OlmoForCausalLM")
                == true)
    }
}
