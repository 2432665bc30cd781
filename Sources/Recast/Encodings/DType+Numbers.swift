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

    /// Whether numbers of this type can be turned into float32.
    public var isDecodable: Bool { self == .f32 || self == .f64 || Self.codecs[self] != nil }

    /// Whether float32 numbers can be turned into this type.
    public var isEncodable: Bool { self == .f32 || Self.codecs[self] is any BlockEncoding.Type }

    /// Stored bytes as float32 numbers; exact for every type but F64, which is rounded once.
    func decode(
        _ source: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>, tally: inout Tally
    ) throws(RecastError) {
        guard let raw = source.baseAddress, let out = numbers.baseAddress else { return }
        switch self {
        case .f32: UnsafeMutableRawPointer(out).copyMemory(from: raw, byteCount: source.count)
        case .f64:
            for index in 0..<numbers.count {
                let exact = raw.loadUnaligned(fromByteOffset: 8 * index, as: Double.self)
                out[index] = Float(exact)
                if Double(out[index]) != exact, !exact.isNaN { tally.roundedCount += 1 }
                if out[index].isInfinite, exact.isFinite { tally.overflowCount += 1 }
            }
        default:
            guard let codec = Self.codecs[self] else {
                throw .unsupported("numbers stored as \(self) cannot be converted yet")
            }
            codec.decode(raw, into: out, count: numbers.count)
        }
    }

    /// Rows of float32 numbers in this type, each rounded once, with a tally of what that did to them.
    ///
    /// - Parameters:
    ///   - importance: what an error in each column weighs, if it is known.
    ///   - checksFinite: whether NaNs and infinities are counted where the type cannot hold them.
    func encode(
        _ numbers: UnsafeBufferPointer<Float>, columns: Int, importance: UnsafePointer<Float>? = nil,
        into target: UnsafeMutableRawBufferPointer, tally: inout Tally, checksFinite: Bool = true
    ) throws(RecastError) {
        guard let source = numbers.baseAddress, let out = target.baseAddress else { return }
        switch self {
        case .f32:
            out.copyMemory(from: UnsafeRawPointer(source), byteCount: target.count)
            return
        case .f16:
            tally.overflowCount += HalfFloat.overflowCount(source, count: numbers.count)
            tally.roundedCount += HalfFloat.inexactCount(source, count: numbers.count)
        case .bf16:
            tally.overflowCount += BrainFloat.overflowCount(source, count: numbers.count)
            tally.roundedCount += BrainFloat.inexactCount(source, count: numbers.count)
        case .f8e4m3, .f8e5m2:
            let type: any WritableSmallFloat.Type = self == .f8e4m3 ? E4M3.self : E5M2.self
            tally.overflowCount += type.overflowCount(source, count: numbers.count)
            tally.roundedCount += type.inexactCount(source, count: numbers.count)
        default:
            if checksFinite { tally.nonfiniteCount += SingleFloat.nonfiniteCount(source, count: numbers.count) }
        }
        guard let codec = Self.codecs[self] as? any BlockEncoding.Type else {
            throw .unsupported("\(self) cannot be written")
        }
        codec.encode(
            source, into: out, rows: numbers.count / max(1, columns), columns: columns, importance: importance,
            with: .best)
        tally.lostBlockCount += codec.lostBlockCount(of: source, blocks: out, count: numbers.count)
    }
}
