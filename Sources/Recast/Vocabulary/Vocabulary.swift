/// A tokenizer's data as a value, whichever container it came from: `tokenizer.json` and its companions, or the
/// `tokenizer.ggml.*` keys of a GGUF file.
///
/// `RecastInference` turns it into a tokenizer; the dialects write it into other containers.
public struct Vocabulary: Sendable, Equatable {
    /// How text becomes tokens.
    public enum Model: String, Sendable, Codable, Equatable {
        /// Byte-pair merges over the byte-level alphabet of GPT-2 (GGUF: `gpt2`).
        case byteLevelBPE
        /// SentencePiece's pieces, joined pair by pair: by merges where there are any, otherwise by score (GGUF: `llama`).
        case sentencePieceBPE
        /// SentencePiece's pieces, chosen so that the sum of their scores is highest (GGUF: `t5`).
        case unigram
    }

    /// What a token is, numbered as in `tokenizer.ggml.token_type`.
    public enum Kind: Int32, Sendable, Codable, Equatable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// The two halves of a byte-pair merge, spelled as tokens are.
    public struct Merge: Sendable, Codable, Equatable, Hashable {
        public var left: String
        public var right: String

        public init(_ left: String, _ right: String) {
            self.left = left
            self.right = right
        }
    }

    /// A token that is matched in the raw text before anything else happens (Hugging Face: `added_tokens`).
    public struct AddedToken: Sendable, Codable, Equatable {
        public var id: Int
        public var content: String
        /// Special tokens are only matched when the caller asks for it, and skipped when text is shown.
        public var isSpecial: Bool
        /// Whether white space on the left (right) of the match belongs to it.
        public var stripsLeft = false
        public var stripsRight = false
        /// Whether it only matches at word boundaries.
        public var isSingleWord = false
        /// Whether it is matched in the normalised text instead of the raw text.
        public var isNormalized = false

        public init(id: Int, content: String, isSpecial: Bool) {
            self.id = id
            self.content = content
            self.isSpecial = isSpecial
        }
    }

    /// Unicode normalisation of the text between added tokens.
    public enum Normalizer: String, Sendable, Codable, Equatable {
        case none
        case nfc
    }

    /// How text becomes the text that SentencePiece's pieces spell, where `\u{2581}` stands for a space.
    ///
    /// Source: sentencepiece's `NormalizerSpec`; `tokenizers`: Prepend, Replace and Metaspace.
    public struct Spaces: Sendable, Codable, Equatable {
        public enum Prefix: String, Sendable, Codable, Equatable {
            case none
            /// Before text that no added token precedes.
            case first
            /// Before all text between added tokens.
            case everySegment
        }

        /// Where a space is put before text.
        public var prefix = Prefix.none
        /// Whether spaces at both ends are dropped, and runs of them become one.
        public var removesExtra = false
        /// Whether this is done as Metaspace does it: after all added tokens are found, and without another space before
        /// text that begins with one.
        public var isMetaspace = false
        /// Whether no piece reaches across the beginning of a space, whatever the pieces are (Metaspace with `split`).
        public var splits = false
        /// Replacements for sequences of scalars, compiled by sentencepiece; empty for none.
        public var characterMap: [UInt8] = []

        public init() {}
    }

    /// Token ids with a meaning of their own; nil where the tokenizer has none.
    public struct SpecialTokens: Sendable, Codable, Equatable {
        public var bos: Int?
        public var eos: Int?
        public var endOfTurn: Int?
        public var unknown: Int?
        public var padding: Int?
        public var separator: Int?
        public var mask: Int?

        public init() {}
    }

    /// A chat template; the default one has no name.
    public struct ChatTemplate: Sendable, Codable, Equatable {
        public var name: String?
        public var text: String

        public init(name: String? = nil, text: String) {
            self.name = name
            self.text = text
        }
    }

    public var model: Model
    /// One entry per id: in the byte-level alphabet for `byteLevelBPE`, with `\u{2581}` for spaces for SentencePiece's
    /// models (added tokens stand as plain text).
    public var tokens: [String]
    /// One entry per id.
    public var kinds: [Kind]
    /// One entry per id, or empty where the model has no scores.
    public var scores: [Float] = []
    /// In order of rank: the first merge applies first.
    public var merges: [Merge] = []
    public var addedTokens: [AddedToken] = []
    public var normalizer: Normalizer = .none
    package var preTokenizer: PreTokenizer
    /// The name that the source has for the pre-tokenizer; nil where it has none.
    public var sourcePreTokenizer: String?
    /// Whether a piece that is a token as it stands is taken without applying merges (Llama 3).
    public var ignoresMerges = false
    /// Whether a space is put before the text; of byte-level vocabularies.
    public var addsPrefixSpace = false
    /// Whether a byte without a token becomes the unknown token, and is left out otherwise; of byte-level vocabularies.
    public var spellsUnknown = false
    /// What happens to spaces; of SentencePiece's models.
    public var spaces = Spaces()
    /// Whether scores add up in single precision, as sentencepiece has it and nobody else; of `unigram`.
    public var addsScoresInSinglePrecision = false
    /// Whether a BOS (EOS) token belongs before (after) a text; nil where the source does not say, which means no.
    public var addsBOS: Bool?
    public var addsEOS: Bool?
    public var special = SpecialTokens()
    public var chatTemplates: [ChatTemplate] = []
    /// What its source says of it that does not hold, for warnings.
    public var remarks: [String] = []

    package init(model: Model, tokens: [String], kinds: [Kind], preTokenizer: PreTokenizer) {
        self.model = model
        self.tokens = tokens
        self.kinds = kinds
        self.preTokenizer = preTokenizer
    }
}
