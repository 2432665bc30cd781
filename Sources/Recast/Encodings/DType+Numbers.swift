extension DType {
    /// Whether numbers of this type can be turned into float32.
    public var isDecodable: Bool {
        switch self {
        case .f32, .f16, .bf16, .f64, .q8_0, .q4_0, .q6_k: true
        default: false
        }
    }

    /// Whether float32 numbers can be turned into this type.
    public var isEncodable: Bool {
        switch self {
        case .f32, .f16, .bf16, .q8_0, .q4_0, .q6_k: true
        default: false
        }
    }

    /// Stored bytes as float32 numbers; exact for every type but F64, which is rounded once.
    func decode(
        _ source: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>, tally: inout Tally
    ) throws(RecastError) {
        guard let raw = source.baseAddress, let out = numbers.baseAddress else { return }
        switch self {
        case .f32: UnsafeMutableRawPointer(out).copyMemory(from: raw, byteCount: source.count)
        case .bf16:
            for i in 0..<numbers.count {
                out[i] = Float(bitPattern: UInt32(raw.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
            }
        default: throw .unsupported("cannot compute with numbers stored as \(self)")
        }
    }

    /// Float32 numbers in this type, each rounded once.
    func encode(
        _ numbers: UnsafeBufferPointer<Float>, into target: UnsafeMutableRawBufferPointer, tally: inout Tally
    ) throws(RecastError) {
        guard let source = numbers.baseAddress, let out = target.baseAddress else { return }
        switch self {
        case .f32: out.copyMemory(from: UnsafeRawPointer(source), byteCount: target.count)
        default: throw .unsupported("cannot store numbers as \(self)")
        }
    }
}
