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
enum WeightType: String, CaseIterable, ExpressibleByArgument {
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
