import TestSupport
import Testing

@testable import Recast

/// Files of `torch.save`: tensors where their descriptions say they are, and nothing outside their storages.
struct TorchArchiveTests {
    private let directory = TemporaryDirectory()

    /// An archive of one dictionary and storages of float32 numbers that count up.
    private func archive(
        storages: [Int] = [64], change: (inout ZipBuilder) -> Void = { _ in }, _ build: (inout PickleBuilder) -> Void
    ) throws -> (archive: TorchArchive, files: [SourceFile]) {
        var pickle = PickleBuilder()
        pickle.dictionary(build)
        var zip = ZipBuilder([("archive/data.pkl", pickle.finished), ("archive/byteorder", Array("little".utf8))])
        for (index, count) in storages.enumerated() {
            var bytes: [UInt8] = []
            for number in 0..<count { bytes.put(Float(number).bitPattern) }
            zip.members.append(ZipBuilder.Member("archive/data/\(index)", bytes))
        }
        change(&zip)
        var files = FileList()
        let source = try FileSource(path: directory.write("x.bin", zip.bytes))
        return (try TorchArchive(source, as: files.add(source)), files.files)
    }

    private func numbers(_ shape: [Int], _ strides: [Int], offset: Int = 0, count: Int = 64) throws -> [Float] {
        let (archive, files) = try archive(storages: [count]) { pickle in
            pickle.value("a")
            pickle.tensor("FloatStorage", key: "0", count: count, offset: offset, shape: shape, strides: strides)
        }
        let tensor = try archive.stateDictionary().tensors[0].tensor
        #expect(tensor.shape == shape)
        var reader = Reader(files: FilePool(files))
        let bytes = try tensor.bytes(using: &reader)
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// By the definition of strides.
    private func expected(_ shape: [Int], _ strides: [Int], offset: Int) -> [Float] {
        var places = [offset]
        for (size, stride) in zip(shape, strides) {
            places = places.flatMap { place in (0..<size).map { place + $0 * stride } }
        }
        return places.map(Float.init)
    }

    @Test(arguments: [
        ([4, 8], [8, 1], 0), ([4, 8], [8, 1], 32), ([8, 4], [1, 8], 0), ([8, 4], [1, 16], 3), ([4, 5], [8, 1], 2),
        ([8], [1], 5), ([8], [7], 3), ([5], [0], 9), ([3, 4], [0, 1], 8), ([3, 4], [1, 0], 8),
        ([2, 3, 4], [12, 4, 1], 6),
        ([2, 3, 4], [4, 8, 1], 0), ([2, 3, 4], [1, 2, 6], 0), ([2, 2, 2, 2], [16, 1, 4, 2], 1), ([], [], 7),
        ([1, 1], [5, 9], 7),
        ([1, 6], [99, 2], 0), ([0, 4], [4, 1], 0), ([4, 4], [16, 3], 2), ([3, 1, 5], [5, 77, 1], 4),
    ]) func strides(shape: [Int], strides: [Int], offset: Int) throws {
        #expect(try numbers(shape, strides, offset: offset) == expected(shape, strides, offset: offset))
    }

    @Test func randomStrides() throws {
        var random = SeededGenerator(seed: 6)
        var count = 0
        while count < 400 {
            let shape = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 1...5, using: &random) }
            let strides = shape.map { _ in Int.random(in: 0...9, using: &random) }
            let offset = Int.random(in: 0...5, using: &random)
            guard zip(shape, strides).reduce(offset, { $0 + ($1.0 - 1) * $1.1 }) < 64 else { continue }
            count += 1
            #expect(
                try numbers(shape, strides, offset: offset) == expected(shape, strides, offset: offset),
                "\(shape) \(strides)")
        }
    }

    /// Two tensors of one storage, a parameter, and things that are no tensors.
    @Test func stateDictionaries() throws {
        let (archive, _) = try archive { pickle in
            pickle.value("a")
            pickle.tensor("FloatStorage", key: "0", count: 64, shape: [8, 8], strides: [8, 1])
            pickle.value("b")
            pickle.global("torch._utils", "_rebuild_parameter")
            pickle.ascii("(")
            pickle.tensor("FloatStorage", key: "0", count: 64, offset: 60, shape: [4], strides: [1])
            pickle.code(0x89)
            pickle.ascii("NtR")
            pickle.value("c")
            pickle.value(3)
        }
        let (tensors, others) = try archive.stateDictionary()
        #expect(tensors.map(\.name) == ["a", "b"] && others == ["c"])
        #expect(tensors.map(\.tensor.shape) == [[8, 8], [4]] && tensors.allSatisfy { $0.tensor.dtype == .f32 })
    }

    @Test(arguments: [
        ([65], [1], 0), ([8, 8], [8, 1], 1), ([2], [Int.max], 0), ([2, 2], [Int.max / 2, Int.max / 2], Int.max / 2),
        ([1], [1], 64), ([Int.max, Int.max], [1, 1], 0), ([1 << 40], [0], 0),
    ]) func outsideTheStorage(shape: [Int], strides: [Int], offset: Int) {
        do {
            _ = try numbers(shape, strides, offset: offset)
            Issue.record("accepted")
        } catch let error as RecastError {
            #expect([.malformedInput, .unsupported].contains(error.code) && "\(error)".contains("x.bin"), "\(error)")
        } catch { Issue.record(error) }
    }

    @Test func brokenArchives() {
        func tensor(_ pickle: inout PickleBuilder) {
            pickle.value("a")
            pickle.tensor("FloatStorage", key: "0", count: 64, shape: [8, 8], strides: [8, 1])
        }
        expectRejection("the storage 0 is missing", file: "x.bin") {
            _ = try archive(storages: [], tensor).archive.stateDictionary()
        }
        expectRejection("without data.pkl", file: "x.bin") {
            _ = try archive(change: { $0.members[0].name = "archive/other.pkl" }, tensor)
        }
        expectRejection(.unsupported, "byte order \"big\"", file: "x.bin") {
            _ = try archive(change: { $0.members[1].bytes = Array("big".utf8) }, tensor)
        }
        expectRejection(.unsupported, "tensors of torch.QInt8Storage", file: "x.bin") {
            _ = try archive { pickle in
                pickle.value("a")
                pickle.tensor("QInt8Storage", key: "0", count: 64, shape: [8], strides: [1])
            }.archive.stateDictionary()
        }
        expectRejection("a is there twice", file: "x.bin") {
            _ = try archive { pickle in
                tensor(&pickle)
                tensor(&pickle)
            }.archive.stateDictionary()
        }
    }

    @Test func mutations() throws {
        var pickle = PickleBuilder()
        pickle.dictionary { pickle in
            pickle.value("a")
            pickle.tensor("FloatStorage", key: "0", count: 16, shape: [4, 4], strides: [1, 4])
        }
        let original = ZipBuilder([
            ("archive/data.pkl", pickle.finished), ("archive/data/0", [UInt8](repeating: 1, count: 64)),
        ]).bytes
        var random = SeededGenerator(seed: 4)
        for _ in 0..<4000 {
            let path = directory.write("m.bin", original.damaged(&random))
            var files = FileList()
            let source = try FileSource(path: path)
            do {
                let state = try TorchArchive(source, as: files.add(source)).stateDictionary()
                var reader = Reader(files: FilePool(files.files))
                for tensor in state.tensors where tensor.tensor.byteCount < 1 << 20 {
                    _ = try tensor.tensor.bytes(using: &reader)
                }
            } catch {}
        }
    }
}
