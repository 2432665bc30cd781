/// Texts cut into pieces of the same size.
package enum ChunkedText {
    /// Whole chunks, as llama.cpp's programs cut them: a BOS token goes before the text, and then takes the place of each
    /// chunk's first token.
    ///
    /// - Parameter bos: where the tokenizer puts one before a text.
    package static func chunks(of tokens: [Int32], size: Int, bos: Int32?) -> [[Int32]] {
        let tokens = (bos.map { [$0] } ?? []) + tokens
        return (0..<tokens.count / size).map { index in
            var chunk = Array(tokens[index * size..<(index + 1) * size])
            if let bos { chunk[0] = bos }
            return chunk
        }
    }
}
