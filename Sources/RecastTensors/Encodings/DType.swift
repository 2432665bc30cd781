/// How the numbers of a stored tensor are laid out: blocks of `blockElements` numbers in `blockBytes` bytes, along rows.
/// A scalar type is a block of one.
public struct DType: Hashable, Sendable {
    /// The name in error messages, plans and `--json`.
    public let name: String
    public let blockElements: Int
    public let blockBytes: Int
    /// What the bits mean.
    public let kind: Kind

    public enum Kind: Sendable, Hashable {
        case boolean
        case integer
        /// One IEEE-like number an element; may be narrower than a byte.
        case float
        case complex
        /// Numbers that share a scale within a block (the GGUF types).
        case quantized
    }
}

// Names and widths of the scalar types: safetensors 0.8, `Dtype`. Block types: Specs/gguf.md §b.1.
// swift-format-ignore
extension DType {
    public static let bool       = DType("BOOL",       1,   1, .boolean)
    public static let u8         = DType("U8",         1,   1, .integer)
    public static let i8         = DType("I8",         1,   1, .integer)
    public static let u16        = DType("U16",        1,   2, .integer)
    public static let i16        = DType("I16",        1,   2, .integer)
    public static let u32        = DType("U32",        1,   4, .integer)
    public static let i32        = DType("I32",        1,   4, .integer)
    public static let u64        = DType("U64",        1,   8, .integer)
    public static let i64        = DType("I64",        1,   8, .integer)
    public static let f16        = DType("F16",        1,   2, .float)
    public static let bf16       = DType("BF16",       1,   2, .float)
    public static let f32        = DType("F32",        1,   4, .float)
    public static let f64        = DType("F64",        1,   8, .float)
    public static let c64        = DType("C64",        1,   8, .complex)
    public static let f8e4m3     = DType("F8_E4M3",    1,   1, .float)
    public static let f8e5m2     = DType("F8_E5M2",    1,   1, .float)
    public static let f8e8m0     = DType("F8_E8M0",    1,   1, .float)
    public static let f8e4m3fnuz = DType("F8_E4M3FNUZ", 1,  1, .float)
    public static let f8e5m2fnuz = DType("F8_E5M2FNUZ", 1,  1, .float)
    public static let f6e2m3     = DType("F6_E2M3",    4,   3, .float)
    public static let f6e3m2     = DType("F6_E3M2",    4,   3, .float)
    public static let f4         = DType("F4",         2,   1, .float)

    public static let q4_0       = DType("Q4_0",      32,  18, .quantized)
    public static let q4_1       = DType("Q4_1",      32,  20, .quantized)
    public static let q5_0       = DType("Q5_0",      32,  22, .quantized)
    public static let q5_1       = DType("Q5_1",      32,  24, .quantized)
    public static let q8_0       = DType("Q8_0",      32,  34, .quantized)
    public static let q8_1       = DType("Q8_1",      32,  36, .quantized)
    public static let q2_k       = DType("Q2_K",     256,  84, .quantized)
    public static let q3_k       = DType("Q3_K",     256, 110, .quantized)
    public static let q4_k       = DType("Q4_K",     256, 144, .quantized)
    public static let q5_k       = DType("Q5_K",     256, 176, .quantized)
    public static let q6_k       = DType("Q6_K",     256, 210, .quantized)
    public static let q8_k       = DType("Q8_K",     256, 292, .quantized)
    public static let iq2_xxs    = DType("IQ2_XXS",  256,  66, .quantized)
    public static let iq2_xs     = DType("IQ2_XS",   256,  74, .quantized)
    public static let iq3_xxs    = DType("IQ3_XXS",  256,  98, .quantized)
    public static let iq1_s      = DType("IQ1_S",    256,  50, .quantized)
    public static let iq4_nl     = DType("IQ4_NL",    32,  18, .quantized)
    public static let iq3_s      = DType("IQ3_S",    256, 110, .quantized)
    public static let iq2_s      = DType("IQ2_S",    256,  82, .quantized)
    public static let iq4_xs     = DType("IQ4_XS",   256, 136, .quantized)
    public static let iq1_m      = DType("IQ1_M",    256,  56, .quantized)
    public static let tq1_0      = DType("TQ1_0",    256,  54, .quantized)
    public static let tq2_0      = DType("TQ2_0",    256,  66, .quantized)
    public static let mxfp4      = DType("MXFP4",     32,  17, .quantized)
    public static let nvfp4      = DType("NVFP4",     64,  36, .quantized)
    public static let q1_0       = DType("Q1_0",     128,  18, .quantized)
    public static let q2_0       = DType("Q2_0",      64,  18, .quantized)

    /// Every type there is.
    public static let all: [DType] = [
        .bool, .u8, .i8, .u16, .i16, .u32, .i32, .u64, .i64, .f16, .bf16, .f32, .f64, .c64,
        .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz, .f6e2m3, .f6e3m2, .f4,
        .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q8_1, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .q8_k,
        .iq2_xxs, .iq2_xs, .iq3_xxs, .iq1_s, .iq4_nl, .iq3_s, .iq2_s, .iq4_xs, .iq1_m,
        .tq1_0, .tq2_0, .mxfp4, .nvfp4, .q1_0, .q2_0,
    ]
}

extension DType {
    private init(_ name: String, _ blockElements: Int, _ blockBytes: Int, _ kind: Kind) {
        self.name = name
        self.blockElements = blockElements
        self.blockBytes = blockBytes
        self.kind = kind
    }

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The type of that exact name.
    public init?(named name: String) {
        guard let type = Self.byName[name] else { return nil }
        self = type
    }

    public var isQuantized: Bool { kind == .quantized }
    public var bitsPerElement: Double { Double(8 * blockBytes) / Double(blockElements) }

    /// Whether every value of this type is a value of the other.
    public func widensExactly(to other: DType) -> Bool {
        switch (self, other) {
        case (.f16, .f32), (.bf16, .f32), (.f16, .f64), (.bf16, .f64), (.f32, .f64): true
        case (_, .f32): isQuantized
        default: false
        }
    }

    /// The bytes of `count` numbers in a row; nil where they do not fill whole blocks, or the size does not fit.
    public func byteCount(of count: Int) -> Int? {
        guard count.isMultiple(of: blockElements) else { return nil }
        return (count / blockElements).multiplied(checked: blockBytes)
    }

    /// The bytes of numbers that were checked to fill whole blocks. A part of a block has no size: rounded to nothing, buffers
    /// would be too small for what decoders write, and offsets would be those of other numbers.
    package func byteCount(ofBlocks count: Int) -> Int {
        precondition(count.isMultiple(of: blockElements), "a window cuts a block")
        return count / blockElements * blockBytes
    }
}

extension DType: Codable, CustomStringConvertible {
    public var description: String { name }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let name = try container.decode(String.self)
        guard let type = DType(named: name) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "unknown dtype \(name)")
        }
        self = type
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}
