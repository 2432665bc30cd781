import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Blocks taken apart are the codes and scales that their readers see, and put together again are the bytes they were.
struct TileBlockLaws {
    static let types = DType.all.filter { $0.gridBlock != nil }
    private static let columns = 1280
    private static let rows = 16

    private func tile(_ bytes: [UInt8], of dtype: DType) -> Tile {
        bytes.withUnsafeBytes {
            Tile(
                blocks: $0, of: dtype, rows: bytes.count / dtype.byteCount(of: Self.columns)!, columns: Self.columns)
        }
    }

    private func bytes(_ tile: Tile, of dtype: DType) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: dtype.byteCount(of: tile.codes.count)!)
        bytes.withUnsafeMutableBytes { tile.blocks(of: dtype, into: $0) }
        return bytes
    }

    private func decoded(_ bytes: [UInt8], of dtype: DType) -> [Float] {
        var numbers = [Float](repeating: 7, count: bytes.count / dtype.blockBytes * dtype.blockElements)
        dtype.gridBlock!.decode(bytes, into: &numbers, count: numbers.count)
        return numbers
    }

    /// Bytes that no encoder writes, but for halves that are not finite.
    private func randomBytes(of dtype: DType) -> [UInt8] {
        var stream = Samples.Stream(seed: 17)
        var bytes = (0..<dtype.byteCount(of: Self.rows * Self.columns)!).map { _ in
            UInt8(truncatingIfNeeded: stream.next()! >> 8)
        }
        for base in stride(from: 0, to: bytes.count, by: dtype.blockBytes) {
            for offset in dtype.gridBlock!.scaleOffsets { bytes[base + offset + 1] &= 0xBF }
            // Powers and scales that are never written.
            if dtype == .mxfp4, bytes[base] == 255 { bytes[base] = 254 }
            for group in 0..<4 where dtype == .nvfp4 && bytes[base + group] == 255 { bytes[base + group] = 254 }
        }
        return bytes
    }

    private func expectSame(_ found: [Float], _ expected: [Float], codes: [UInt8], of dtype: DType, _ what: String) {
        for (i, (number, wanted)) in zip(found, expected).enumerated() {
            // GGUF's E2M1 reads the code of negative zero as zero.
            let isZero = dtype.gridBlock!.scheme.grid == .table(.e2m1) && codes[i] == 8 && number == 0
            if number.bitPattern == wanted.bitPattern || number.isNaN && wanted.isNaN
                || isZero && wanted.bitPattern == 0
            {
                continue
            }
            Issue.record("\(dtype), \(what): element \(i) is \(number), not \(wanted)")
            return
        }
        #expect(found.count == expected.count)
    }

    /// Whatever an encoder writes.
    @Test(arguments: types) func encodedBlocks(dtype: DType) throws {
        let block = try #require(dtype.gridBlock)
        for (family, elements) in Samples.families {
            for importance in [nil, Samples.importances[1].weights] where importance == nil || family != "not finite" {
                let stored = block.encoded(elements, importance: importance, with: .best)
                let tile = tile(stored, of: dtype)
                let difference = dtype.firstDifference(of: bytes(tile, of: dtype), from: stored)
                #expect(difference == nil, "\(family): \(difference ?? "")")
                expectSame(tile.decoded, decoded(stored, of: dtype), codes: tile.codes, of: dtype, family)
            }
        }
    }

    /// Any bytes whose scales are finite are read as their readers read them; all of them are written again, except for bytes of
    /// TQ1_0 that are no fraction of 3^5, and the signs and NaNs of NVFP4's scales, which no reader sees.
    @Test(arguments: types) func anyBytes(dtype: DType) {
        let stored = randomBytes(of: dtype)
        let tile = tile(stored, of: dtype)
        expectSame(tile.decoded, decoded(stored, of: dtype), codes: tile.codes, of: dtype, "random bytes")
        expectSame(tile.numbers, tile.decoded, codes: tile.codes, of: .q8_0, "by the definition of the scheme")
        let again = bytes(tile, of: dtype)
        expectSame(
            decoded(again, of: dtype), decoded(stored, of: dtype), codes: tile.codes, of: dtype, "written again")
        if ![.tq1_0, .nvfp4].contains(dtype) {
            #expect(dtype.firstDifference(of: again, from: stored) == nil, "\(dtype)")
        }
        #expect(dtype.firstDifference(of: bytes(self.tile(again, of: dtype), of: dtype), from: again) == nil)
    }

    // MARK: Codes from outside

    /// On the grid that a search found, any codes there are.
    @Test(arguments: types) func codesFromOutside(dtype: DType) throws {
        let block = try #require(dtype.gridBlock)
        let elements = Samples.families[0].elements
        var tile = dtype.blockSearch!.tile(
            of: elements, rows: 1, columns: elements.count, importance: nil, as: block)
        var random = SeededGenerator(seed: 5)
        for index in tile.codes.indices {
            repeat {
                tile.codes[index] = UInt8.random(in: 0...block.highestCode, using: &random)
            } while block.scheme.grid == .table(.e2m1) && tile.codes[index] == 8
        }
        #expect(tile.obstacle(asBlocksOf: dtype) == nil)
        let stored = bytes(tile, of: dtype)
        expectSame(tile.numbers, decoded(stored, of: dtype), codes: tile.codes, of: dtype, "codes from outside")
        let isSame = self.tile(stored, of: dtype).codes == tile.codes
        #expect(isSame)
    }

    /// And scales of one's own: here units and multiples of every value.
    @Test(arguments: types.filter { $0.gridBlock!.multiples != nil }) func scalesFromOutside(dtype: DType) throws {
        let block = try #require(dtype.gridBlock)
        var tile = Tile(of: block, rows: 4, columns: 1024)
        var random = SeededGenerator(seed: 6)
        for index in tile.codes.indices { tile.codes[index] = UInt8.random(in: 0...block.highestCode, using: &random) }
        let range = block.multiples!.range
        for part in [\Tile.scaleMultiples, \Tile.minimumMultiples] where tile[keyPath: part] != nil {
            for index in tile[keyPath: part]!.units.indices {
                tile[keyPath: part]!.units[index] = HalfFloat.rounded(Float.random(in: -2...2, using: &random))
            }
            for index in tile[keyPath: part]!.multiples.indices {
                tile[keyPath: part]!.multiples[index] = Int8(range.lowerBound + index % range.count)
            }
        }
        tile.deriveScales()
        #expect(tile.obstacle(asBlocksOf: dtype) == nil)
        expectSame(
            tile.numbers, decoded(bytes(tile, of: dtype), of: dtype), codes: tile.codes, of: dtype,
            "scales from outside")
    }

    @Test func obstacles() {
        func obstacle(_ dtype: DType, as other: DType? = nil, _ change: (inout Tile) -> Void) -> String {
            var tile = Tile(of: dtype.gridBlock!, rows: 2, columns: 256)
            for index in tile.scales.indices { tile.scales[index] = 1 }
            change(&tile)
            return tile.obstacle(asBlocksOf: other ?? dtype) ?? ""
        }
        for dtype in Self.types { #expect(obstacle(dtype) { _ in } == "", "\(dtype)") }
        #expect(obstacle(.q4_0, as: .iq2_s) { _ in }.contains("IQ2_S has no codes"))
        #expect(obstacle(.q4_0, as: .q4_1) { _ in }.contains("scheme"))
        #expect(obstacle(.q4_0) { $0.groups = [] }.contains("order of the columns"))
        #expect(obstacle(.tq1_0) { $0.codes[3] = 3 }.contains("no code 3"))
        #expect(obstacle(.q4_k) { $0.codes[3] = 16 }.contains("no code 16"))
        #expect(obstacle(.q4_0) { $0.scales[1] = 0.1 }.contains("no scale 0.1"))
        #expect(obstacle(.q4_1) { $0.offsets[1] = 1e6 }.contains("no scale 1000000"))
        #expect(obstacle(.mxfp4) { $0.scales[1] = 3 }.contains("no scale 3"))
        #expect(obstacle(.nvfp4) { $0.scales[1] = -1 }.contains("no scale -1"))
        #expect(obstacle(.nvfp4) { $0.scales[1] = 449 }.contains("no scale 449"))
        #expect(obstacle(.q4_k) { $0.scaleMultiples = nil }.contains("multiples of units"))
        #expect(obstacle(.q4_k) { $0.minimumMultiples!.units[0] = 0.1 }.contains("no unit 0.1"))
        #expect(obstacle(.q4_k) { $0.minimumMultiples!.multiples[1] = 64 }.contains("no multiple 64"))
        #expect(obstacle(.q3_k) { $0.scaleMultiples!.multiples[1] = -33 }.contains("no multiple -33"))
    }

    // MARK: Moving codes

    /// Products of units and multiples move where float32 holds them, and nowhere else; into multiples nothing moves.
    @Test func multiplesMove() throws {
        func form(_ dtype: DType) throws -> CodeForm { try #require(CodeForm(blocksOf: dtype)) }
        for dtype in [DType.q4_k, .q5_k] {
            let source = try form(dtype)
            let bits = source.scheme.bits
            func target(_ scaleType: DType, _ origin: Scheme.Origin = .affineMinimum) -> CodeForm {
                CodeForm(Scheme(.integers(bits: bits), origin, .group(32)), scaleType: scaleType)
            }
            let repacking = try #require(Repacking(from: source, to: target(.f32)))
            #expect(repacking.isExact)
            let stored = randomBytes(of: dtype)
            let tile = tile(stored, of: dtype)
            var tally = Tally()
            let moved = repacking.repacked(tile, tally: &tally)
            expectSame(moved.numbers, decoded(stored, of: dtype), codes: tile.codes, of: dtype, "moved")
            #expect(tally == Tally())
            for other in [target(.f16), target(.bf16), target(.f32, .zeroPoint), target(.f32, .symmetric)] {
                #expect(Repacking(from: source, to: other) == nil, "\(other)")
            }
        }
        for dtype in Self.types where dtype.gridBlock!.multiples != nil {
            for other in Self.types {
                #expect(try Repacking(from: form(other), to: form(dtype)) == nil, "\(other) to \(dtype)")
                #expect(try Repacking(from: form(dtype), to: form(other)) == nil, "\(dtype) to \(other)")
            }
        }
    }

    /// The block types between which codes move: those that share a grid, and whose blocks lie in the other's.
    @Test func blocksMove() throws {
        var moves: Set<String> = []
        for source in Self.types {
            for target in Self.types where source != target {
                let (from, to) = try (
                    #require(CodeForm(blocksOf: source)), #require(CodeForm(blocksOf: target))
                )
                guard let repacking = Repacking(from: from, to: to) else { continue }
                #expect(repacking.isExact)
                moves.insert("\(source) \(target)")
            }
        }
        #expect(moves == ["Q4_0 Q4_1", "Q5_0 Q5_1", "TQ2_0 Q2_0"])
    }
}

extension Tile {
    fileprivate var decoded: [Float] {
        var numbers = [Float](repeating: 7, count: rows * columns)
        numbers.withUnsafeMutableBufferPointer { decode(into: $0) }
        return numbers
    }
}
