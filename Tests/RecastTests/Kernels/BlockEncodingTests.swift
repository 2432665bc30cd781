import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

private let quantizers: [any ScaledBlock.Type] = [
    Q4_0.self, Q4_1.self, Q5_0.self, Q5_1.self, Q8_0.self, Q2_K.self, Q3_K.self, Q4_K.self, Q5_K.self, Q6_K.self,
    IQ4_NL.self, IQ4_XS.self, IQ1_S.self, IQ1_M.self, IQ2_XXS.self, IQ2_XS.self, IQ2_S.self, IQ3_XXS.self, IQ3_S.self,
]

@Suite struct BlockEncodingTests {
    @Test func digest() {
        #expect(SHA256.hex("abc".utf8) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(digest(Samples.goldenX.bytes) == "1b85ba671319d98a")
        #expect(digest(Samples.goldenY.bytes) == "c5ce0de0710c7f33")
        #expect(digest(Samples.goldenImportance.bytes) == "5a4f2333e9f38763")
    }

    /// What llama.cpp's own quantizers make of the two inputs, without and with importance (gguf.md §b.9); nothing where
    /// they take none without.
    // swift-format-ignore
    static let golden: [(encoding: any BlockEncoding.Type, digests: [String])] = [
        (HalfFloat.self,  ["26d407e3657de775", "57827579c98fe02f", "26d407e3657de775", "57827579c98fe02f"]),
        (BrainFloat.self, ["6d3ec7e19f4d5184", "ac5b30cf658a911d", "6d3ec7e19f4d5184", "ac5b30cf658a911d"]),
        (Q4_0.self,       ["cf9d7d91056a2434", "83889e15d5aa8f5c", "33dca3ccff398195", "82b0fe2c569a3b57"]),
        (Q4_1.self,       ["e1325b142d5d73ef", "7554e5d0089d7d55", "4548caab1bd017b8", "23d2f567b15d777d"]),
        (Q5_0.self,       ["0992243a0ff885ac", "5ba92aa2f6f9202e", "a232d2b265597f0c", "8703130b61660b1a"]),
        (Q5_1.self,       ["b4c0a052bcf7f19e", "fecde5c07a5972b1", "9c7b8e9f264d023f", "701c25aad096b48f"]),
        (Q8_0.self,       ["27f2072cd36d72bc", "181013170ff2be62", "27f2072cd36d72bc", "181013170ff2be62"]),
        (Q2_K.self,       ["0b728a0a834b0e7f", "f9297dbb9f2c31a4", "d0ca912c6c315331", "2391ec866d24ed13"]),
        (Q3_K.self,       ["a041cf3af1799ece", "aa6ac3893ab0d8d1", "b9aabcce230a9af9", "55b1a28a091dd5e8"]),
        (Q4_K.self,       ["caccf5780153ae5a", "05fb295c0106a5ca", "a5cc22fe148d396b", "e550fe6b2941aa0b"]),
        (Q5_K.self,       ["9e611e5f8fd32a96", "aedf918c280635b9", "575217caf839d695", "0d3b1c6b634a3ffc"]),
        (Q6_K.self,       ["ce7b739b43facc36", "55cc8799a153f1d0", "459ab1f978a3c0dd", "4fc5f193429e086a"]),
        (IQ4_NL.self,     ["4030e2da2de97895", "eb9c778581bd207d", "c54a50a13a6245c0", "2c0f073e12258f9b"]),
        (IQ4_XS.self,     ["6b319241dd9543d5", "79da5f14c0e25776", "5bb8d0dec2e69017", "ff4fe28a65ab6360"]),
        (IQ2_XXS.self,    ["",                 "",                 "0354029251384689", "0ef2a777cae4fcc9"]),
        (IQ2_XS.self,     ["",                 "",                 "84e44e19db5e1e6b", "776daf9f1da44207"]),
        (IQ2_S.self,      ["098f3ff616e8c31d", "e89cf9b0d625123f", "fa705dc69be989a2", "615c9c9414217d21"]),
        (IQ3_XXS.self,    ["b1b95c105b92509f", "ae9a3563861ae24a", "f3448cf8d78d9cef", "a9c2705a7c1cc9d3"]),
        (IQ3_S.self,      ["64c40cd462b3a2d3", "4c1d6db85b3b9ec0", "fe5a138292c665f5", "4a29bd2347cefffe"]),
        (IQ1_S.self,      ["",                 "",                 "e4b2f608fe3807c7", "de7816f12ebcc286"]),
        (IQ1_M.self,      ["0f67cd929517a59d", "f35fc75402d639bf", "8634d535f8adcb16", "edd1669267f98ae8"]),
    ]

