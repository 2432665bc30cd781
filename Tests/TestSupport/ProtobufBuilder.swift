/// Protobuf messages as bytes, good and bad ones.
package struct ProtobufBuilder: Sendable {
    package var bytes: [UInt8] = []

    package init() {}

    package static func varint(_ number: UInt64) -> [UInt8] {
        var (rest, bytes) = (number, [UInt8]())
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    package mutating func raw(_ bytes: [UInt8]) { self.bytes += bytes }

    package mutating func number(_ field: UInt64, _ number: UInt64) {
        raw(Self.varint(field << 3) + Self.varint(number))
    }

    /// - Parameter count: the length to claim.
    package mutating func bytes(_ field: UInt64, _ content: [UInt8], count: UInt64? = nil) {
        raw(Self.varint(field << 3 | 2) + Self.varint(count ?? UInt64(content.count)) + content)
    }

    package mutating func float(_ field: UInt64, _ number: Float) {
        raw(Self.varint(field << 3 | 5))
        bytes.put(number.bitPattern)
    }
}

/// A model of sentencepiece with a few pieces, and what makes it a bad one.
package struct SentencePieceBuilder: Sendable {
    package struct Piece: Sendable {
        package var text: [UInt8]
        package var score: Float
        package var type: UInt64

        package init(_ text: String, _ score: Float = 0, type: UInt64 = 1) {
            self.init(bytes: Array(text.utf8), score, type: type)
        }

        package init(bytes: [UInt8], _ score: Float = 0, type: UInt64 = 1) {
            (self.text, self.score, self.type) = (bytes, score, type)
        }
    }

    package var pieces = [
        Piece("<unk>", type: 2), Piece("<s>", type: 3), Piece("</s>", type: 3), Piece("ab", -1), Piece("\u{2581}", -2),
        Piece("a", -3), Piece("b", -4),
    ]
    /// Fields of the trainer's message and of the normalizer's, of which the last of a number counts.
    package var trainer: [(UInt64, UInt64)] = [(3, 2)]
    package var normalizer: [(UInt64, UInt64)] = [(3, 1), (4, 0)]
    package var characterMap: [UInt8] = []
    /// What follows the pieces.
    package var rest: [UInt8] = []

    package init() {}

    package var bytes: [UInt8] {
        var model = ProtobufBuilder()
        for piece in pieces {
            var message = ProtobufBuilder()
            message.bytes(1, piece.text)
            message.float(2, piece.score)
            message.number(3, piece.type)
            model.bytes(1, message.bytes)
        }
        var settings = ProtobufBuilder()
        for (field, number) in trainer { settings.number(field, number) }
        model.bytes(2, settings.bytes)
        settings = ProtobufBuilder()
        for (field, number) in normalizer { settings.number(field, number) }
        if !characterMap.isEmpty { settings.bytes(2, characterMap) }
        model.bytes(3, settings.bytes)
        model.raw(rest)
        return model.bytes
    }
}
