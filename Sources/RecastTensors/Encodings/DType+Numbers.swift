internal import CKernels

extension DType {
    /// The types this library reads, besides F32 and F64; those that are a `BlockEncoding` too are also written.
    // swift-format-ignore
    private static let codecs: [DType: any BlockDecoding.Type] = [
        .f16:  HalfFloat.self,
        .bf16: BrainFloat.self,
        .q4_0: Q4_0.self,
        .q4_1: Q4_1.self,
        .q5_0: Q5_0.self,
        .q5_1: Q5_1.self,
        .q2_k: Q2_K.self,
        .q3_k: Q3_K.self,
        .q4_k: Q4_K.self,
        .q5_k: Q5_K.self,
        .iq4_nl: IQ4_NL.self,
        .iq4_xs: IQ4_XS.self,
        .q8_0: Q8_0.self,
        .q6_k: Q6_K.self,

        .tq1_0:   TQ1_0.self,   .tq2_0:  TQ2_0.self,  .q1_0:  Q1_0.self,  .q2_0:    Q2_0.self,
        .mxfp4:   MXFP4.self,   .nvfp4:  NVFP4.self,
        .iq1_s:   IQ1_S.self,   .iq1_m:  IQ1_M.self,
        .iq2_xxs: IQ2_XXS.self, .iq2_xs: IQ2_XS.self, .iq2_s: IQ2_S.self,
        .iq3_xxs: IQ3_XXS.self, .iq3_s:  IQ3_S.self,

        .f8e4m3:     E4M3.self,     .f8e5m2:     E5M2.self,
        .f8e4m3fnuz: E4M3FNUZ.self, .f8e5m2fnuz: E5M2FNUZ.self,
        .f8e8m0:     E8M0.self,     .f4:         E2M1.self,
    ]

    /// The types that are codes of a grid.
    static let gridBlocks = codecs.compactMapValues { $0 as? any GridBlock.Type }

    /// The types that are codewords.
    static let codebookBlocks = codecs.compactMapValues { $0 as? any CodebookBlock.Type }

    /// Whether numbers of this type can be turned into float32.
    public var isDecodable: Bool { self == .f32 || self == .f64 || Self.codecs[self] != nil }

    /// Whether float32 numbers can be turned into this type.
    public var isEncodable: Bool { self == .f32 || Self.codecs[self] is any BlockEncoding.Type }

    /// How numbers of this type are read and written.
    package var coder: NumberCoder { NumberCoder(dtype: self, codec: Self.codecs[self]) }

    /// Stored bytes as float32 numbers (`NumberCoder.decode`).
    func decode(
        _ source: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>, tally: inout Tally
    ) throws(RecastError) {
        try coder.decode(source, into: numbers, tally: &tally)
    }

    /// Rows of float32 numbers in this type (`NumberCoder.encode`).
    package func encode(
        _ numbers: UnsafeBufferPointer<Float>, columns: Int, importance: UnsafePointer<Float>? = nil,
        into target: UnsafeMutableRawBufferPointer, tally: inout Tally
    ) throws(RecastError) {
        try coder.encode(numbers, columns: columns, importance: importance, into: target, tally: &tally)
        coder.countFailures(of: numbers, in: UnsafeRawBufferPointer(target), tally: &tally)
    }
}

/// Reads and writes numbers of one type; what is looked up for it is looked up once for many calls.
package struct NumberCoder {
    let dtype: DType
    private let form: Form
    private let decoder: ck_conversion?

    private enum Form {
        case single, double
        case cast(any FloatCast.Type)
        case blocks(any ScaledBlock.Type, ck_encoder)
        /// Only read, or not even that.
        case other
    }

    fileprivate init(dtype: DType, codec: (any BlockDecoding.Type)?) {
        let kernels = Kernels.best.table
        self.dtype = dtype
        decoder = codec.map { kernels.pointee[keyPath: $0.decoder] }
        switch codec {
        case nil: form = dtype == .f32 ? .single : dtype == .f64 ? .double : .other
        case let cast as any FloatCast.Type: form = .cast(cast)
        case let block as any ScaledBlock.Type: form = .blocks(block, kernels.pointee[keyPath: block.encoder])
        default: form = .other
        }
    }

    /// Stored bytes as float32 numbers; exact for every type but F64, which is rounded once.
    func decode(
        _ source: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>, tally: inout Tally
    ) throws(RecastError) {
        guard let raw = source.baseAddress, let out = numbers.baseAddress else { return }
        switch form {
        case .single: UnsafeMutableRawPointer(out).copyMemory(from: raw, byteCount: source.count)
        case .double:
            for index in 0..<numbers.count {
                let exact = raw.loadUnaligned(fromByteOffset: 8 * index, as: Double.self)
                out[index] = Float(exact)
                if Double(out[index]) != exact, !exact.isNaN { tally.roundedCount += 1 }
                if out[index].isInfinite, exact.isFinite { tally.overflowCount += 1 }
            }
        default:
            guard let decoder else { throw .unsupported("numbers stored as \(dtype) cannot be converted yet") }
            precondition(numbers.count % dtype.blockElements == 0)
            decoder(raw, out, numbers.count)
        }
    }

    /// Rows of float32 numbers in this type, each rounded once, with a tally of what casts did to them.
    ///
    /// - Parameter importance: what an error in each column weighs, if it is known.
    package func encode(
        _ numbers: UnsafeBufferPointer<Float>, columns: Int, importance: UnsafePointer<Float>?,
        into target: UnsafeMutableRawBufferPointer, tally: inout Tally
    ) throws(RecastError) {
        guard let source = numbers.baseAddress, let out = target.baseAddress else { return }
        switch form {
        case .single: out.copyMemory(from: UnsafeRawPointer(source), byteCount: target.count)
        case .cast(let type):
            tally.overflowCount += type.overflowCount(source, count: numbers.count, with: .best)
            tally.roundedCount += type.inexactCount(source, count: numbers.count)
            type.encode(source, into: out, rows: 1, columns: numbers.count, importance: nil, with: .best)
        case .blocks(_, let encoder):
            precondition(columns % dtype.blockElements == 0)
            encoder(source, out, numbers.count / max(1, columns), columns, importance)
        case .double, .other: throw .unsupported("\(dtype) cannot be written")
        }
    }

    /// Counts NaNs and infinities that the type cannot hold, and blocks that cannot hold their numbers.
    func countFailures(
        of numbers: UnsafeBufferPointer<Float>, in blocks: UnsafeRawBufferPointer, tally: inout Tally
    ) {
        guard case .blocks(let type, _) = form, let source = numbers.baseAddress, let blocks = blocks.baseAddress
        else { return }
        tally.nonfiniteCount += SingleFloat.nonfiniteCount(source, count: numbers.count)
        tally.lostBlockCount += type.lostBlockCount(of: source, blocks: blocks, count: numbers.count)
    }

    /// Whether each failure makes some decoded number not finite.
    var showsFailures: Bool { if case .blocks(let type, _) = form { type.showsLostBlocks } else { true } }
}
