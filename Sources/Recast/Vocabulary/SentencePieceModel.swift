/// A model of the sentencepiece library, as `tokenizer.model` holds it.
///
/// Source of the fields' numbers and defaults: sentencepiece's `sentencepiece_model.proto`; of what a model must have:
/// the checks of its loader.
struct SentencePieceModel {
    struct Piece {
        var text = ""
        var score: Float = 0
        var kind = Vocabulary.Kind.normal
    }

    let file: String
    var pieces: [Piece] = []

    // The trainer's part.
    var type: UInt64 = 1
    private var putsSpacesBehind = false
    private var hasByteFallback = false
    private var beginning = "<s>"
    private var end = "</s>"
    private var padding = "<pad>"

    // The normalizer's part.
    private var characterMap: [UInt8] = []
    private var addsPrefix = true
    private var removesExtraSpaces = true
    private var escapesSpaces = true
    private var denormalizes = false

    init(_ bytes: [UInt8], file: String) throws(RecastError) {
        self.file = file
        var reader = ProtobufReader(bytes, file: file)
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1: try readPiece(reader.message(in: range))
            case 2: try readTrainer(reader.message(in: range))
            case 3: try readNormalizer(reader.message(in: range))
            case 5: try readDenormalizer(reader.message(in: range))
            default: break
            }
        }
        try check()
    }

    private mutating func readPiece(_ message: ProtobufReader) throws(RecastError) {
        var message = message
        let start = message.offset
        var piece = Piece()
        while let (field, value) = try message.next() {
            switch (field, value) {
            case (1, .bytes(let range)): piece.text = try message.text(in: range, of: "piece \(pieces.count)")
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .number(let number)):
                guard let kind = Int32(exactly: number).flatMap(Vocabulary.Kind.init(rawValue:)) else {
                    throw message.failure("piece \(pieces.count) has the type \(number), which there is not", at: start)
                }
                piece.kind = kind
            case (1, _), (2, _), (3, _):
                throw message.failure("piece \(pieces.count): field \(field) is of another type", at: start)
            default: break
            }
        }
        guard !piece.text.isEmpty else { throw message.failure("piece \(pieces.count) is empty", at: start) }
        guard piece.score.isFinite else {
            throw message.failure("piece \(pieces.count), \"\(piece.text)\", has no finite score", at: start)
        }
        pieces.append(piece)
    }

    private mutating func readTrainer(_ message: ProtobufReader) throws(RecastError) {
        var message = message
        while let (field, value) = try message.next() {
            switch (field, value) {
            case (3, .number(let number)): type = number
            case (24, .number(let number)): putsSpacesBehind = number != 0
            case (35, .number(let number)): hasByteFallback = number != 0
            case (46, .bytes(let range)): beginning = try message.text(in: range, of: "bos_piece")
            case (47, .bytes(let range)): end = try message.text(in: range, of: "eos_piece")
            case (48, .bytes(let range)): padding = try message.text(in: range, of: "pad_piece")
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ProtobufReader) throws(RecastError) {
        var message = message
        while let (field, value) = try message.next() {
            switch (field, value) {
            case (2, .bytes(let range)): characterMap = message.contents(of: range)
            case (3, .number(let number)): addsPrefix = number != 0
            case (4, .number(let number)): removesExtraSpaces = number != 0
            case (5, .number(let number)): escapesSpaces = number != 0
            default: break
            }
        }
    }

    private mutating func readDenormalizer(_ message: ProtobufReader) throws(RecastError) {
        var message = message
        while let (field, value) = try message.next() {
            if field == 2, case .bytes(let range) = value, !range.isEmpty { denormalizes = true }
        }
    }

    private func check() throws(RecastError) {
        guard !pieces.isEmpty else { throw .malformed(file, "holds no pieces: it is no model of sentencepiece") }
        var ids: [ByteString: Int] = [:]
        ids.reserveCapacity(pieces.count)
        for (id, piece) in pieces.enumerated() {
            if let first = ids.updateValue(id, forKey: ByteString(piece.text)) {
                throw .malformed(file, "the pieces \(first) and \(id) are both \"\(piece.text)\"")
            }
        }
        let unknown = pieces.indices.filter { pieces[$0].kind == .unknown }
        guard unknown.count == 1 else {
            throw .malformed(file, "\(unknown.count) pieces stand for the unknown, where one must")
        }
        let bytes = pieces.filter { $0.kind == .byte }
        if let piece = bytes.first(where: { Vocabulary.byte(spelledBy: $0.text) == nil }) {
            throw .malformed(file, "\"\(piece.text)\" is said to stand for a byte, and is none from <0x00> to <0xFF>")
        }
        guard bytes.count == (hasByteFallback ? 256 : 0) else {
            throw .malformed(
                file, "\(bytes.count) pieces stand for bytes, where \(hasByteFallback ? "256 must" : "none may")")
        }
        guard type == 1 || type == 2 else {
            throw unsupported(type == 3 ? "of words" : type == 4 ? "of characters" : "of the type \(type)")
        }
        if putsSpacesBehind { throw unsupported("with spaces behind words (treat_whitespace_as_suffix)") }
        if !escapesSpaces { throw unsupported("that leave spaces as they are (escape_whitespaces)") }
        if denormalizes { throw unsupported("that change the text on the way back (denormalizer_spec)") }
    }

    private func unsupported(_ what: String) -> RecastError {
        .unsupported("\(file): models of sentencepiece \(what) are not supported; --tokenizer DIR takes another")
    }

    /// The vocabulary, without what only files beside the model know.
    var vocabulary: Vocabulary {
        var vocabulary = Vocabulary(
            model: type == 2 ? .sentencePieceBPE : .unigram, tokens: pieces.map(\.text), kinds: pieces.map(\.kind),
            preTokenizer: PreTokenizer(steps: []))
        vocabulary.scores = pieces.map(\.score)
        vocabulary.spaces.prefix = addsPrefix ? .first : .none
        vocabulary.spaces.removesExtra = removesExtraSpaces
        vocabulary.spaces.characterMap = characterMap
        vocabulary.addsScoresInSinglePrecision = true
        vocabulary.special.unknown = pieces.firstIndex { $0.kind == .unknown }
        func control(_ text: String) -> Int? { pieces.firstIndex { $0.kind == .control && $0.text == text } }
        vocabulary.special.bos = control(beginning)
        vocabulary.special.eos = control(end)
        vocabulary.special.padding = control(padding)
        return vocabulary
    }
}

extension Vocabulary {
    /// The byte that a token of the kind `byte` stands for: `<0x0A>`, in capitals.
    public static func byte(spelledBy token: String) -> UInt8? {
        let text = Array(token.utf8)
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        var byte: UInt8 = 0
        for digit in text[3..<5] {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte = byte << 4 | (digit - UInt8(ascii: "0"))
            case UInt8(ascii: "A")...UInt8(ascii: "F"): byte = byte << 4 | (digit - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return byte
    }
}
