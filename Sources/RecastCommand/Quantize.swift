import ArgumentParser
import Recast

struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a checkpoint with fewer bits to a weight.",
        discussion: """
            An encoding of a GGUF target is a file type of llama-quantize by its name: it chooses the same type for each \
            tensor, and writes the same bytes. A q4_0 file has a Q6_K head; --pure gives every weight the one type. Where \
            blocks do not fill the rows of a weight another type stands in, and a note says where; --dry-run shows the type \
            of each tensor and the reason.

            A GGUF source may be of any architecture. One that is quantized already can be quantized again, with a warning: \
            losses add up.

            ENCODINGS:
              \(names(where: \.isEncodable))
            Known, but not written: \(names { !$0.isEncodable })

            EXAMPLES:
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m
              recast quantize qwen.gguf qwen-q4.gguf --encoding q4_k_m \\
                  --importance qwen.imatrix.gguf
              recast quantize qwen.gguf qwen-q3.gguf --encoding q3_k_m \\
                  --override 'blk\\.[0-3]\\.=q6_k' --output-encoding q8_0
              recast quantize big-00001-of-00009.gguf big-q5.gguf \\
                  --encoding q5_k_m --keep-split
              recast quantize qwen.gguf q4.gguf --encoding q4_0 --pure --dry-run
            """)

    private static func names(where condition: (DType) -> Bool) -> String {
        GGUFFileType.allCases.filter { condition($0.dtype) }.map(\.name).joined(separator: " ")
    }

    /// How codes are found for numbers.
    enum Method: String, CaseIterable, ExpressibleByArgument {
        /// From each weight alone.
        case round
    }

    @Option(help: ArgumentHelp("How weights are stored: q4_k_m, q8_0, … (see above).", valueName: "name"))
    var encoding: String

    @Option(help: "How codes are chosen; round, from each weight by itself, is the only method so far.")
    var method: Method = .round

    @Option(
        help: ArgumentHelp("Importance of each column, a file of llama-imatrix in either format.", valueName: "file"))
    var importance: String?

    @Option(
        name: .customLong("override"),
        help: ArgumentHelp(
            "Give tensors whose name the regular expression is found in this type; the first that is found decides. May be "
                + "repeated.", valueName: "regex=type"))
    var overrides: [String] = []

    @Flag(help: "Give every weight the encoding's own type.")
    var pure = false

    @Option(help: ArgumentHelp("Type of the head, output.weight.", valueName: "type"))
    var outputEncoding: String?

    @Option(help: ArgumentHelp("Type of the embedding, token_embd.weight.", valueName: "type"))
    var embeddingEncoding: String?

    @Flag(help: "Keep the files of a split GGUF source apart.")
    var keepSplit = false

    @OptionGroup var arguments: ConversionArguments

    func run() throws {
        // What is mistyped is said before anything is opened.
        var quantization = QuantizationOptions()
        quantization.isPure = pure
        quantization.overrides = try overrides.map { try TypeOverride(parsing: $0) }
        quantization.outputType = try outputEncoding.map { try DType.weight(named: $0) }
        quantization.embeddingType = try embeddingEncoding.map { try DType.weight(named: $0) }
        quantization.keepsSplit = keepSplit
        _ = try EncodingName(encoding)
        quantization.importance = try importance.map { try Importance(path: $0) }
        try arguments.convert(title: "quantizing", defaultFamily: { _ in "same" }) { options in
            try options.encode(as: encoding)
            options.quantization = quantization
        }
    }
}
