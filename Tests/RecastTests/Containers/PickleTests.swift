import TestSupport
import Testing

@testable import Recast

/// Pickles are read as data; what only running them would tell stays a name.
struct PickleTests {
    private func read(_ bytes: [UInt8]) throws -> Pickle {
        try bytes.withBytes { (bytes) throws(RecastError) in try PickleMachine.read(bytes, file: "data.pkl", base: 100)
        }
    }

    private func read(_ build: (inout PickleBuilder) -> Void) throws -> Pickle {
        var builder = PickleBuilder()
        build(&builder)
        return try read(builder.finished)
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    // MARK: Values

    @Test func numbersAndTexts() throws {
        // pickletools.dis of pickle.dumps([...], 2)
        let pickle = try read { $0.value([0, -1, 255, 70000, Int.max, Int.min, 1.5, "ü", true, false, nil] as [Any?]) }
        let values = try #require(pickle.elements(pickle.root))
        #expect(values.prefix(6).map { pickle.int($0) } == [0, -1, 255, 70000, .max, .min])
        #expect(pickle.double(values[6]) == 1.5 && pickle.string(values[7]) == "ü")
        #expect(values[8...] == [.bool(true), .bool(false), .none])
        #expect(try read([0x80, 2, 0x8A, 1, 0x80, 0x2E]).root == .int(-128))
        #expect(try read([0x80, 2, 0x8A, 0, 0x2E]).root == .int(0))
        #expect(
            try read([0x80, 2, 0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2E]).root == .bigInt([0, 0, 0, 0, 0, 0, 0, 0, 1]))
        #expect(try read([0x80, 4, 0x95, 3, 0, 0, 0, 0, 0, 0, 0, 0x8C, 1, 0x61, 0x2E]).root == .string("a"))
    }

    /// One list in two places of a tuple, filled after both were made.
    @Test func sharedContainers() throws {
        let pickle = try read([0x80, 2] + bytes("]q\u{0}h\u{0}K\u{5}a") + [0x86, 0x2E])
        let both = try #require(pickle.tuple(pickle.root))
        #expect(both[0] == both[1] && pickle.elements(both[0]) == [.int(5)])
    }

    /// What the class would do is not done.
    @Test func classesAreNames() throws {
        let pickle = try read { pickle in
            pickle.global("os", "system")
            pickle.value(["rm -rf /"] as [Any?])
            pickle.ascii("R")
        }
        let object = try #require(pickle.object(pickle.root))
        #expect(pickle.typeName(pickle.root) == "os.system" && object.state == nil)
        #expect(pickle.tuple(object.arguments) == [.string("rm -rf /")])
        // A namespace: NEWOBJ and BUILD.
        let namespace = try read { pickle in
            pickle.global("argparse", "Namespace")
            pickle.ascii(")")
            pickle.code(0x81)
            pickle.dictionary { pickle in
                pickle.value("hidden_size")
                pickle.value(64)
            }
            pickle.ascii("b")
        }
        #expect(namespace.int(namespace.attribute(namespace.root, "hidden_size")) == 64)
        // A subclass of a dictionary.
        let ordered = try read { pickle in
            pickle.global("collections", "OrderedDict")
            pickle.ascii(")R(")
            pickle.value("a")
            pickle.value(1)
            pickle.ascii("u")
        }
        #expect(ordered.int(ordered.value(ordered.root, "a")) == 1)
    }

    // MARK: Hostile ones

