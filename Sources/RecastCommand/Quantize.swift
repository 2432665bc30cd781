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
            nearer to the original; of every encoding above. The model is run once, \
            layer by layer, in the memory of a layer and of the tokens' hidden states; --resume keeps each finished layer. \
            A text is best like what the model is used for, and has some ten thousand tokens. A table shows the error of each \
            weight's output: of rounding, of a search by importance, and of the codes that were chosen.

            BUDGET:
            With --target-size or --target-bits-per-weight in the place of --encoding, the type of each tensor of a GGUF file \
            is chosen as well; of a Hugging Face target the width of each weight's codes, in the format that --encoding names \
            (gptq-int4, gptq-v2-int4, ct-int4, mlx-int4): by the error that each type makes in the output of each weight, and by what that does to the \
            predictions. A few tables of types are calibrated and measured on a part of the text that was held out, and the \
            best is written; in GGUF files the mix of --encoding is one of them. Weights that llama.cpp, mlx-lm or vLLM multiply with \
            together share a type. The table is printed and saved as DESTINATION.recipe, lines of regex=type, which --recipe \
            takes.

            EXAMPLES:
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m \\
                  --calibration calibration.txt --resume
              recast quantize Qwen2.5-0.5B qwen-gptq --encoding gptq-int4 \\
                  --calibration prose:3=book.txt --calibration code:1=code.jsonl
              recast quantize Qwen2.5-0.5B qwen.gguf --target-size 350MB \\
                  --calibration calibration.txt --resume
              recast quantize Qwen2.5-0.5B qwen2.gguf --recipe qwen.gguf.recipe \\
                  --calibration other.txt
              recast quantize Qwen2.5-0.5B qwen-mlx --encoding mlx-int4 \\
                  --target-bits-per-weight 4.8 --calibration calibration.txt
              recast quantize Qwen2.5-0.5B qwen-ct --encoding ct-int4 \\
                  --override 'down_proj=ct-int8' --override 'layers\\.0\\.=bf16'
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
              recast quantize Qwen2.5-0.5B qwen-q4.gguf --encoding q4_k_m \\
                  --report qwen-q4.html
            """)

    enum Symmetry: String, EnumerableFlag {
        case symmetric, asymmetric
    }

    @Option(
        help: ArgumentHelp(
            "How weights are stored: q4_k_m, q8_0, gptq-int4, … (see above); not needed with a target size or a recipe.",
            valueName: "name"))
    var encoding: String?

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

    @OptionGroup(title: "Budget") var budget: BudgetArguments

    @Option(help: ArgumentHelp("What shares a scale, where the encoding leaves a choice.", valueName: "reach"))
    var per: Packing.Choices.Granularity?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How many inputs share a scale; -1 is a whole row.", valueName: "n"))
    var groupSize: Int?

    @Flag(
        help: "Make groups of columns that matter alike, which the encoding must have a place for; needs --calibration."
    )
    var actOrder = false

    @Flag(help: "Whether zero is in the middle of the codes, where the encoding leaves a choice.")
    var symmetry: Symmetry?

    @Option(
        help: "Type of the weights that a Hugging Face target does not quantize, and of scales that are free to choose."
    )
    var dtype: DTypeOption = .keep

    @OptionGroup(title: "Report") var report: ReportOptions

    @OptionGroup var arguments: ConversionArguments

    func validate() throws {
        if report.report != nil, arguments.dryRun {
            throw ValidationError("--dry-run writes nothing, so that there is nothing to report; leave out one of both")
        }
        if budget.isAsked {
            guard calibration.isAsked else {
                throw ValidationError(
                    "a target size needs a text by which types are chosen: --calibration FILE")
            }
            guard gguf.recipe == nil else {
                throw ValidationError("a recipe has its types already; use --recipe or a target size")
            }
            guard calibration.holdOut != 0 else {
                throw ValidationError(
                    "a target size judges its candidates on windows that are held out; --hold-out 0 leaves none")
            }
            guard !gguf.pure else {
                throw ValidationError(
                    "a target size chooses the types, so that there is nothing left for --pure to say; --target-types says "
                        + "among which, --override fixes some")
            }
        } else if encoding == nil, gguf.recipe == nil {
            throw ValidationError("--encoding says how weights are stored: q4_k_m, gptq-int4, …; --help lists all")
        }
        guard !calibration.isAsked else {
            if method == .round {
                throw ValidationError("--method round takes no notice of texts; leave out --calibration")
            }
            if method == .awq, calibration.reorder || actOrder {
                throw ValidationError(
                    "--method awq makes columns alike by scaling them; \(actOrder ? "--act-order" : "--reorder") is for gptq and "
                        + "search")
            }
            if actOrder, calibration.reorder {
                throw ValidationError("--act-order puts all columns in order; leave out --reorder")
            }
            if gguf.importance != nil {
                throw ValidationError("--calibration measures what --importance says; use one")
            }
            return
        }
        for (name, isGiven) in [
            ("--hold-out", calibration.holdOut != nil), ("--reorder", calibration.reorder), ("--act-order", actOrder),
        ] where isGiven { throw ValidationError("\(name) needs a text: --calibration FILE") }
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
        choices.hasActOrder = actOrder
        choices.isSymmetric = symmetry.map { $0 == .symmetric }
        if let encoding { _ = try EncodingName(encoding) }
        _ = try budget.isAsked ? budget.options() : nil
        let quantization = try gguf.options(hasEncoding: encoding != nil)
        try arguments.convert(
            title: "quantizing",
            refine: { options in
                if let encoding {
                    try options.encode(as: encoding, choices)
                } else if let recipe = quantization.recipe {
                    try options.encode(by: recipe, choices)
                } else if choices != Packing.Choices() {
                    throw ValidationError(
                        "blocks, --act-order, symmetry and method are for encodings of Hugging Face targets")
                }
                options.quantization = quantization
                options.dtype = dtype.dtype
            },
            with: calibration.isAsked
                ? CalibratedQuantization(
                    calibration, CalibrationOptions.Method(rawValue: method?.rawValue ?? "") ?? .gptq,
                    budget: budget.isAsked ? budget : nil) : nil, reporting: report)
    }
}

/// Which types the tensors of a file get.
struct GGUFQuantizationArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("Importance of each column, a file of llama-imatrix in either format.", valueName: "file"))
    var importance: String?

    @Option(
        name: .customLong("override"),
        help: ArgumentHelp(
            "Give tensors in whose name the regular expression is found this type; the first that is found decides. In Hugging "
                + "Face targets another encoding of the same format, with the options below if it differs in its width alone, or "
                + "bf16, f16 or f32. May be repeated.", valueName: "regex=type"))
    var overrides: [String] = []

    @Option(
        help: ArgumentHelp(
            "Give tensors the types of this file, which has lines of regex=type as --override; a target size saves one.",
            valueName: "file"))
    var recipe: String?

    @Flag(help: "Give every weight the encoding's own type.")
    var pure = false

    @Option(help: ArgumentHelp("Type of the head, output.weight.", valueName: "type"))
    var outputEncoding: String?

    @Option(help: ArgumentHelp("Type of the embedding, token_embd.weight.", valueName: "type"))
    var embeddingEncoding: String?

    @Flag(help: "Keep the files of a split GGUF source apart.")
    var keepSplit = false

    /// - Parameter hasEncoding: whether there is a file type for the tensors that a recipe does not name.
    func options(hasEncoding: Bool) throws -> QuantizationOptions {
        var options = QuantizationOptions()
        options.recipe = try recipe.map { try Recipe(path: $0) }
        options.isPure = pure || options.recipe?.isOfGGUF == true && !hasEncoding
        options.overrides = try overrides.map { try TypeOverride(parsing: $0) }
        options.outputType = try outputEncoding.map { try DType.weight(named: $0) }
        options.embeddingType = try embeddingEncoding.map { try DType.weight(named: $0) }
        options.keepsSplit = keepSplit
        options.importance = try importance.map { try Importance(path: $0) }
        return options
    }
}

extension Packing.Choices.Granularity: ExpressibleByArgument {}
