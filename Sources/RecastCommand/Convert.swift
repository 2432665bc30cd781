import ArgumentParser
import Recast

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a checkpoint in another layout, format or number type.",
        discussion: """
            The source's format is told by its content. Where nothing is said the target is GGUF if the destination ends
            in .gguf and Hugging Face otherwise, in the model's own layout; --family llama is for programs that know no
            other.

            EXAMPLES:
              recast convert Qwen2.5-0.5B Qwen2.5-0.5B-llama --family llama
              recast convert Qwen2.5-0.5B-llama back --family qwen2
              recast convert Qwen2.5-0.5B qwen.gguf --dtype bf16
              recast convert Qwen2.5-0.5B qwen-q4_0.gguf --encoding q4_0
              recast convert qwen.gguf Qwen2.5-0.5B-again
              recast convert Qwen2.5-0.5B ranks --to megatron --tp 4 --pp 2
              recast convert ranks others --to megatron --tp 2
              recast convert ranks Qwen2.5-0.5B-trained --hf-config Qwen2.5-0.5B/config.json
              recast convert big big-split --max-shard-size 2GB --dry-run
              recast convert gemma-3-4b-it gemma-text --family gemma3_text
              recast convert DeepSeek-V3 v3.gguf --dtype bf16 --mtp keep
            """)

    @Option(help: "Type of the weights.")
    var dtype: DTypeOption = .keep

    @Option(
        help: ArgumentHelp(
            "Quantize on the way: q8_0, q4_k_m, q4_0, … as llama-quantize does. \"recast quantize\" has more options.",
            valueName: "name"))
    var encoding: String?

    @OptionGroup var arguments: ConversionArguments

    func run() throws {
        try arguments.convert(title: "converting") { options in
            options.dtype = dtype.dtype
            if let encoding { try options.encode(as: encoding) }
        }
    }
}