    @Test(arguments: golden) func goldenDigests(encoding: any BlockEncoding.Type, digests: [String]) {
        let inputs = [nil, Samples.goldenImportance].flatMap { importance in
            [Samples.goldenX, Samples.goldenY].map { (elements: $0, importance: importance) }
        }
        for (input, expected) in zip(inputs, digests) where !expected.isEmpty {
            for kernels in [nil] + Kernels.available {
                let actual = encoding.encoded(input.elements, rows: 8, importance: input.importance, with: kernels)
                #expect(digest(actual) == expected, "\(kernels?.instructionSet ?? "definition")")
            }
        }
    }

    /// What ggml 0.25.3 makes of the families, one row each, without importance, where it takes none, and with each one;
    /// those families left out in which squares overflow.
    // swift-format-ignore
    @Test(arguments: [
        (Q4_0.self,   ["7023de303b0c4c50", "2af0dcb032d6fd64", "e01113b218f95371", "abdbc9b3708759fd", "85e2707c03d8cf1d"]),
        (Q4_1.self,   ["57c170b380b3b613", "4736bf7ec06749c4", "e5d8b8e01438a8e5", "fd2846b8861cbe8a", "ccea66e4a309fc59"]),
        (Q5_0.self,   ["c58e00c64bbe48b2", "fc8b047d9b298c29", "0cfd8b843f1c25e6", "3c6ab404b8a94019", "d2dbf3f9956a9165"]),
        (Q5_1.self,   ["733909d94f506ff3", "1514d548846775e4", "ae0529a72b20c2c8", "233d0243b444d515", "c3d96fbb3d4ca9a7"]),
        (Q8_0.self,   ["dd94c43bd2fc8591", "dd94c43bd2fc8591", "dd94c43bd2fc8591", "dd94c43bd2fc8591", "dd94c43bd2fc8591"]),
        (Q2_K.self,   ["3ac905768274eb11", "b6222299887bc762", "bdf6db55ea90e48a", "d1c267ef4d746b8b", "e1d48201b57e64de"]),
        (Q3_K.self,   ["46928a7ac052e59f", "9851f5067f9b0bef", "2ede9b8f29d94bc1", "dc293329eb6d877e", "997b4867ff698926"]),
        (Q4_K.self,   ["4d8f71af8ea6f4ba", "23bfbd48704d537e", "24309c3def94fb0e", "18a728ce2d29ac24", "49bd69179fc13057"]),
        (Q5_K.self,   ["e2c6bb82e5cab2aa", "79f60d5cfe0f7533", "1034032c2eb4573e", "cf50ea5abb143bda", "4f4947464f4291a4"]),
        (Q6_K.self,   ["7ee858210af76f84", "ad8f885186297393", "2c310adc7966ecfb", "cdec9d2eaae024f9", "bc2e9cf970091675"]),
        (IQ4_NL.self, ["1ee4f6660a95cc70", "584a24a9889bbb20", "811ca1e7d926d89b", "d19ffc6221110ba7", "6631073fdf95b158"]),
        (IQ4_XS.self, ["039171c2966a85e7", "585f933c0cc69c82", "6312b799a240617a", "e7599b34236510c2", "4baaae08b113944b"]),
        (IQ1_S.self,   ["", "25785daa15c8439a", "010857f97e6394ed", "cadbbabace53a736", "bd3655b36480b23c"]),
        (IQ1_M.self,   ["9954c694077aee95", "6865a2c175e83b62", "2298fb47bfb5eb1a", "a13c415de382f438", "3fdf17b85594ae23"]),
        (IQ2_XXS.self, ["", "815b09350a9cd65c", "0b70473d352039ab", "ec8321d40fe98482", "11b316919a06ffbd"]),
        (IQ2_XS.self,  ["", "0e4e3d6a97e5947a", "ca04dcf98905bffd", "12682ea6edaed388", "d76491ac0b49be26"]),
        (IQ2_S.self,   ["d491a924a562761b", "ab00416289e1a5ac", "e32e1a75817aab1b", "7e30823011fa77b9", "2c765638913da900"]),
        (IQ3_XXS.self, ["a10f1e29054832a5", "3c21af3ea6ee570f", "aaa231058f1c0400", "2018cf1439af71dc", "1b302fce544e2c67"]),
        (IQ3_S.self,   ["cd30105ab9ffdf3a", "e08d1969b52f89f9", "d72b5e0cae20dfe5", "e10c485391ce0823", "24983352eb0a9d68"]),
    ] as [(any BlockEncoding.Type, [String])])
    func familyDigests(encoding: any BlockEncoding.Type, digests: [String]) {
        let families = Samples.families.filter { !["huge", "squares overflow", "not finite"].contains($0.name) }
        let elements = families.flatMap(\.elements)
        for (importance, expected) in zip([nil] + Samples.importances.map(\.weights), digests) where !expected.isEmpty {
            for kernels in [nil] + Kernels.available {
                let actual = encoding.encoded(elements, rows: families.count, importance: importance, with: kernels)
                #expect(digest(actual) == expected, "\(kernels?.instructionSet ?? "definition")")
            }
        }
    }

