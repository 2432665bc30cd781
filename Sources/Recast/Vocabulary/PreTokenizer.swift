/// How text is cut into pieces before byte-pair merges apply: a sequence of splits, each working inside the pieces of
/// the one before.
package struct PreTokenizer: Sendable, Codable, Equatable {
    package enum Step: Sendable, Codable, Equatable {
        /// Every match of the regular expression, and everything between matches, is a piece of its own
        /// (`tokenizers`: Split with behaviour Isolated; also ByteLevel with `use_regex`, which is GPT-2's expression).
        case split(pattern: String)
        /// Every digit (or every run of digits) is a piece of its own.
        case digits(individual: Bool)
        /// As `digits`, where they are looked for in the byte-level alphabet: a byte is one that stands there as a digit does, also
        /// within a scalar (`tokenizers`: Digits behind ByteLevel).
        case byteDigits(individual: Bool)
    }

    package var steps: [Step]

    package init(steps: [Step]) { self.steps = steps }

    package init(pattern: String) { steps = [.split(pattern: pattern)] }

    /// Splits by several expressions, one after the other.
    init(patterns: [String]) { steps = patterns.map { .split(pattern: $0) } }

    /// The expression with line breaks spelled as expressions spell them: some files have them as they are.
    static func spellingLineBreaks(_ pattern: String) -> String {
        var text = ""
        for scalar in pattern.unicodeScalars {
            switch scalar {
            case "\r": text += #"\r"#
            case "\n": text += #"\n"#
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension PreTokenizer {
    /// GPT-2's expression, which `ByteLevel` with `use_regex` stands for.
    package static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    package static let llama3Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    package static let qwen2Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// What is in front of a word goes with it, and capitals begin words.
    package static let tekkenPattern =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    package static let gpt4oPattern =
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// Qwen 3.5's: marks belong to words.
    package static let qwen35Pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// GPT-4o's, with ideographs apart.
    package static let kimiPattern =
        #"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    package static let seedCoderPattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// BLOOM's: words with the space before them, between punctuation of several scripts.
    package static let bloomPattern = #" ?[^(\s|[.,!?…。，、।۔،])]+"#

    /// Ling's: nothing is given back of what was matched, and line breaks end spaces one by one.
    package static let bailingPattern =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#

    /// Letters that have cases, as of Unicode 11 or so. Those that are canonically equivalent to others are escaped.
    private static let casedLetters =
        "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1F7D}ᾀ-ᾴᾶ-ᾼ\u{1FBE}ῂ-ῄῆ-ῌῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"

    /// What `Punctuation` of `tokenizers` stands for: signs of Unicode's and of ASCII's punctuation, one by one or in runs.
    static func punctuation(isContiguous: Bool) -> String { #"[\p{P}$+<=>^`|~]"# + (isContiguous ? "+" : "") }

    private static let ideographs = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"

    private static let kanaAndIdeographs = "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+"

    private static let deepSeekV3Pattern =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##

    package static let gpt2 = PreTokenizer(pattern: gpt2Pattern)
    /// What llama.cpp takes where a file names none, as files of before April 2024 do.
    package static let unnamed = PreTokenizer(
        patterns: [
            #"[\p{P}\$\+<=>\^~\|]+"#,
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#, #"\p{N}+"#, "[0-9][0-9][0-9]",
        ])
    package static let llama3 = PreTokenizer(pattern: llama3Pattern)
    package static let qwen2 = PreTokenizer(pattern: qwen2Pattern)
    package static let tekken = PreTokenizer(pattern: tekkenPattern)
    package static let gpt4o = PreTokenizer(pattern: gpt4oPattern)
    package static let qwen35 = PreTokenizer(pattern: qwen35Pattern)
    package static let kimi = PreTokenizer(pattern: kimiPattern)
    package static let bailing = PreTokenizer(pattern: bailingPattern)
    package static let bloom = PreTokenizer(pattern: bloomPattern)
    /// llama.cpp's comes to the same with Falcon's merges, of which none joins a digit and something else.
    package static let falcon = PreTokenizer(
        steps: [
            .split(pattern: punctuation(isContiguous: true)), .split(pattern: gpt2Pattern),
            .split(pattern: "[0-9][0-9][0-9]"), .byteDigits(individual: false),
        ])
    package static let seedCoder = PreTokenizer(pattern: seedCoderPattern)
    package static let digitsGPT2 = PreTokenizer(steps: [.digits(individual: true), .split(pattern: gpt2Pattern)])
    package static let deepSeekV3 = PreTokenizer(
        patterns: [#"\p{N}{1,3}"#, kanaAndIdeographs, deepSeekV3Pattern])
    package static let deepSeekLLM = PreTokenizer(
        steps: PreTokenizer(
            patterns: [
                #"[\r\n]"#, #"\s?["# + casedLetters + "]+",
                "\\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+", #"\s+$"#,
                ideographs,
            ]
        ).steps + [.digits(individual: true)])
    package static let deepSeekCoder = PreTokenizer(
        steps: PreTokenizer(patterns: [#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, ideographs]).steps
            + [.digits(individual: true)])
}

/// Of models that are no family of their own here, whose tokenizers come with models of families that are.
extension PreTokenizer {
    private static let llama3Head = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#
    private static let signsAndSpaces = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    package static let viking = PreTokenizer(steps: bloom.steps + [.digits(individual: true)])
    /// In runs of spaces, powers of two.
    package static let jais2 = PreTokenizer(
        pattern: llama3Head
            + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"#
    )
    package static let miniCPM5 = PreTokenizer(patterns: [#"\p{N}{1,3}"#, llama3Head + #"\p{N}+|"# + signsAndSpaces])
    package static let laguna = PreTokenizer(patterns: [#"[^\n]+|[\n]+"#, qwen2Pattern])
    /// Qwen 2's without contractions: Turkish suffixes stay with their words.
    package static let ufakzeka = PreTokenizer(
        pattern: #"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"# + signsAndSpaces)
    /// Digits in threes from the right.
    package static let tinyAya = PreTokenizer(patterns: [#"\d{1,3}(?=(?:\d{3})*\b)"#, gpt4oPattern])
    package static let superBPE = PreTokenizer(patterns: [#"\p{N}+"#, #"(?=(\d{3})+(?!\d))"#])
    /// Words of several words.
    package static let exaoneMoE = PreTokenizer(
        pattern:
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"#
    )
    package static let spark = PreTokenizer(
        patterns: [
            #"\p{N}{1,3}"#, kanaAndIdeographs,
            ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##,
            #"\p{N}"#,
        ])
    package static let youtu = PreTokenizer(
        patterns: [
            "[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+|[\u{FF01}\u{2026}\u{201C}\u{201D}\u{2018}\u{2019}\u{2014}\u{FF1A}\u{FF1B}\u{FF0C}\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+|[\u{3105}-\u{312F}]+|"
                + kanaAndIdeographs,
            gpt4oPattern.replacing(#"\p{N}{1,3}"#, with: #"\p{N}"#),
        ])
}
