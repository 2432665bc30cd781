import Foundation
import TestSupport
import Testing

@testable import Recast

/// What `recast encodings` says of every encoding, against the tables it is made of.
struct EncodingSummaryTests {
    @Test func everyNameIsThere() {
        let all = EncodingSummary.all
        let names = all.flatMap { [$0.name] + $0.aliases }
        #expect(Set(names) == Set(EncodingName.known.map(\.name)) && names.count == EncodingName.known.count)
        #expect(all.allSatisfy { !$0.consumers.isEmpty })
    }

    /// By hand: codes, and what else a group has.
    @Test func bits() throws {
        let bits = Dictionary(uniqueKeysWithValues: EncodingSummary.all.map { ($0.name, $0.bitsPerWeight) })
        // swift-format-ignore
        let expected: [(String, Double)] = [
            ("f32", 32), ("bf16", 16), ("q4_0", 4.5), ("q8_0", 8.5), ("q4_k_m", 4.5), ("q2_k", 2.625), ("iq1_s", 1.5625),
            // A scale in 16 bits and, where there are zeros, a code for each group; a group for each column.
            ("ct-int4", 4 + 16 / 128.0), ("ct-int8", 8 + 16 / 8192.0), ("awq-int4", 4 + (16 + 4) / 128.0),
            ("gptq-int4", 4 + (16 + 4) / 128.0 + 32 / 1024.0), ("nf4", 4.5),
            ("nf4-nested", 4 + 8 / 64.0 + 32 / 256 / 64.0), ("mlx-int4", 4 + 32 / 64.0), ("ct-mxfp4", 4.25),
        ]
        for (name, value) in expected {
            #expect(abs(try #require(bits[name]) - value) < 0.002, "\(name): \(bits[name] ?? 0)")
        }
    }

    /// Each number is that of Specs/quality.md, measured by `make interop` with the encoding's own defaults.
    @Test func divergences() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Specs/quality.md").path
        let section = try String(contentsOfFile: path, encoding: .utf8).components(separatedBy: "\n## ")[1]
        var measured: [String: [String: Double]] = [:]
        for line in section.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            if let value = Double(cells[7]) { measured[cells[1], default: [:]][cells[2]] = value }
        }
        #expect(measured.count > 50)
        for encoding in EncodingSummary.all {
            guard let divergence = encoding.divergence else {
                #expect(measured[encoding.name] == nil, "\(encoding.name)")
                continue
            }
            let choices = try Self.defaultChoices(encoding, of: try #require(measured[encoding.name]))
            #expect(measured[encoding.name]?[choices] == divergence, "\(encoding.name) \(choices)")
        }
    }

    private static func defaultChoices(_ encoding: EncodingSummary, of rows: [String: Double]) throws -> String {
        guard let packing = try Packing.named(encoding.name) else {
            return encoding.isMeasuredWithImportance ? "importance" : ""
        }
        if rows[""] != nil { return "" }
        let scheme = packing.template.scheme
        let isChosen = rows.keys.contains { $0.hasPrefix("symmetric") }
        let origin = !isChosen ? [] : scheme.origin == .symmetric ? ["symmetric"] : ["asymmetric"]
        let size = scheme.block.columns
        return (origin + [size == 0 ? "per channel" : "group-size \(size)"]).joined(separator: " ")
    }
}
