extension Tokenizer {
    /// How many tokens there are. A model may have more rows than that: ids beyond stand for no text.
    public var tokenCount: Int { tokens.count }

    /// Whether a token is a special one: there for the model, not for the reader.
    public func isSpecial(_ id: Int32) -> Bool {
        isSpecialToken.indices.contains(Int(id)) && isSpecialToken[Int(id)]
    }

    /// The text of tokens, without the space that encoding put before it; bytes that are not UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<Int32>, skippingSpecial: Bool = false) -> String {
        let bytes = decodedBytes(ids, skippingSpecial: skippingSpecial)
        let isPrefixed = addsSpace && bytes.first == UInt8(ascii: " ")
        return String(decoding: isPrefixed ? bytes.dropFirst() : bytes[...], as: UTF8.self)
    }

    /// The bytes of tokens, for output that is shown as it comes: a scalar may be spread over several tokens.
    public func decodedBytes(_ ids: some Sequence<Int32>, skippingSpecial: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        for id in ids where tokens.indices.contains(Int(id)) {
            if skippingSpecial, isSpecialToken[Int(id)] { continue }
            bytes.append(contentsOf: tokens[Int(id)])
        }
        return bytes
    }
}
