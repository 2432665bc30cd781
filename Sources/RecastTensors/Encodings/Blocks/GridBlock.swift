/// Blocks of codes, the scales of their groups, and perhaps minima: how they lie in bytes.
///
/// What the numbers are follows from the scheme (`Tile.decode`); how codes and scales are found is a matter of
/// Quantizers/Blocks. The kernel does both at once.
package protocol GridBlock: ScaledBlock {
    static var scheme: Scheme { get }
    /// What scales, and minima, are stored as; where groups have multiples, what their units are.
    static var scaleType: DType { get }
    /// Where in a block its scale lies, and its minimum, halves; where groups have multiples, the units.
    static var scaleOffsets: [Int] { get }
    /// Where the codes lie, from their lowest bits on.
    static var codePlanes: [CodePlane] { get }
    /// The highest code that can be stored.
    static var highestCode: UInt8 { get }
    /// What the groups of a block have of its units; nil where each scale is stored.
    static var multiples: MultipleLayout? { get }

    /// Codes of a block, zero before.
    static func readCodes(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>)
    /// A block's bytes are zero before.
    static func writeCodes(_ codes: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer)
    static func readScales(_ block: UnsafeRawPointer, into tile: inout Tile, at index: Int)
    static func writeScales(of tile: Tile, at index: Int, into block: UnsafeMutableRawPointer)
    /// The multiples of a block's scales, then those of its minima, counted from the lowest; zero before.
    static func readMultiples(_ block: UnsafeRawPointer, into multiples: UnsafeMutablePointer<UInt8>)
    static func writeMultiples(_ multiples: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer)
}

/// Whole multiples of a block's units, those of scales before those of minima.
package struct MultipleLayout: Sendable {
    package let range: ClosedRange<Int>
    var planes: [CodePlane] = []
}

extension GridBlock {
    package static var scaleType: DType { .f16 }
    package static var highestCode: UInt8 { UInt8(1 << scheme.bits - 1) }
    package static var multiples: MultipleLayout? { nil }
    /// Groups in a block.
    static var groupCount: Int { blockSize / scheme.block.columns }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        read(block, rows: 1, columns: blockSize).decode(
            into: UnsafeMutableBufferPointer(start: numbers, count: blockSize))
    }

    // MARK: Tiles

    /// Rows of whole blocks taken apart.
    static func read(_ blocks: UnsafeRawPointer, rows: Int, columns: Int) -> Tile {
        var tile = Tile(of: Self.self, rows: rows, columns: columns)
        for index in 0..<rows * columns / blockSize {
            let block = blocks + index * blockByteCount
            tile.codes.withUnsafeMutableBufferPointer { readCodes(block, into: $0.baseAddress! + index * blockSize) }
            readScales(block, into: &tile, at: index)
        }
        tile.deriveScales()
        return tile
    }

    /// Rows of whole blocks put together.
    static func write(_ tile: Tile, into blocks: UnsafeMutableRawPointer) {
        let count = tile.rows * tile.columns / blockSize
        blocks.initializeMemory(as: UInt8.self, repeating: 0, count: count * blockByteCount)
        for index in 0..<count {
            let block = blocks + index * blockByteCount
            tile.codes.withUnsafeBufferPointer { writeCodes($0.baseAddress! + index * blockSize, into: block) }
            writeScales(of: tile, at: index, into: block)
        }
    }

    // MARK: Parts of a block

    package static func readCodes(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
        codePlanes.read(block, into: codes, count: blockSize)
    }

    package static func writeCodes(_ codes: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer) {
        codePlanes.write(codes, count: blockSize, into: block)
    }

    package static func readScales(_ block: UnsafeRawPointer, into tile: inout Tile, at index: Int) {
        let halves = scaleOffsets
        func half(_ place: Int) -> Float {
            HalfFloat.value(of: block.loadUnaligned(fromByteOffset: halves[place], as: UInt16.self))
        }
        guard let multiples else {
            tile.scales[index] = half(0)
            if halves.count > 1 { tile.offsets[index] = half(1) }
            return
        }
        let count = groupCount
        tile.scaleMultiples!.units[index] = half(0)
        if halves.count > 1 { tile.minimumMultiples!.units[index] = half(1) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: halves.count * count) { codes in
            codes.initialize(repeating: 0)
            readMultiples(block, into: codes.baseAddress!)
            for group in 0..<count {
                tile.scaleMultiples!.multiples[index * count + group] = multiples.multiple(codes[group])
                if halves.count == 1 { continue }
                tile.minimumMultiples!.multiples[index * count + group] = multiples.multiple(codes[count + group])
            }
        }
    }

    package static func writeScales(of tile: Tile, at index: Int, into block: UnsafeMutableRawPointer) {
        let halves = scaleOffsets
        func write(_ number: Float, _ place: Int) {
            block.storeBytes(of: HalfFloat.bits(of: number), toByteOffset: halves[place], as: UInt16.self)
        }
        guard let multiples else {
            write(tile.scales[index], 0)
            if halves.count > 1 { write(tile.offsets[index], 1) }
            return
        }
        let count = groupCount
        write(tile.scaleMultiples!.units[index], 0)
        if halves.count > 1 { write(tile.minimumMultiples!.units[index], 1) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: halves.count * count) { codes in
            codes.initialize(repeating: 0)
            for group in 0..<count {
                codes[group] = multiples.code(tile.scaleMultiples!.multiples[index * count + group])
                if halves.count == 1 { continue }
                codes[count + group] = multiples.code(tile.minimumMultiples!.multiples[index * count + group])
            }
            writeMultiples(codes.baseAddress!, into: block)
        }
    }

    package static func readMultiples(_ block: UnsafeRawPointer, into multiples: UnsafeMutablePointer<UInt8>) {
        Self.multiples!.planes.read(block, into: multiples, count: scaleOffsets.count * groupCount)
    }

    package static func writeMultiples(_ multiples: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer) {
        Self.multiples!.planes.write(multiples, count: scaleOffsets.count * groupCount, into: block)
    }

    // MARK: Losses

    package static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int {
        // Asked for once: a block takes a few instructions.
        let (offsets, byteCount, blockCount) = (scaleOffsets, blockByteCount, count / blockSize)
        guard !offsets.isEmpty else { return 0 }
        return offsets.withUnsafeBufferPointer { offsets in
            var lost = 0
            var block = blocks
            for _ in 0..<blockCount {
                var isLost = 0
                for offset in offsets {
                    let exponent = block.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x7C00
                    isLost |= exponent == 0x7C00 ? 1 : 0
                }
                lost &+= isLost
                block += byteCount
            }
            return lost
        }
    }
}

extension MultipleLayout {
    fileprivate func multiple(_ code: UInt8) -> Int8 { Int8(Int(code) + range.lowerBound) }
    fileprivate func code(_ multiple: Int8) -> UInt8 { UInt8(Int(multiple) - range.lowerBound) }
}
