/// What one worker needs to read tensors: the files, reusable buffers, and a tally of what happened to the numbers.
package struct Reader: ~Copyable {
    let files: FilePool
    package let scratch = Scratch()
    package var tally = Tally()
    /// Whether what is quantized is decoded again at once, to see how far it is from what it was made of.
    package var measuresErrors = false
    /// Where checksums of what is read are kept, where a file says what they must be.
    package var sourceLog: SourceLog?
    /// Those of the last matrix that was centered.
    var columnMeans: (tensor: LazyTensor, means: [Double])?

    package init(files: FilePool) { self.files = files }
}

extension Reader {
    /// Lends `body` a buffer of `byteCount` bytes.
    package mutating func withScratch<Result>(
        _ byteCount: Int, _ body: (inout Reader, UnsafeMutableRawBufferPointer) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let buffer = scratch.take(byteCount)
        scratch.lentByteCount += byteCount
        defer {
            scratch.lentByteCount -= byteCount
            scratch.give(buffer)
        }
        return try body(&self, UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount]))
    }
}

extension Reader {
    /// Numbers measured at a time: as many as stay in the innermost cache beside their source.
    package static let elementsMeasuredAtOnce = 1024

    /// Decodes what was just encoded and tallies how far it is from the numbers it was made of.
    ///
    /// - Parameter buffer: room for `elementsMeasuredAtOnce` numbers.
    /// - Returns: the error of these numbers.
    package mutating func measure(
        _ numbers: UnsafeBufferPointer<Float>, encodedBy coder: NumberCoder, _ bytes: UnsafeRawBufferPointer,
        through buffer: UnsafeMutableBufferPointer<Float>
    ) throws(RecastError) -> QuantizationError {
        guard let source = numbers.baseAddress else { return QuantizationError() }
        let type = coder.dtype
        var ignored = Tally()
        var error = QuantizationError()
        for first in stride(from: 0, to: numbers.count, by: Self.elementsMeasuredAtOnce) {
            let count = min(Self.elementsMeasuredAtOnce, numbers.count - first)
            let decoded = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            let begin = type.byteCount(ofBlocks: first)
            let end = begin + type.byteCount(ofBlocks: count)
            try coder.decode(UnsafeRawBufferPointer(rebasing: bytes[begin..<end]), into: decoded, tally: &ignored)
            error.add(source + first, decoded.baseAddress!, count: count)
        }
        tally.error += error
        return error
    }
}
