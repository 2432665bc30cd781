import ArgumentParser
import Recast
import RecastInference

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

            ENCODINGS OF GGUF TARGETS:
              \(GGUFFileType.allCases.map(\.name).joined(separator: " "))
            Those of one and two bits and the smaller of three want an importance file.

            ENCODINGS OF HUGGING FACE TARGETS, with what shares a scale, the default first:
              int8-absmax             row, tensor, group; symmetric    vLLM, transformers
              int8-zero-point         row, tensor, group; asymmetric   vLLM, transformers *
              int4-group              group 128, row; either           vLLM, transformers *
              ct-int4 ct-int8         group 128 / row; either          vLLM, transformers *
              ct-fp8 ct-mxfp4         row, tensor / group 32           vLLM, transformers
              gptq-int2|3|4|8         group 128, row; either           GPTQModel, vLLM, transformers
              gptq-v1-int2|3|4|8      the first format of zeros        … and old AutoGPTQ
              gptq-v2-int2|3|4|8      the second                       GPTQModel, vLLM
              awq-int4                group 128; either                AutoAWQ, vLLM, transformers
              nf4 fp4                 64 numbers                       bitsandbytes
              nf4-nested fp4-nested   64 numbers, scales in bytes      bitsandbytes
              llm-int8                row; symmetric                   bitsandbytes
              mlx-int2|3|4|5|6|8      group 64; asymmetric             mlx-lm
              fp8                     squares of 128 × 128             vLLM, SGLang, transformers
            A group is 32, 64, 128 or 256 inputs of a row (mlx: up to 128). gptq-int4 writes the first format if it is
            symmetric and the second if not. * transformers loads asymmetric ones with dequantize=True.

            CALIBRATION:
            Without --calibration no encoding's name promises one: gptq-int4 and awq-int4 are rounded to nearest. With a text, \
            codes are chosen by what each weight is multiplied with (--method gptq): the same bytes, and a result much \
            nearer to the original; of any encoding above whose codes have scales of their own rows. The model is run once, \
            layer by layer, in the memory of a layer and of the tokens' hidden states; --resume keeps each finished layer. \
            A text is best like what the model is used for, and has some ten thousand tokens. A table shows the error of each \
            weight's output: of rounding, of a search by importance, and of the codes that were chosen.

            EXAMPLES:
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m \\
                  --calibration calibration.txt --resume
              recast quantize Qwen2.5-0.5B qwen-gptq --encoding gptq-int4 \\
                  --calibration prose:3=book.txt --calibration code:1=code.jsonl
              recast quantize qwen.gguf qwen-q4.gguf --encoding q4_k_m \\
                  --importance qwen.imatrix.gguf
              recast quantize qwen.gguf qwen-q3.gguf --encoding q3_k_m \\
                  --override 'blk\\.[0-3]\\.=q6_k' --output-encoding q8_0
              recast quantize big-00001-of-00009.gguf big-q5.gguf \\
                  --encoding q5_k_m --keep-split
              recast quantize Qwen2.5-0.5B qwen-int4 --encoding gptq-int4 \\
                  --group-size 64 --method search --errors
              recast quantize qwen-gptq qwen-q4_0.gguf --encoding q4_0
              recast quantize qwen.gguf q4.gguf --encoding q4_0 --pure --dry-run
            """)

    enum Symmetry: String, EnumerableFlag {
        case symmetric, asymmetric
    }

    @Option(help: ArgumentHelp("How weights are stored: q4_k_m, q8_0, gptq-int4, … (see above).", valueName: "name"))
    var encoding: String

    @OptionGroup(title: "GGUF targets") var gguf: GGUFQuantizationArguments

    @Option(
        help: ArgumentHelp(
            "How codes are chosen: round, from the extremes of each block; search, for the least squared error; gptq, by "
                + "error feedback on a --calibration text; awq, with scaled columns on one. By default gptq with a text, and "
                + "round without.",
            valueName: "method"))
    var method: Method?

    enum Method: String, CaseIterable, ExpressibleByArgument {
        case round, search, gptq, awq
    }

    @OptionGroup(title: "Calibration") var calibration: CalibrationArguments

    @Option(help: ArgumentHelp("What shares a scale, where the encoding leaves a choice.", valueName: "reach"))
    var per: Packing.Choices.Granularity?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How many inputs share a scale; -1 is a whole row.", valueName: "n"))
    var groupSize: Int?

    @Flag(help: "Whether zero is in the middle of the codes, where the encoding leaves a choice.")
    var symmetry: Symmetry?

    @Option(
        help: "Type of the weights that a Hugging Face target does not quantize, and of scales that are free to choose."
    )
    var dtype: WeightType = .keep

    @OptionGroup var arguments: ConversionArguments

    func validate() throws {
        guard !calibration.isAsked else {
            if method == .round {
                throw ValidationError("--method round takes no notice of texts; leave out --calibration")
            }
            if gguf.importance != nil {
                throw ValidationError("--calibration measures what --importance says; use one")
            }
            return
        }
        if let method, method == .gptq || method == .awq {
            throw ValidationError("--method \(method.rawValue) needs a text to calibrate on: --calibration FILE")
        }
    }

    func run() throws {
        // What is mistyped is said before anything is opened.
        var choices = Packing.Choices()
        choices.method = method == .search && !calibration.isAsked ? .search : .round
        choices.per = per
        choices.groupSize = groupSize
        choices.isSymmetric = symmetry.map { $0 == .symmetric }
        _ = try EncodingName(encoding)
        let quantization = try gguf.options()
        try arguments.convert(
            title: "quantizing",
            refine: { options in
                try options.encode(as: encoding, choices)
                options.quantization = quantization
                options.dtype = dtype.dtype
            },
            with: calibration.isAsked
                ? CalibratedQuantization(
                    calibration, CalibrationOptions.Method(rawValue: method?.rawValue ?? "") ?? .gptq) : nil)
    }
}

/// Which types the tensors of a GGUF file get.
struct GGUFQuantizationArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("Importance of each column, a file of llama-imatrix in either format.", valueName: "file"))
    var importance: String?

    @Option(
        name: .customLong("override"),
        help: ArgumentHelp(
            "Give tensors in whose name the regular expression is found this type; the first that is found decides. May be "
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

    func options() throws -> QuantizationOptions {
        var options = QuantizationOptions()
        options.isPure = pure
        options.overrides = try overrides.map { try TypeOverride(parsing: $0) }
        options.outputType = try outputEncoding.map { try DType.weight(named: $0) }
        options.embeddingType = try embeddingEncoding.map { try DType.weight(named: $0) }
        options.keepsSplit = keepSplit
        options.importance = try importance.map { try Importance(path: $0) }
        return options
    }
}

extension Packing.Choices.Granularity: ExpressibleByArgument {}
