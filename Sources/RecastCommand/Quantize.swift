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

            An encoding of a Hugging Face target is stored so that the software it is named after loads it: compressed-tensors \
            (int8-absmax, int8-zero-point, int4-group, ct-…), GPTQ, AWQ, bitsandbytes (nf4, fp4), MLX, DeepSeek's fp8. Embedding, \
            head and norms stay as they are, except for MLX. Codes whose grids agree are re-packed, not quantized again.

            A GGUF source may be of any architecture. One that is quantized already can be quantized again, with a warning: \
            losses add up.

            ENCODINGS of GGUF targets:
              \(names(where: \.isEncodable))
            ENCODINGS of Hugging Face targets:
              \(Packing.names.joined(separator: " "))
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
              recast quantize Qwen2.5-0.5B qwen-gptq --encoding gptq-int4
              recast quantize Qwen2.5-0.5B qwen-int4 --encoding int4-group \\
                  --group-size 64 --method search --errors
              recast quantize qwen-gptq qwen-q4_0.gguf --encoding q4_0
            """)

    private static func names(where condition: (DType) -> Bool) -> String {
        GGUFFileType.allCases.filter { condition($0.dtype) }.map(\.name).joined(separator: " ")
    }

    @Option(help: ArgumentHelp("How weights are stored: q4_k_m, q8_0, … (see above).", valueName: "name"))
    var encoding: String

    @Option(help: "How scales are found (Hugging Face targets): round, from the extremes; search, the best clipping.")
    var method: QuantizationMethod = .round

    @Option(help: "What shares a scale (Hugging Face targets).")
    var per: Packing.Choices.Reach?

    @Option(help: ArgumentHelp("Columns that share a scale (Hugging Face targets); -1 is a whole row.", valueName: "n"))
    var groupSize: Int?

    @Flag(exclusivity: .exclusive, help: "Codes around zero, or with a zero of their own (Hugging Face targets).")
    var symmetry: Symmetry?

    enum Symmetry: String, EnumerableFlag { case symmetric, asymmetric }

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

    private var choices: Packing.Choices {
        var choices = Packing.Choices()
        choices.method = method
        choices.per = per
        choices.groupSize = groupSize
        choices.isSymmetric = symmetry.map { $0 == .symmetric }
        return choices
    }

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
            try options.encode(as: encoding, choices: choices)
            guard options.packing == nil || quantization.onlyImportance else {
                throw ValidationError(
                    "--pure, --override, --output-encoding, --embedding-encoding and --keep-split are for GGUF targets")
            }
            options.quantization = quantization
        }
    }
}

extension QuantizationMethod: ExpressibleByArgument {}
extension Packing.Choices.Reach: ExpressibleByArgument {}