    /// Whatever blocks share a batch.
    @Test(arguments: quantizers) func rowsAreIndependent(encoding: any ScaledBlock.Type) {
        let elements = Samples.families.flatMap(\.elements)
        for importance in [nil, Samples.importances[1].weights] {
            for kernels in Kernels.available {
                let rows = Samples.families.flatMap {
                    encoding.encoded($0.elements, importance: importance, with: kernels)
                }
                let together = encoding.encoded(
                    elements, rows: Samples.families.count, importance: importance, with: kernels)
                #expect(digest(together) == digest(rows), "\(encoding) with \(kernels.instructionSet)")
            }
        }
    }

    /// What the reference makes of random bytes: SHA-256 of the floats that ggml 0.25.3 and gguf 0.19
    /// (`gguf.quants.dequantize`) both give for 256 blocks of this stream, with bit 14 of each half cleared.
    // swift-format-ignore
    @Test(arguments: [
        (Q4_0.self,   "43b79434af02d867"), (Q4_1.self,   "c9fbda9d176ef785"), (Q5_0.self, "0a44f6396e3ca762"),
        (Q5_1.self,   "b08d562cbc780016"), (Q8_0.self,   "eb5dd90f095b7637"), (Q2_K.self, "fdb4dcbe0a1fd565"),
        (Q3_K.self,   "6e96c71d7199e502"), (Q4_K.self,   "2a2cdda7806d9d0a"), (Q5_K.self, "6815c32be860bb59"),
        (Q6_K.self,   "a3ddb24170a5573c"), (IQ4_NL.self, "50451bef2cfedd70"), (IQ4_XS.self, "dedc1f50b4f127fb"),
    ] as [(any GridBlock.Type, String)])
    func decodedRandomBytes(encoding: any GridBlock.Type, expected: String) {
        var bytes = Samples.Stream(seed: 11).prefix(256 * encoding.blockByteCount)
            .map { UInt8(truncatingIfNeeded: $0 >> 8) }
        for block in 0..<256 {
            for offset in encoding.scaleOffsets { bytes[block * encoding.blockByteCount + offset + 1] &= 0xBF }
        }
        for kernels in [nil] + Kernels.available {
            let decoded = encoding.decoded(bytes, count: 256 * encoding.blockSize, with: kernels)
            #expect(digest(decoded) == expected, "\(kernels?.instructionSet ?? "definition")")
        }
    }

