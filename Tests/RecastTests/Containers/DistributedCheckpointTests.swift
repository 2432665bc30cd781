import TestSupport
import Testing

@testable import Recast

struct DistributedCheckpointTests {
    private static func values(_ count: Int, from first: Int = 0) -> [Float] { (0..<count).map { Float(first + $0) } }

    private func numbers(_ tensor: LazyTensor, _ files: FileList) throws -> [Float] {
        var reader = Reader(files: FilePool(files.files))
        return try tensor.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    private func open(
        _ builder: DistributedBuilder, leadingAxes: Int
    ) throws -> (tensors: [LazyTensor], files: FileList) {
        let directory = TemporaryDirectory()
        builder.write(to: directory)
        var open = DistributedCheckpoint.OpenFiles(FileList())
        let checkpoint = try DistributedCheckpoint(Folder(directory: directory.file("iter_0000007"))) { _ in true }
        let tensors = try checkpoint.tensors(of: checkpoint.tensors[0], leadingAxes: leadingAxes, files: &open)
        let files = open.list
        // Read while the files are there.
        _ = try numbers(tensors[0], files)
        return (
            try tensors.map { tensor in
                LazyTensor.literal(
                    .f32, tensor.shape,
                    try numbers(tensor, files).flatMap { value in withUnsafeBytes(of: value.bitPattern) { Array($0) } })
            }, files
        )
    }

    /// Tensors of up to two counting axes, cut along all of their axes into random grids, in random order.
    @Test(arguments: 0..<40 as Range<UInt64>) func randomGrids(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let leading = Int.random(in: 0...2, using: &random)
        let inner = Int.random(in: 1...2, using: &random)
        let shape = (0..<leading + inner).map { _ in Int.random(in: 1...6, using: &random) }
        // Along each axis, where pieces begin.
        let cuts = shape.map { size in
            [0] + (1..<max(2, size)).filter { _ in Bool.random(using: &random) }.filter { $0 < size } + [size]
        }
        var boxes: [[Range<Int>]] = [[]]
        for axis in cuts {
            boxes = boxes.flatMap { box in zip(axis, axis.dropFirst()).map { box + [$0..<$1] } }
        }
        func flat(_ index: [Int]) -> Int { zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 } }
        let pieces = boxes.map { box -> DistributedBuilder.Piece in
            var indices: [[Int]] = [[]]
            for range in box { indices = indices.flatMap { index in range.map { index + [$0] } } }
            return DistributedBuilder.Piece(
                box.map(\.lowerBound), box.map(\.count), indices.map { Float(flat($0)) })
        }
        var builder = DistributedBuilder()
        builder.tensors = [("t", shape, pieces.shuffled(using: &random))]
        let (tensors, files) = try open(builder, leadingAxes: leading)
        #expect(tensors.count == shape.prefix(leading).reduce(1, *))
        #expect(tensors.allSatisfy { $0.shape == Array(shape.dropFirst(leading)) })
        #expect(try tensors.flatMap { try numbers($0, files) } == Self.values(shape.reduce(1, *)))
    }

    private func refusal(
        _ change: (inout DistributedBuilder) -> Void, after damage: (TemporaryDirectory) -> Void = { _ in }
    ) -> String {
        var builder = DistributedBuilder()
        builder.tensors = [
            (
                "t", [4, 3],
                [
                    .init([0, 0], [2, 3], Self.values(6)), .init([2, 0], [2, 3], Self.values(6, from: 6)),
                ]
            )
        ]
        change(&builder)
        let directory = TemporaryDirectory()
        builder.write(to: directory)
        damage(directory)
        do {
            var files = DistributedCheckpoint.OpenFiles(FileList())
            let checkpoint = try DistributedCheckpoint(Folder(directory: directory.file("iter_0000007"))) { _ in true }
            for tensor in checkpoint.tensors { _ = try checkpoint.tensors(of: tensor, leadingAxes: 0, files: &files) }
            return "nothing was refused"
        } catch { return "\(error)" }
    }

    @Test func lies() {
        #expect(refusal { _ in } == "nothing was refused")
        // Pieces that leave a gap, overlap, or lie outside.
        #expect(refusal { $0.tensors[0].pieces.removeLast() }.contains("do not cover"))
        #expect(refusal { $0.tensors[0].pieces[1].offsets = [1, 0] }.contains("do not cover"))
        #expect(refusal { $0.tensors[0].pieces[1].offsets = [3, 0] }.contains("outside"))
        #expect(refusal { $0.tensors[0].pieces[1].offsets = [.max, 0] }.contains("outside"))
        #expect(refusal { $0.tensors[0].shape = [5, 3] }.contains("do not cover"))
        #expect(refusal { $0.tensors[0].shape = [4, 3, 0] }.contains("outside"))
        // Places that are in no file, or in another's.
        #expect(refusal { $0.tensors[0].pieces[0].file = "../secret" }.contains("not the name of a file"))
        #expect(refusal { $0.tensors[0].pieces[0].file = "" }.contains("not the name of a file"))
        #expect(refusal { $0.tensors[0].pieces[0].file = "__9_0.distcp" }.contains("__9_0.distcp"))
        #expect(refusal { $0.tensors[0].pieces[1].place = 10..<900 }.contains("overlap"))
        #expect(refusal { $0.tensors[0].pieces[1].place = 2000..<1 << 40 }.contains("not complete"))
        #expect(refusal { $0.tensors[0].pieces[0].place = 100..<101 }.contains("__0_0.distcp"))
        // A piece of another shape than is said.
        #expect(refusal { $0.tensors[0].pieces[0].sizes = [2, 2] } != "nothing was refused")
        #expect(refusal({ _ in }) { $0.remove("iter_0000007/__0_0.distcp") }.contains("not there"))
        #expect(
            refusal({ _ in }) { $0.write("iter_0000007/.metadata", [0x80, 2, 0x4E, 0x2E]) }.contains("storage_data"))
    }

    @Test func damagedDescriptions() throws {
        var builder = DistributedBuilder()
        builder.tensors = [("t", [2, 2], [.init([0, 0], [2, 2], Self.values(4))])]
        let directory = TemporaryDirectory()
        builder.write(to: directory)
        let name = "iter_0000007/.metadata"
        let whole = try FileSource.contents(of: directory.file(name))
        var random = SeededGenerator(seed: 3)
        for _ in 0..<1000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            directory.write(name, bytes)
            var files = DistributedCheckpoint.OpenFiles(FileList())
            guard
                let checkpoint = try? DistributedCheckpoint(
                    Folder(directory: directory.file("iter_0000007")), where: { _ in true })
            else { continue }
            for tensor in checkpoint.tensors {
                _ = try? checkpoint.tensors(of: tensor, leadingAxes: max(0, tensor.shape.count - 2), files: &files)
            }
        }
    }
}
