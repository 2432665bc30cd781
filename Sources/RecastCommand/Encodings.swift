import ArgumentParser
import Recast

struct Encodings: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the encodings that --encoding takes.",
        discussion: """
            Bits are those of a weight with its scales, under the encoding's own defaults; the file types of GGUF give some weights more,
            as llama-quantize does. The divergence is the mean KL divergence from the original, in nats, of the small model of Recast's
            repository: it compares encodings, and larger models lose less. With *, it was measured with an importance matrix.

            EXAMPLES:
              recast encodings
              recast encodings --json
            """)

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let all = EncodingSummary.all
        if output.json {
            try Console.document(["encodings": .array(all.map(\.json))])
            return
        }
        let rows = all.map { encoding in
            [
                ([encoding.name] + encoding.aliases).joined(separator: ", "),
                encoding.isOfGGUF ? "GGUF" : "Hugging Face",
                Format.fixed(encoding.bitsPerWeight, 2), encoding.divergenceText,
                encoding.consumers.joined(separator: ", "),
            ]
        }
        try Console.result(
            Format.table(
                [["encoding", "target", "bits per weight", "divergence", "loads in"]] + rows, rightAligned: [2, 3]))
    }
}

extension EncodingSummary {
    fileprivate var divergenceText: String {
        guard let divergence else { return "" }
        return Format.fixed(divergence, 6) + (isMeasuredWithImportance ? "*" : "")
    }

    fileprivate var json: JSON {
        [
            "encoding": .string(name), "aliases": .array(aliases.map(JSON.string)),
            "target": isOfGGUF ? "gguf" : "huggingface", "bits_per_weight": .double(bitsPerWeight),
            "kl_divergence": divergence.map(JSON.double) ?? .null, "with_importance": .bool(isMeasuredWithImportance),
            "consumers": .array(consumers.map(JSON.string)),
        ]
    }
}
