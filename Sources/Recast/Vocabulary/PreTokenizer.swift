/// How text is cut into pieces before byte-pair merges apply: a sequence of splits, each working inside the pieces of
/// the one before.
public struct PreTokenizer: Sendable, Codable, Equatable {
    public enum Step: Sendable, Codable, Equatable {
        /// Every match of the regular expression, and everything between matches, is a piece of its own
        /// (`tokenizers`: Split with behaviour Isolated; also ByteLevel with `use_regex`, which is GPT-2's expression).
        case split(pattern: String)
        /// Every digit (or every run of digits) is a piece of its own.
        case digits(individual: Bool)
    }

    public var steps: [Step]

    public init(steps: [Step]) { self.steps = steps }

    public init(pattern: String) { steps = [.split(pattern: pattern)] }
}

extension PreTokenizer {
    /// GPT-2's expression, which `ByteLevel` with `use_regex` stands for.
    public static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    public static let llama3Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    public static let qwen2Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    public static let gpt2 = PreTokenizer(pattern: gpt2Pattern)
    public static let llama3 = PreTokenizer(pattern: llama3Pattern)
    public static let qwen2 = PreTokenizer(pattern: qwen2Pattern)
}