    /// Decoding what was encoded stays within the step of the grid; where signs are made even, a number may change sides.
    // swift-format-ignore
    @Test(arguments: [
        (Q4_0.self, 0.13),  (Q4_1.self, 0.08), (Q5_0.self, 0.07), (Q5_1.self, 0.05),   (Q8_0.self, 0.005),
        (Q2_K.self, 0.5),   (Q3_K.self, 0.3),  (Q4_K.self, 0.1),  (Q5_K.self, 0.06),   (Q6_K.self, 0.04),
        (IQ4_NL.self, 0.2), (IQ4_XS.self, 0.2), (IQ3_S.self, 0.3), (IQ3_XXS.self, 0.9),
        (IQ2_S.self, 0.6),  (IQ2_XS.self, 0.9), (IQ2_XXS.self, 0.9), (IQ1_M.self, 0.9), (IQ1_S.self, 0.9),
    ] as [(any BlockEncoding.Type, Float)])
    func decodingInvertsEncoding(encoding: any BlockEncoding.Type, tolerance: Float) {
        let elements = Samples.families[0].elements
        let farthest = elements.map(abs).max()!
        for importance in [nil, Samples.importances[0].weights] {
            var decoded = [Float](repeating: 0, count: elements.count)
            let encoded = encoding.encoded(elements, importance: importance, with: .best)
            encoding.decode(encoded, into: &decoded, count: elements.count)
            for (x, y) in zip(elements, decoded) { #expect(abs(x - y) <= tolerance * farthest) }
        }
    }

    /// From and to any address, and nothing beyond the last block.
    @Test(arguments: quantizers) func unalignedAddresses(encoding: any BlockEncoding.Type) {
        let elements = Array(Samples.goldenX.prefix(Samples.familyCount))
        for kernels in Kernels.available {
            for (importance, count) in [nil, Samples.goldenX.map(abs)].flatMap({ importance in
                stride(from: 0, through: elements.count, by: encoding.blockSize).map { (importance, $0) }
            }) {
                let expected = encoding.encoded(Array(elements.prefix(count)), importance: importance, with: kernels)
                let size = encoding.byteCount(of: count)
                let shifted: [UInt8] = elements.withUnsafeBytes { [0] + $0 }
                var actual = [UInt8](repeating: 0xA5, count: 1 + size + 1)
                var decoded = [UInt8](repeating: 0xA5, count: 1 + 4 * count + 1)
                shifted.withUnsafeBytes { source in
                    actual.withUnsafeMutableBytes { destination in
                        encoding.encode(
                            (source.baseAddress! + 1).assumingMemoryBound(to: Float.self),
                            into: destination.baseAddress! + 1, rows: 1, columns: count, importance: importance,
                            with: kernels)
                        decoded.withUnsafeMutableBytes {
                            encoding.decode(
                                destination.baseAddress! + 1,
                                into: ($0.baseAddress! + 1).assumingMemoryBound(to: Float.self), count: count,
                                with: kernels)
                        }
                    }
                }
                #expect(actual == [0xA5] + expected + [0xA5], "\(encoding), \(count) with \(kernels.instructionSet)")
                #expect(decoded == [0xA5] + encoding.decoded(expected, count: count, with: kernels) + [0xA5])
            }
        }
    }

    /// Blocks whose scale is no half any more, or whose minimum is not, where that is all they have.
    @Test(arguments: quantizers) func lostBlocks(encoding: any BlockEncoding.Type) throws {
        let dtype = DType(named: "\(encoding)")!
        func lostBlockCount(_ element: (Int) -> Float) throws -> Int {
            let elements = (0..<1024).map { 256..<512 ~= $0 ? element($0) : Float($0 % 7) }
            var bytes = [UInt8](repeating: 0, count: dtype.byteCount(of: elements.count)!)
            var tally = Tally()
            try elements.withUnsafeBufferPointer { source in
                try bytes.withUnsafeMutableBytes { try dtype.encode(source, columns: 512, into: $0, tally: &tally) }
            }
            return tally.lostBlockCount
        }
        #expect(try lostBlockCount { 1000 * Float($0 % 5 - 2) } == 0)
        #expect(try lostBlockCount { 1e9 * Float($0 % 5 - 2) } >= 256 / encoding.blockSize)
        #expect(try lostBlockCount { _ in -1e9 } >= 256 / encoding.blockSize)
    }

    private func digest(_ bytes: [UInt8]) -> String { String(SHA256.hex(bytes).prefix(16)) }
}

extension BlockEncoding {
    /// Rows of equal length, by the definition if there are no kernels: cast one by one, or searched and then written.
    static func encoded(
        _ elements: [Float], rows: Int = 1, importance: [Float]? = nil, with kernels: Kernels?
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: byteCount(of: elements.count))
        let columns = elements.count / rows
        func run(_ importance: UnsafePointer<Float>?) {
            if let kernels {
                encode(elements, into: &bytes, rows: rows, columns: columns, importance: importance, with: kernels)
            } else if let cast = self as? any FloatCast.Type {
                cast.encodePortable(elements, into: &bytes, count: elements.count)
            } else if let codebook = self as? any CodebookBlock.Type {
                bytes.withUnsafeMutableBytes {
                    DType(named: "\(self)")!.codebookSearch!.write(
                        elements, rows: rows, columns: columns, importance: importance, as: codebook,
                        into: $0.baseAddress!)
                }
            } else {
                let dtype = DType(named: "\(self)")!
                let tile = dtype.blockSearch!.tile(
                    of: elements, rows: rows, columns: columns, importance: importance, as: dtype.gridBlock!)
                bytes.withUnsafeMutableBytes { tile.blocks(of: dtype, into: $0) }
            }
        }
        if let importance {
            importance.withUnsafeBufferPointer { run($0.baseAddress) }
        } else {
            run(nil)
        }
        return bytes
    }

    static func encodedPortably(_ elements: [Float]) -> [UInt8] { encoded(elements, with: nil) }
}

extension [Float] {
    var bytes: [UInt8] { withUnsafeBytes { Array<UInt8>($0) } }
}
