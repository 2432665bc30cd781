import Testing

@testable import Recast
@testable import RecastTensors

/// What a kernel writes at once is what the search of its type finds and its encoding writes.
@Suite struct SearchThenWriteTests {
    static let types = DType.all.filter { $0.isQuantized && $0.isEncodable }

    /// Every block type that is written has a search, and says of its blocks what the table of types does.
    @Test func everyTypeHasASearch() throws {
        #expect(Self.types.count == 25)
        for dtype in DType.all {
            #expect((dtype.gridBlock != nil) == (dtype.blockSearch != nil), "\(dtype)")
            #expect((dtype.codebookBlock != nil) == (dtype.codebookSearch != nil), "\(dtype)")
            let blocks: [any ScaledBlock.Type] = [dtype.gridBlock, dtype.codebookBlock].compactMap { $0 }
            #expect(blocks.count == (Self.types.contains(dtype) ? 1 : 0), "\(dtype)")
            guard let block = blocks.first else { continue }
            #expect(block.blockSize == dtype.blockElements && block.blockByteCount == dtype.blockBytes, "\(dtype)")
        }
    }

    /// What is not finite and weighs something has no defined codes.
    @Test(arguments: types) func kernelsSearchAndWrite(dtype: DType) throws {
        let block = try #require(dtype.gridBlock ?? dtype.codebookBlock as (any ScaledBlock.Type)?)
        let importances = [("none", nil)] + Samples.importances.map { ($0, Optional($1)) }
        for (family, elements) in Samples.families {
            for (importance, weights) in importances where weights == nil || family != "not finite" {
                expectSame(dtype, block, elements, weights, "\(family), importance \(importance)")
            }
        }
        guard RoundedBlockTests.types.contains(where: { $0 == block }) else { return }
        for (family, elements) in RoundedBlockTests.families { expectSame(dtype, block, elements, nil, family) }
    }

    private func expectSame(
        _ dtype: DType, _ block: any ScaledBlock.Type, _ elements: [Float], _ importance: [Float]?, _ input: String
    ) {
        let expected = block.encoded(elements, importance: importance, with: nil)
        for kernels in Kernels.available {
            let actual = block.encoded(elements, importance: importance, with: kernels)
            let difference = dtype.firstDifference(of: actual, from: expected)
            #expect(difference == nil, "\(dtype) of \(input), with \(kernels.instructionSet): \(difference ?? "")")
        }
    }

    /// A difference is told by the field it lies in.
    @Test(arguments: [
        (DType.q4_k, 0, "block 1: unit"), (.q4_k, 2, "block 1: unit of minima"),
        (.q4_k, 4, "block 1: multiple of group 0"),
        (.q4_k, 16, "block 1: code of element 0"), (.q4_0, 0, "block 1: scale of group 0"),
        (.q4_1, 2, "block 1: minimum of group 0"), (.nvfp4, 3, "block 1: scale of group 3"),
        (.q8_0, 33, "block 1: code of element 31"),
    ]) func differences(dtype: DType, byte: Int, expected: String) {
        let bytes = [UInt8](repeating: 0x11, count: 2 * dtype.blockBytes)
        var other = bytes
        other[dtype.blockBytes + byte] ^= 1
        #expect(dtype.firstDifference(of: bytes, from: bytes) == nil)
        #expect(dtype.firstDifference(of: other, from: bytes)?.hasPrefix(expected + " is ") == true)
    }
}

extension DType {
    /// The block, and the part of it, in which blocks first differ from those that were expected.
    func firstDifference(of actual: [UInt8], from expected: [UInt8]) -> String? {
        guard actual.count == expected.count else { return "\(actual.count) bytes, not \(expected.count)" }
        for first in stride(from: 0, to: expected.count, by: blockBytes) {
            let (found, wanted) = (actual[first..<first + blockBytes], expected[first..<first + blockBytes])
            if found == wanted { continue }
            if codebookBlock != nil {
                let offset = zip(found, wanted).enumerated().first { $1.0 != $1.1 }!.offset
                return "block \(first / blockBytes): byte \(offset)"
            }
            return "block \(first / blockBytes): " + part(Tile(block: found, of: self), Tile(block: wanted, of: self))
        }
        return nil
    }

    private func part(_ found: Tile, _ wanted: Tile) -> String {
        // Bits, as NaN is not NaN.
        let floats: [(String, (Tile) -> [Float])] = [
            ("unit", { $0.scaleMultiples?.units ?? [] }), ("unit of minima", { $0.minimumMultiples?.units ?? [] }),
        ]
        for (name, numbers) in floats {
            if let (found, wanted) = zip(numbers(found), numbers(wanted)).first(where: {
                $0.bitPattern != $1.bitPattern
            }) {
                return "\(name) is \(found), not \(wanted)"
            }
        }
        let multiples: [(String, (Tile) -> [Int8])] = [
            ("multiple", { $0.scaleMultiples?.multiples ?? [] }),
            ("multiple of minimum", { $0.minimumMultiples?.multiples ?? [] }),
        ]
        for (name, numbers) in multiples {
            for (group, (found, wanted)) in zip(numbers(found), numbers(wanted)).enumerated() where found != wanted {
                return "\(name) of group \(group) is \(found), not \(wanted)"
            }
        }
        for (name, numbers) in [("scale", found.scales, wanted.scales), ("minimum", found.offsets, wanted.offsets)]
            .map({ ($0, zip($1, $2)) })
        {
            for (group, (found, wanted)) in numbers.enumerated() where found.bitPattern != wanted.bitPattern {
                return "\(name) of group \(group) is \(found), not \(wanted)"
            }
        }
        for (index, (code, other)) in zip(found.codes, wanted.codes).enumerated() where code != other {
            return "code of element \(index) is \(code), not \(other)"
        }
        return "bytes that stand for the same"
    }
}

extension Tile {
    init(block: ArraySlice<UInt8>, of dtype: DType) {
        self = block.withUnsafeBytes { Tile(blocks: $0, of: dtype, rows: 1, columns: dtype.blockElements) }
    }
}
