#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// GGUF's block types as codes and scales: taken apart and put together, so that codes move between them and the packed
// formats, and those that were chosen elsewhere are written (gguf.md §b.1).

extension DType {
    /// How blocks of this type lie in bytes; nil for types that are no codes of a grid, and those that are only read.
    package var gridBlock: (any GridBlock.Type)? { Self.gridBlocks[self] }
}

extension Scheme {
    /// The scheme of a block type; nil where there is none.
    package init?(blocksOf dtype: DType) {
        guard let block = dtype.gridBlock else { return nil }
        self = block.scheme
    }
}

extension Tile {
    /// Codes 0, and scales 0 as the block type has them.
    package init(of block: any GridBlock.Type, rows: Int, columns: Int) {
        precondition(columns.isMultiple(of: block.blockSize))
        self.init(block.scheme, rows: rows, columns: columns)
        guard block.multiples != nil else { return }
        scaleMultiples = UnitMultiples(unitCount: rows * columns / block.blockSize, multipleCount: scales.count)
        if scheme.origin == .affineMinimum { minimumMultiples = scaleMultiples }
    }

    /// Rows of whole blocks taken apart.
    package init(blocks: UnsafeRawBufferPointer, of dtype: DType, rows: Int, columns: Int) {
        guard let block = dtype.gridBlock else { preconditionFailure("\(dtype) has no scheme") }
        guard let base = blocks.baseAddress else {
            self.init(of: block, rows: rows, columns: columns)
            return
        }
        self = block.read(base, rows: rows, columns: columns)
    }

    /// The tile as blocks of a type whose scheme is its own: the door for codes and scales from wherever they come.
    ///
    /// What `obstacle(asBlocksOf:)` finds is rounded, or lost: scales are stored as the type stores them.
    package func blocks(of dtype: DType, into out: UnsafeMutableRawBufferPointer) {
        guard let block = dtype.gridBlock, block.scheme == scheme, groups == nil,
            (block.multiples == nil) == (scaleMultiples == nil)
        else { preconditionFailure("not the scheme of \(dtype)") }
        guard let base = out.baseAddress else { return }
        precondition(out.count >= rows * columns / block.blockSize * block.blockByteCount)
        block.write(self, into: base)
    }

    /// Why blocks of a type cannot hold these codes and scales just as they are; nil if they can.
    func obstacle(asBlocksOf dtype: DType) -> String? {
        guard let block = dtype.gridBlock else { return "\(dtype) has no codes" }
        guard block.scheme == scheme else { return "their scheme is not that of \(dtype)" }
        guard groups == nil else { return "their groups are not in the order of the columns" }
        guard columns.isMultiple(of: block.blockSize) else { return "\(columns) columns do not fill whole blocks" }
        if let code = codes.first(where: { $0 > block.highestCode }) { return "\(dtype) has no code \(code)" }
        guard let layout = block.multiples else {
            return (scales + offsets).first { !block.scaleType.holds($0) }.map { "\(dtype) has no scale \($0)" }
        }
        let hasMinima = scheme.origin == .affineMinimum
        let parts = [scaleMultiples, minimumMultiples].compactMap { $0 }
        guard parts.count == (hasMinima ? 2 : 1),
            parts.allSatisfy({
                $0.multiples.count == scales.count && $0.units.count == rows * columns / block.blockSize
            })
        else { return "\(dtype) has multiples of units in the place of scales" }
        for part in parts {
            if let unit = part.units.first(where: { !block.scaleType.holds($0) }) {
                return "\(dtype) has no unit \(unit)"
            }
            if let multiple = part.multiples.first(where: { !layout.range.contains(Int($0)) }) {
                return "\(dtype) has no multiple \(multiple)"
            }
        }
        return nil
    }
}

extension DType {
    /// A scale as this type stores it: not finite where it is too large. Exponents alone store powers of two.
    package func rounded(scale: Float) -> Float {
        switch self {
        case .f16: HalfFloat.rounded(scale)
        case .bf16: BrainFloat.value(of: BrainFloat.bits(of: scale))
        case .f8e8m0: scale > 0 ? Float(sign: .plus, exponent: Int(log2f(scale).rounded()), significand: 1) : scale
        case .f8e4m3: E4M3.value(of: E4M3.bits(of: abs(scale)))
        default: scale
        }
    }

    /// Whether a finite scale is a number of this type.
    fileprivate func holds(_ scale: Float) -> Bool {
        switch self {
        case .f16: scale.isFinite && HalfFloat.value(of: HalfFloat.bits(of: scale)) == scale
        case .f8e8m0: E8M0.value(of: E8M0.bits(of: scale)) == scale
        case .f8e4m3: scale.sign == .plus && E4M3.value(of: E4M3.bits(of: scale)) == scale
        default: scale.isFinite
        }
    }
}
