import Foundation
import TestSupport
import Testing

@testable import Recast

/// One read, many writes: what every target gets is the part of the encoded weight that it asked for.
struct ExecutorTests {
    /// A weight cut for `tp` ranks along one dimension, each rank's part in a file of its own, and a whole copy.
    @Test(arguments: [1, 2, 4], [DType.bf16, .f32, .q8_0])
    func targetsGetTheirParts(ranks: Int, dtype: DType) throws {
        for byRows in [true, false] { try check(ranks: ranks, byRows: byRows, dtype: dtype) }
    }

    private func check(ranks: Int, byRows: Bool, dtype: DType) throws {
        let (rows, columns, batches) = (96, 256, 3)
        let directory = TemporaryDirectory()
        var files = FileList()
        let source = try weight([batches, rows, columns], directory, &files)

        var plan = Plan(sources: files.files, form: .directory)
        var targets: [Transfer.Target] = []
        var parts: [(rows: Range<Int>, columns: Range<Int>)] = [(0..<rows, 0..<columns)]
        for rank in 0..<ranks {
            let size = byRows ? rows / ranks : columns / ranks
            let range = rank * size..<(rank + 1) * size
            parts.append(byRows ? (range, 0..<columns) : (0..<rows, range))
        }
        for (index, part) in parts.enumerated() {
            let offset = 100 * index
            targets.append(
                .init(output: index, offset: offset, batches: 0..<batches, rows: part.rows, columns: part.columns))
            let count = batches * part.rows.count * dtype.byteCount(of: part.columns.count)!
            plan.outputs.append(OutputFile(name: "rank\(index)", byteCount: offset + count))
        }
        plan.transfers = [Transfer(name: "w", source: source, encoding: .plain(dtype), targets: targets)]

        let expected = try encoded(source, as: dtype, files)
        for workers in [1, 3] {
            for jobByteCount in [1 << 10, 1 << 14, 1 << 22] {
                let paths = plan.outputs.map { directory.file("\($0.name)-\(workers)-\(jobByteCount)") }
                var executor = Executor(plan, stagedPaths: paths, workers: workers, jobByteCount: jobByteCount)
                try executor.prepare()
                _ = try executor.run(journal: nil, progress: nil)
                for (index, part) in parts.enumerated() {
                    let written = Array(try FileSource.contents(of: paths[index]).dropFirst(100 * index))
                    let cut = slice(expected, rows: rows, columns: columns, batches: batches, part, dtype)
                    #expect(written == cut, "rank \(index), \(workers) workers, jobs of \(jobByteCount)")
                }
            }
        }
    }

    @Test func planIsAValueThatCanBeStored() throws {
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named("q4_0")
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: "m.gguf")
        let copy = try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan))
        #expect(copy == plan)
        #expect(copy.fingerprint == plan.fingerprint)
    }

    @Test func bytesDoNotDependOnWorkers() throws {
        let directory = TemporaryDirectory()
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named("q6_k")
        let checkpoint = try Checkpoint(path: Fixtures.tinyModel)
        let files = try [1, 2, 5].map { workers in
            let path = directory.file("\(workers).gguf")
            var conversion = Conversion(try Planning(checkpoint, options).plan(destination: path), to: path)
            conversion.workers = workers
            _ = try conversion.run()
            return try FileSource.contents(of: path)
        }
        #expect(files[0] == files[1] && files[0] == files[2])
    }

    @Test func descriptorsAreBounded() throws {
        let directory = TemporaryDirectory()
        var files = FileList()
        for index in 0..<40 {
            _ = try files.add(FileSource(path: directory.write("\(index)", [UInt8(index)])))
        }
        let pool = FilePool(files.files, capacity: 4)
        let before = try POSIX.names(in: "/proc/self/fd").count
        for index in 0..<40 { #expect(try pool.source(FileID(index)).bytes(0..<1) == [UInt8(index)]) }
        // Other tests open files of their own meanwhile; forty of ours would show all the same.
        #expect(try POSIX.names(in: "/proc/self/fd").count < before + 30)
    }

    // MARK: Data

    private func weight(
        _ shape: [Int], _ directory: TemporaryDirectory, _ files: inout FileList
    ) throws -> LazyTensor {
        var random = SeededGenerator(seed: 7)
        var bytes: [UInt8] = []
        for _ in 0..<shape.reduce(1, *) {
            bytes.append(
                littleEndian: UInt16(truncatingIfNeeded: Float.random(in: -1...1, using: &random).bitPattern >> 16))
        }
        let file = try files.add(FileSource(path: directory.write("weight", bytes)))
        return .stored(.bf16, shape, in: file, at: 0)
    }

    private func encoded(_ source: LazyTensor, as dtype: DType, _ files: FileList) throws -> [UInt8] {
        var reader = Reader(files: FilePool(files.files))
        return try source.converted(to: dtype).bytes(using: &reader)
    }

    private func slice(
        _ bytes: [UInt8], rows: Int, columns: Int, batches: Int, _ part: (rows: Range<Int>, columns: Range<Int>),
        _ dtype: DType
    ) -> [UInt8] {
        let rowBytes = dtype.byteCount(of: columns)!
        let start = dtype.byteCount(of: part.columns.lowerBound)!
        let count = dtype.byteCount(of: part.columns.count)!
        return (0..<batches).flatMap { batch in
            part.rows.flatMap { row in
                let begin = (batch * rows + row) * rowBytes + start
                return Array(bytes[begin..<begin + count])
            }
        }
    }
}
