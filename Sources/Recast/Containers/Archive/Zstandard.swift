internal import CZstd

/// Compresses one frame after the other.
final class Compressor {
    /// What the bytes are like.
    enum Profile: Hashable {
        /// Bytes of numbers: some are commoner than others, but none follow from those before. Matches of fewer than
        /// seven bytes are chance, and cost more than the Huffman codes that they interrupt.
        case numbers
        /// Text and tables.
        case text
    }

    private let context: OpaquePointer

    init(_ profile: Profile) {
        context = ZSTD_createCCtx()
        // swift-format-ignore
        let parameters: [(ZSTD_cParameter, Int32)] =
            switch profile {
            case .text:
                [(ZSTD_c_compressionLevel, 3)]
            case .numbers:
                [(ZSTD_c_compressionLevel, 1), (ZSTD_c_strategy, Int32(ZSTD_fast.rawValue)),
                 (ZSTD_c_minMatch, 7), (ZSTD_c_hashLog, 6)]
            }
        for (parameter, value) in parameters {
            let outcome = ZSTD_CCtx_setParameter(context, parameter, value)
            precondition(ZSTD_isError(outcome) == 0)
        }
    }

    deinit { ZSTD_freeCCtx(context) }

    /// The most that `byteCount` bytes can become.
    static func bound(_ byteCount: Int) -> Int { ZSTD_compressBound(byteCount) }

    /// Writes one frame to `out`, which has room for the bound.
    ///
    /// - Returns: the frame's size.
    func compress(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) throws(RecastError) -> Int {
        let outcome = ZSTD_compress2(context, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
        guard ZSTD_isError(outcome) == 0 else {
            throw RecastError(.inputOutput, "libzstd: \(String(cString: ZSTD_getErrorName(outcome)))")
        }
        return outcome
    }
}

/// Decompresses one frame after the other.
final class Decompressor {
    private let context: OpaquePointer

    init() { context = ZSTD_createDCtx() }

    deinit { ZSTD_freeDCtx(context) }

    /// Fills `out` with what a frame holds.
    ///
    /// - Returns: what is wrong with the frame; nil where it has filled the buffer.
    func decompress(_ frame: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> String? {
        let outcome = ZSTD_decompressDCtx(context, out.baseAddress, out.count, frame.baseAddress, frame.count)
        if ZSTD_isError(outcome) != 0 { return String(cString: ZSTD_getErrorName(outcome)) }
        return outcome == out.count ? nil : "\(outcome) bytes instead of \(out.count)"
    }
}
