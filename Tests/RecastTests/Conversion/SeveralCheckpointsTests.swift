import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast

/// Tensors of several checkpoints in one graph.
struct SeveralCheckpointsTests {
    private let directory = TemporaryDirectory()
    private let first = SmallModel("llama")
    private let second = SmallModel("qwen2")

    /// All of the first model, but the weights of its last layer, which are the second's.
    ///
    /// - Parameter isReversed: whether the second is opened before the first.
    private func mixed(isReversed: Bool = false) throws -> Model {
        let paths = [directory.file("a"), directory.file("b")]
        let sources = FilePool()
        var models: [String: Model] = [:]
        for path in isReversed ? paths.reversed() : paths {
            models[path] = try Model(Checkpoint(path: path, sources: sources))
        }
        var model = try #require(models[paths[0]])
        let other = try #require(models[paths[1]])
        #expect(Set(model.checkpoint.fileIDs).isDisjoint(with: other.checkpoint.fileIDs))
        for entry in model.graph.entries where entry.slot.layer == SmallModel.layerCount - 1 {
            model.graph[entry.slot] = other.graph[entry.slot]
        }
        return model
    }

    private func write() {
        first.write(to: directory, "a", shards: 2)
        second.write(to: directory, "b", shards: 3)
    }

    private func plan(_ model: Model) throws -> Plan {
        try Planning(model, ConversionOptions(target: .huggingFace(family: nil)))
            .plan(destination: directory.file("out"))
    }

    private func isOfSecond(_ name: String) -> Bool { name.hasPrefix("model.layers.\(SmallModel.layerCount - 1).") }

    private func expectMixture() throws {
        let written = try Fixtures.contents(Checkpoint(path: directory.file("out")))
        #expect(written.count == first.tensors.count)
        for tensor in first.tensors {
            let origin = isOfSecond(tensor.name) ? second : first
            let expected = try #require(origin.tensors.first { $0.name == tensor.name }).bytes
            #expect(written["\(tensor.name) F32 \(tensor.shape)"] == expected, "\(tensor.name)")
        }
    }

    @Test func bothAreRead() throws {
        write()
        let plan = try plan(mixed())
        let names = plan.sources.map(\.path)
        #expect(names.count { $0.hasPrefix(directory.file("a/")) } >= 2)
        #expect(names.contains { $0.hasPrefix(directory.file("b/")) })
        _ = try Conversion(plan, to: directory.file("out")).run()
        try expectMixture()
    }

    /// A plan numbers its files by itself.
    @Test func samePlanWhateverElseIsOpen() throws {
        write()
        #expect(try plan(mixed()) == plan(mixed(isReversed: true)))
        let alone = try Planning(
            Checkpoint(path: directory.file("a")), ConversionOptions(target: .huggingFace(family: nil))
        ).plan(destination: directory.file("out"))
        let sources = FilePool()
        let others = try Checkpoint(path: directory.file("b"), sources: sources)
        let beside = try Checkpoint(path: directory.file("a"), sources: sources)
        #expect(beside.fileIDs.allSatisfy { $0.index >= others.fileIDs.count })
        #expect(
            try Planning(beside, ConversionOptions(target: .huggingFace(family: nil)))
                .plan(destination: directory.file("out")) == alone)
    }

    /// A file that two checkpoints share has one number, and each has its tensors in its own order.
    @Test func sharedFile() throws {
        let path = first.write(to: directory, "a", shards: 2)
        // Under names by which a file is not known to be one of a set.
        var index = try #require(
            JSON(parsing: FileSource.contents(of: path + "/model.safetensors.index.json"), file: "index").object)
        var map = try #require(index["weight_map"]?.object)
        let shards = Set(map.members.compactMap(\.value.string)).sorted()
        for member in map.members {
            map[member.key] = .string(member.value.string == shards[0] ? "x.safetensors" : "y.safetensors")
        }
        index["weight_map"] = .object(map)
        for (old, new) in zip(shards, ["x.safetensors", "y.safetensors"]) {
            try FileManager.default.moveItem(atPath: path + "/" + old, toPath: path + "/" + new)
        }
        directory.write("a/model.safetensors.index.json", JSON.object(index).serialized())
        let alone = try Checkpoint(path: path)
        let sources = FilePool()
        let last = try Checkpoint(path: path + "/y.safetensors", sources: sources)
        let whole = try Checkpoint(path: path, sources: sources)
        #expect(last.fileIDs.count == 1 && whole.fileIDs.count == 2 && sources.files.count == 2)
        #expect(whole.fileIDs.contains(last.fileIDs[0]))
        #expect(whole.tensors.map(\.name) == alone.tensors.map(\.name))
        #expect(try Fixtures.contents(whole) == Fixtures.contents(alone))
    }

    @Test func changedFileOfTheSecond() throws {
        write()
        let plan = try plan(mixed())
        let file = try #require(plan.sources.last { $0.path.hasPrefix(directory.file("b/")) })
        let bytes = try FileSource.contents(of: file.path)
        directory.remove("b/" + file.name)
        directory.write("b/" + file.name, bytes)
        expectRejection(.inputOutput, "has changed since it was examined", file: file.name) {
            _ = try Conversion(plan, to: directory.file("out")).run()
        }
        #expect(directory.names == ["a", "b"])
    }

    /// What an interrupted run has done is completed by one that has opened the checkpoints in another order.
    @Test func resumed() throws {
        write()
        var conversion = Conversion(try plan(mixed()), to: directory.file("out"))
        conversion.resumes = true
        let count = Mutex(0)
        conversion.isInterrupted = {
            count.withLock {
                $0 += 1
                return $0 > 10
            }
        }
        expectRejection(.interrupted, "--resume completes it") { _ = try conversion.run() }
        var rest = Conversion(try plan(mixed(isReversed: true)), to: directory.file("out"))
        rest.resumes = true
        let left = Mutex(0)
        _ = try rest.run { _ in left.withLock { $0 += 1 } }
        #expect(left.withLock { $0 } == conversion.plan.jobs().count - 10)
        try expectMixture()
    }

    @Test func comparison() throws {
        write()
        let sources = FilePool()
        let a = try Model(Checkpoint(path: directory.file("a"), sources: sources))
        let b = try Model(Checkpoint(path: directory.file("b"), sources: sources))
        #expect(try GraphDifference(a, a).isEqual)
        let difference = try GraphDifference(a, b)
        let apart = try GraphDifference(
            Model(Checkpoint(path: directory.file("a"))), Model(Checkpoint(path: directory.file("b"))))
        #expect(difference.rows == apart.rows)
        #expect(!difference.isEqual)
    }
}
