/// What the codes of a quantized weight mean: which numbers they stand for, which of them share a scale, and where zero
/// lies. Every format that is read or written states its weights in these terms, so that codes can move from one to
/// another untouched wherever the schemes agree.
package struct Scheme: Sendable, Hashable, Codable {
    package var grid: Grid
    package var origin: Origin
    package var block: Block

    /// The numbers that codes stand for, before the scale.
    package enum Grid: Sendable, Hashable, Codable {
        /// 0 ..< 2^bits, evenly spaced.
        case integers(bits: Int)
        case table(LevelTable)
    }

    /// Which number the code of zero has.
    package enum Origin: String, Sendable, Hashable, Codable {
        /// x = scale·(q − 2^(bits−1)) for integers, scale·table[q] for tables.
        case symmetric
        /// x = scale·(q − zero), with a whole zero in 0 ..< 2^bits for each block.
        case zeroPoint
        /// x = scale·q + minimum.
        case affineMinimum
    }

    /// How many rows and columns of a weight `[out, in]` share a scale; 0 stands for all of them.
    package struct Block: Sendable, Hashable, Codable {
        package var rows: Int
        package var columns: Int

        package init(rows: Int = 1, columns: Int) {
            self.rows = rows
            self.columns = columns
        }

        package static let tensor = Block(rows: 0, columns: 0)
        package static let channel = Block(rows: 1, columns: 0)
        package static func group(_ size: Int) -> Block { Block(rows: 1, columns: size) }
    }

    package init(_ grid: Grid, _ origin: Origin, _ block: Block) {
        self.grid = grid
        self.origin = origin
        self.block = block
    }

    /// Bits of a code.
    package var bits: Int {
        switch grid {
        case .integers(let bits): bits
        case .table(let book): book.bits
        }
    }

    /// The code of zero where the origin is the centre of whole numbers.
    package var center: Int { 1 << (bits - 1) }

    /// Blocks side by side, and one above the other, that cover a matrix; the last ones may be partial.
    package func blockCounts(rows: Int, columns: Int) -> (rows: Int, columns: Int) {
        (
            block.rows == 0 ? 1 : rows.dividedRoundingUp(by: block.rows),
            block.columns == 0 ? 1 : columns.dividedRoundingUp(by: block.columns)
        )
    }
}

/// A table of numbers that are not evenly spaced.
package enum LevelTable: String, Sendable, Hashable, Codable {
    /// bitsandbytes' 4-bit quantiles of a normal distribution (the QLoRA paper, appendix E).
    case nf4
    /// bitsandbytes' 4-bit float with its own order.
    case fp4
    /// The 4-bit float of the OCP microscaling formats, E2M1.
    case e2m1
    /// The 8-bit float E4M3 without infinities.
    case e4m3
    /// The 8-bit float E5M2.
    case e5m2
    /// GGUF's IQ4 types: finer around zero.
    case iq4
    /// GGUF's TQ1_0.
    case ternary
    /// GGUF's TQ2_0 and Q2_0: two bits have room for one number more.
    case ternaryAndTwo = "ternary-and-two"
    /// GGUF's Q1_0.
    case sign

    package var bits: Int {
        switch self {
        case .nf4, .fp4, .e2m1, .iq4: 4
        case .e4m3, .e5m2: 8
        case .ternary, .ternaryAndTwo: 2
        case .sign: 1
        }
    }

    /// The number of each code.
    package var values: [Float] {
        switch self {
        case .nf4: Self.normal
        case .fp4: Self.shortFloat
        case .e2m1: Self.microscaling
        case .e4m3: Self.byteFloat
        case .e5m2: Self.wideByteFloat
        case .iq4: Self.nonlinear
        case .ternary: Self.threeLevels
        case .ternaryAndTwo: Self.fourLevels
        case .sign: Self.signs
        }
    }

    // swift-format-ignore
    private static let normal: [Float] = [
        -1,                   -0.6961928009986877, -0.5250730514526367,  -0.39491748809814453,
        -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
        0.07958029955625534,  0.16093020141124725, 0.24611230194568634,  0.33791524171829224,
        0.44070982933044434,  0.5626170039176941,  0.7229568362236023,   1,
    ]

    // swift-format-ignore
    private static let shortFloat: [Float] = [
        0,  0.005208333333,  0.66666667,  1,  0.33333333,  0.5,  0.16666667,  0.25,
        0, -0.005208333333, -0.66666667, -1, -0.33333333, -0.5, -0.16666667, -0.25,
    ]

    private static let nonlinear: [Float] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]

    private static let threeLevels: [Float] = [-1, 0, 1]
    private static let fourLevels: [Float] = [-1, 0, 1, 2]
    private static let signs: [Float] = [-1, 1]

    private static let microscaling: [Float] = {
        let positive: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        return positive + positive.map { -$0 }
    }()

    private static let wideByteFloat: [Float] = (0..<256).map { E5M2.value(of: UInt8($0)) }

    /// Four bits of exponent with bias 7, three of mantissa; 0x7F and 0xFF are NaN.
    private static let byteFloat: [Float] = (0..<256).map { code in
        let (exponent, mantissa) = (code >> 3 & 15, Float(code & 7))
        if code & 0x7F == 0x7F { return .nan }
        let magnitude =
            exponent == 0
            ? mantissa * 0x1p-9 : (8 + mantissa) * Float(sign: .plus, exponent: exponent - 10, significand: 1)
        return code < 128 ? magnitude : -magnitude
    }
}
