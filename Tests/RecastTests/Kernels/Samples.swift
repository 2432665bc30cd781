/// Numbers to encode: the golden inputs of gguf.md §b.9, and families chosen for the corners of the encoders.
enum Samples {
    /// The upper 24 bits of a 64-bit congruential generator.
    struct Stream: Sequence, IteratorProtocol {
        var state: UInt64

        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt32? {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt32(state >> 40)
        }

        /// 0 ..< 1
        mutating func uniform() -> Float { Float(next()!) * 0x1p-24 }
        /// −1 ..< 1
        mutating func signed() -> Float { uniform() * 2 - 1 }
        mutating func bits() -> UInt32 { next()! << 16 ^ next()! }
    }

    static let goldenCount = 8 * 1024

    static let goldenX = Stream(seed: 1).prefix(goldenCount).map { Float(Int32($0) - 8_388_608) * 0x1p-27 }

    static let goldenY = zip(goldenX, Stream(seed: 2)).map { x, t in
        let b = Float(t) * 0x1p-24
        return x * (b * b) * 4
    }

    /// What the columns of rows of 1024 weigh.
    static let goldenImportance = Stream(seed: 3).prefix(1024).map { Float($0 + 1) * 0x1p-20 }

    /// 40 blocks of 32, so that no instruction set works in whole batches only.
    static let familyCount = 1280

    static let families: [(name: String, elements: [Float])] = [
        family("gaussian") { r, _ in 0.02 * (r.signed() + r.signed() + r.signed() + r.signed()) },
        family("constant") { _, i in [0.37, -0.37, 1, -8][i / 32 % 4] },
        family("zeros") { _, _ in 0 },
        family("negative zeros") { _, _ in -0.0 },
        family("zeros of both signs") { r, _ in r.next()! % 2 == 0 ? 0 : -0.0 },
        family("ties for the extreme") { r, _ in r.next()! % 2 == 0 ? 0.625 : -0.625 },
        family("exact grid") { r, i in i % 32 == 0 ? -32 : Float(Int(r.next()! % 128) - 64) / 2 },
        family("half steps") { r, i in i % 32 == 0 ? 127 : Float(Int(r.next()! % 508) - 254) / 2 },
        family("beside half steps") { r, i in
            let tie = Float(Int(r.next()! % 16) - 8) / 2
            return i % 32 == 0 ? 127 : r.next()! % 2 == 0 ? tie.nextDown : tie.nextUp
        },
        family("sparse") { r, i in i % 29 == 0 ? r.signed() : 0 },
        family("1e-9") { r, _ in 1e-9 * r.signed() },
        family("scale near the smallest half") { r, i in 1e-5 * r.signed() * r.uniform() * Float(1 + i % 5) },
        family("around the smallest group") { r, i in 2e-15 * r.uniform() * (i / 16 % 3 == 0 ? 1 : r.signed()) },
        family("subnormal") { r, _ in Float(bitPattern: r.next()! & 0x7F_FFFF | r.next()! << 31) },
        family("scale without an inverse") { r, i in 0x1p-125 * r.signed() / Float(1 + i / 32) },
        family("tiny") { r, _ in Float(bitPattern: r.next()! % 300 | r.next()! << 31) },
        family("decades") { r, _ in r.signed() * [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000].cycled(&r)
        },
        family("bfloat16") { r, _ in Float(bitPattern: r.signed().bitPattern & 0xFFFF_0000) },
        family("float16") { r, _ in Float(bitPattern: r.signed().bitPattern & 0xFFFF_E000) },
        family("positive") { r, _ in r.uniform() + 0.5 },
        family("huge") { r, _ in 3e38 * r.signed() * r.uniform() },
        family("squares overflow") { r, _ in 3e19 * r.signed() },
        family("not finite") { r, i in
            i % 41 == 0 ? [.infinity, .nan, -.infinity, .greatestFiniteMagnitude].cycled(&r) : r.signed()
        },
    ]

    /// What the columns of a family's row weigh: something each, nothing here and there, nothing for whole groups.
    static let importances: [(name: String, weights: [Float])] = [
        importance("everywhere") { r, _ in 4 * r.uniform() + 0x1p-20 },
        importance("with zeros") { r, _ in r.next()! % 4 == 0 ? 0 : r.uniform() },
        importance("of some groups") { r, i in i / 32 % 3 == 0 ? 0 : 100 * r.uniform() },
        importance("of many decades") { r, _ in [1e-6, 1e-3, 1, 1000].cycled(&r) * r.uniform() },
    ]

    private static func importance(
        _ name: String, _ weight: (inout Stream, Int) -> Float
    ) -> (name: String, weights: [Float]) {
        var stream = Stream(seed: 9)
        return (name, (0..<familyCount).map { weight(&stream, $0) })
    }

    private static func family(
        _ name: String, _ element: (inout Stream, Int) -> Float
    ) -> (name: String, elements: [Float]) {
        var stream = Stream(seed: 7)
        return (name, (0..<familyCount).map { element(&stream, $0) })
    }

    /// Every exponent with mantissas at and beside each power of two and each tie, in both signs; then random bits.
    static let patterns: [Float] = {
        var mantissas: Set<UInt32> = [0, 0x7F_FFFF]
        for bit in 0..<23 as Range<UInt32> {
            let above = (0x7F_FFFF >> bit as UInt32) << bit
            for mantissa in [1 << bit, 3 << bit, above] {
                mantissas.formUnion([mantissa &- 1, mantissa, mantissa + 1].map { $0 & 0x7F_FFFF })
            }
        }
        let edges = (0..<512 as Range<UInt32>).flatMap { head in mantissas.map { Float(bitPattern: head << 23 | $0) } }
        var stream = Stream(seed: 5)
        return edges + (0..<2_000_003).map { _ in Float(bitPattern: stream.bits()) }
    }()
}

extension [Float] {
    fileprivate func cycled(_ stream: inout Samples.Stream) -> Float { self[Int(stream.next()!) % count] }
}
