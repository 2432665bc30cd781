package import CKernels

/// The codes of E2M1 as GGUF uses them: twice the value, against half the scale, and no negative zero, so that the code of
/// one is read as zero.
package enum DoubledE2M1 {
    // swift-format-ignore
    package static let values: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]
}

/// Blocks of 32 codes of E2M1 with a power of two: u8 e, then 16 bytes whose low nibbles hold elements 0..<16 and whose
/// high nibbles hold the rest; x = 2^(e − 127)·value (gguf.md §b.2, §b.3).
///
/// As in the reference, 255 is a power like any other when read, which no scale of a tile can be. Written it is never:
/// where the reference's exponent, which wraps around for blocks below 2^-125, comes to 255, it calls its own file invalid;
/// here such a block gets exponent 0.
package enum MXFP4: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 17)
    package static let scheme = Scheme(.table(.e2m1), .symmetric, .group(32))
    package static let scaleType = DType.f8e8m0
    package static let scaleOffsets: [Int] = []
    package static let codePlanes = [CodePlane(offset: 1, bits: 4, run: 16)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_mxfp4 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_mxfp4 }

    package static func readScales(_ block: UnsafeRawPointer, into tile: inout Tile, at index: Int) {
        tile.scales[index] = E8M0.value(of: block.load(as: UInt8.self))
    }

    package static func writeScales(of tile: Tile, at index: Int, into block: UnsafeMutableRawPointer) {
        block.storeBytes(of: E8M0.bits(of: tile.scales[index]), as: UInt8.self)
    }

    /// Half of the value of an exponent.
    package static func step(_ exponent: UInt8) -> Float {
        Float(sign: .plus, exponent: Int(exponent) - 128, significand: 1)
    }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        let step = step(block.load(as: UInt8.self))
        for (i, code) in codes(of: block).enumerated() { numbers[i] = DoubledE2M1.values[Int(code)] * step }
    }
}

/// Blocks of 64 codes of E2M1 in four groups, each with a scale: four bytes of E4M3 without a sign, then 8 bytes a group,
/// whose low nibbles hold its first eight elements; x = scale·value (gguf.md §b.2, §b.3).
///
/// As in the reference, the scale's NaN, 127, is zero when read, and its sign is ignored, so that 255 is 480, which is
/// never written. The tensor's own scale, which some files keep beside it, is not applied here.
package enum NVFP4: GridBlock {
    package static let (blockSize, blockByteCount) = (64, 36)
    package static let scheme = Scheme(.table(.e2m1), .symmetric, .group(16))
    package static let scaleType = DType.f8e4m3
    package static let scaleOffsets: [Int] = []
    package static let codePlanes = [CodePlane(offset: 4, bits: 4, run: 8)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_nvfp4 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_nvfp4 }

    package static let largestScale: UInt8 = 0x7E

    package static func scale(_ byte: UInt8) -> Float { byte == 0x7F ? 0 : E4M3.format.value(of: byte & 0x7F) }

    package static func readScales(_ block: UnsafeRawPointer, into tile: inout Tile, at index: Int) {
        for group in 0..<4 {
            tile.scales[4 * index + group] = scale(block.load(fromByteOffset: group, as: UInt8.self))
        }
    }

    package static func writeScales(of tile: Tile, at index: Int, into block: UnsafeMutableRawPointer) {
        for group in 0..<4 {
            block.storeBytes(
                of: E4M3.bits(of: tile.scales[4 * index + group]) & 0x7F, toByteOffset: group, as: UInt8.self)
        }
    }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        for (i, code) in codes(of: block).enumerated() {
            let step = scale(block.load(fromByteOffset: i / 16, as: UInt8.self)) / 2
            numbers[i] = DoubledE2M1.values[Int(code)] * step
        }
    }

    package static let showsLostBlocks = false

    /// A group beyond six times the largest scale is cut off, without a trace in the block.
    package static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int {
        var lost = 0
        for block in 0..<count / blockSize {
            let isLost = (0..<4).contains { group in
                guard blocks.load(fromByteOffset: block * blockByteCount + group, as: UInt8.self) == largestScale else {
                    return false
                }
                return abs(Float.farthest(of: source + block * blockSize + group * 16, count: 16)) > 6 * 448
            }
            lost += isLost ? 1 : 0
        }
        return lost
    }
}

extension GridBlock {
    fileprivate static func codes(of block: UnsafeRawPointer) -> [UInt8] {
        var codes = [UInt8](repeating: 0, count: blockSize)
        readCodes(block, into: &codes)
        return codes
    }
}