    static let hostile: [(String, [UInt8])] = [
        ("ends too early", []), ("ends too early", [0x80]), ("ends too early", [0x80, 2]),
        ("pickle protocol 9", [0x80, 9, 0x2E]),
        ("leaves 0 values", [0x80, 2, 0x2E]), ("leaves 2 values", [0x80, 2, 0x4E, 0x4E, 0x2E]),
        ("the stack is empty", [0x80, 2, 0x61]), ("of what is none", [0x80, 2, 0x4E, 0x4E, 0x61, 0x2E]),
        ("there is no mark", [0x80, 2, 0x65]), ("the stack is empty", [0x80, 2, 0x28, 0x52]),
        // A mark hides what is below it.
        ("the stack is empty", [0x80, 2, 0x4E, 0x28, 0x30, 0x30, 0x30, 0x2E]),
        ("a key without a value", [0x80, 2, 0x7D, 0x28, 0x4E, 0x75, 0x2E]),
        ("entry 7 of the memo", [0x80, 2, 0x68, 7, 0x2E]),
        ("entry 4294967295 of the memo", [0x80, 2, 0x6A, 0xFF, 0xFF, 0xFF, 0xFF, 0x2E]),
        ("ends too early", [0x80, 2, 0x58, 0xFF, 0xFF, 0xFF, 0xFF, 0x61]),
        ("a length that is too large", [0x80, 4, 0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("a length that is too large", [0x80, 2, 0x8B, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("not UTF-8", [0x80, 2, 0x58, 1, 0, 0, 0, 0xFF, 0x2E]),
        ("an object of what is no class", [0x80, 2, 0x4E, 0x29, 0x52, 0x2E]),
        ("a class whose name is no string", [0x80, 4, 0x4E, 0x4E, 0x93, 0x2E]),
        ("an extension code", [0x80, 2, 0x82, 1, 0x2E]), ("lies outside the pickle", [0x80, 5, 0x97, 0x2E]),
        ("the opcode 0x50 is none", [0x80, 2, 0x50, 0x2E]), ("the opcode 0xff is none", [0x80, 2, 0xFF, 0x2E]),
        // l = []; l.append(l)
        ("holds itself", [0x80, 2, 0x5D, 0x71, 0, 0x68, 0, 0x61, 0x2E]),
        // Two lists in each other.
        ("holds itself", [0x80, 2, 0x5D, 0x71, 0, 0x5D, 0x71, 1, 0x68, 0, 0x61, 0x61, 0x2E]),
        (
            "nested more than 200 deep",
            [0x80, 2] + Array(repeating: 0x5D, count: 300) + Array(repeating: 0x61, count: 299) + [0x2E]
        ),
    ]

    @Test(arguments: hostile) func hostilePickles(_ said: String, _ bytes: [UInt8]) {
        expectRejection(said, file: "data.pkl") { _ = try read(bytes) }
    }

    /// Each list holds the one before twice: a value of 2^100 parts is not walked through.
    @Test func doubling() throws {
        var bytes: [UInt8] = [0x80, 2, 0x5D]
        for index in 0..<100 { bytes += [0x71, UInt8(index), 0x68, UInt8(index), 0x86] }
        let pickle = try read(bytes + [0x2E])
        #expect(pickle.tuple(pickle.root)?.count == 2 && pickle.nodes.count == 101)
    }

    /// A memo of four billion entries is an index, not an array.
    @Test func farMemo() throws {
        let pickle = try read([
            0x80, 2, 0x4B, 3, 0x72, 0xFF, 0xFF, 0xFF, 0xFF, 0x6A, 0xFF, 0xFF, 0xFF, 0xFF, 0x86, 0x2E,
        ])
        #expect(pickle.tuple(pickle.root) == [.int(3), .int(3)])
    }

    @Test func mutations() throws {
        var builder = PickleBuilder()
        builder.dictionary { pickle in
            pickle.value("a")
            pickle.tensor("FloatStorage", key: "0", count: 12, shape: [3, 4], strides: [4, 1])
            pickle.value("b")
            pickle.value(["x", 1, nil, ["y", 2.5] as [Any?]] as [Any?])
        }
        let original = builder.finished
        var random = SeededGenerator(seed: 2)
        var refusedCount = 0
        for _ in 0..<20_000 {
            do { _ = try read(original.damaged(&random)) } catch is RecastError { refusedCount += 1 }
        }
        #expect(refusedCount > 10_000)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = try? read([0x80, 2] + bytes)
        }
    }
}
