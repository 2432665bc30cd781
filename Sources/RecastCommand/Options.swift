import ArgumentParser
import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Options that every command takes.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    @Flag(help: "Show no progress and no notes; warnings and errors are still written.")
    var quiet = false

    func notes(_ notes: [String], warnings: [String]) {
        if !quiet { notes.forEach(Console.note) }
        warnings.forEach(Console.warning)
    }
}

/// How much of the machine to use.
struct ResourceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Workers to use; all processors by default.", valueName: "n"))
    var jobs: Int = ResourceOptions.processors

    @Option(help: ArgumentHelp("Memory to stay below, such as 2GB.", valueName: "size"))
    var maxMemory: ByteCount?

    func validate() throws { try Self.check(jobs: jobs) }

    static var processors: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

    static func check(jobs: Int) throws {
        guard (1...1024).contains(jobs) else { throw ValidationError("--jobs takes a number from 1 to 1024") }
    }
}

/// Where the tokenizer comes from.
struct TokenizerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Take the tokenizer from this directory.", valueName: "dir"))
    var tokenizer: String?

    @Option(help: ArgumentHelp("The pre-tokenizer's name in GGUF, where it is not recognised.", valueName: "name"))
    var preTokenizer: String?
}

/// What Megatron's files do not say, or say wrongly.
struct MegatronSourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A config.json that describes the model; it is believed where the checkpoint says something else.",
            valueName: "file"))
    var hfConfig: String?

    @Option(help: ArgumentHelp("Tokens of the vocabulary without its padding.", valueName: "n"))
    var vocabSize: Int?

    @Flag(help: "Where ranks differ in what they should have alike, take the first.")
    var allowRankMismatch = false

    func validate() throws {
        if let vocabSize, vocabSize < 1 { throw ValidationError("--vocab-size takes a positive number") }
    }
}

/// How a Megatron checkpoint is spread over ranks.
struct MegatronTargetOptions: ParsableArguments {
    @Option(name: .customLong("tp"), help: ArgumentHelp("Tensor-parallel ranks.", valueName: "n"))
    var tensor: Int?

    @Option(name: .customLong("pp"), help: ArgumentHelp("Pipeline stages.", valueName: "n"))
    var pipeline: Int?

    @Option(name: .customLong("vpp"), help: ArgumentHelp("Virtual stages of each stage.", valueName: "n"))
    var virtualPipeline: Int?

    @Option(name: .customLong("ep"), help: ArgumentHelp("Expert-parallel ranks.", valueName: "n"))
    var expert: Int?

    @Option(
        name: .customLong("etp"),
        help: ArgumentHelp("Tensor-parallel ranks of experts; as many as --tp by default.", valueName: "n"))
    var expertTensor: Int?

    @Option(
        help: ArgumentHelp(
            "Layers of each stage, such as 1,3; with --vpp those of the first virtual stages come first.",
            valueName: "counts"))
    var pipelineLayout: StageLayers?

    @Option(
        help: ArgumentHelp(
            "Names of modules: te as Transformer Engine's, local as Megatron core's own; by default the source's, or te.",
            valueName: "spelling"))
    var names: MegatronTarget.Spelling?

    /// Layers of each stage.
    struct StageLayers: ExpressibleByArgument {
        var counts: [Int]

        init?(argument: String) {
            let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
            counts = parts.compactMap { Int($0) }
            guard counts.count == parts.count, counts.allSatisfy({ $0 >= 0 }) else { return nil }
        }
    }

    /// The options that were given, by name.
    var given: [String] {
        let sizes = [
            ("--tp", tensor), ("--pp", pipeline), ("--vpp", virtualPipeline), ("--ep", expert), ("--etp", expertTensor),
        ]
        return sizes.filter { $0.1 != nil }.map(\.0) + (pipelineLayout == nil ? [] : ["--pipeline-layout"])
            + (names == nil ? [] : ["--names"])
    }

    func target(_ format: MegatronTarget.Format) throws -> MegatronTarget {
        if format == .distributed, let option = given.first(where: { $0 != "--names" }) {
            throw ValidationError(
                "\(option) is for --to megatron; what --to megatron-dist writes is whole, and loads into any layout")
        }
        var target = MegatronTarget(format)
        target.sizes.tensor = tensor ?? 1
        target.sizes.pipeline = pipeline ?? 1
        target.sizes.virtualPipeline = virtualPipeline ?? 1
        target.sizes.expert = expert ?? 1
        target.sizes.expertTensor = expertTensor ?? target.sizes.tensor
        target.stageLayers = pipelineLayout?.counts
        target.spelling = names
        return target
    }
}

extension MegatronTarget.Spelling: ExpressibleByArgument {}

/// A number of bytes with a unit: `500MB`, `5GB`, `2GiB`.
struct ByteCount: ExpressibleByArgument {
    var bytes: Int

    // swift-format-ignore
    private static let units: [(String, Double)] = [
        ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("tib", 0x1p40),
        ("kb", 1e3),     ("mb", 1e6),     ("gb", 1e9),     ("tb", 1e12),
        ("k", 1e3),      ("m", 1e6),      ("g", 1e9),      ("t", 1e12),     ("b", 1), ("", 1),
    ]

    init?(argument: String) {
        let text = argument.lowercased().filter { $0 != " " }
        guard let (suffix, scale) = Self.units.first(where: { text.hasSuffix($0.0) }),
            let number = Double(text.dropLast(suffix.count)), number > 0, number * scale < 1e18
        else { return nil }
        bytes = Int(number * scale)
    }
}

/// A number type as it is called on the command line.
enum DTypeOption: String, CaseIterable, ExpressibleByArgument {
    case keep, bf16, f16, f32

    var dtype: DType? {
        switch self {
        case .keep: nil
        case .bf16: .bf16
        case .f16: .f16
        case .f32: .f32
        }
    }
}

extension JSON {
    static func strings(_ texts: [String]) -> JSON { .array(texts.map(JSON.string)) }
    static func optional(_ text: String?) -> JSON { text.map(JSON.string) ?? .null }
}
