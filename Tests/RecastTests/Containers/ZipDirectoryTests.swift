import TestSupport
import Testing

@testable import Recast

/// Zips whose directory lies are refused; those of torch are read in place.
struct ZipDirectoryTests {
    private let directory = TemporaryDirectory()
    private static let contents: [(String, [UInt8])] = [
        ("a/data.pkl", Array(0..<50)), ("a/data/0", Array(repeating: 7, count: 300)), ("a/version", [51, 10]),
        ("a/empty", []),
    ]

    private func zip(_ builder: ZipBuilder) throws -> (zip: ZipDirectory, source: FileSource) {
        let source = try FileSource(path: directory.write("x.pt", builder.bytes))
        return (try ZipDirectory(source), source)
    }

    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
    func membersAreFound(isWide: Bool, hasWideMembers: Bool) throws {
        var builder = ZipBuilder(Self.contents)
        builder.isWide = isWide
        builder.comment = isWide ? [] : Array("PK\u{5}\u{6} is not the end".utf8)
        for index in builder.members.indices { builder.members[index].isWide = hasWideMembers }
        let (zip, source) = try zip(builder)
        #expect(zip.members.map(\.name) == Self.contents.map(\.0))
        for (name, bytes) in Self.contents {
            let member = try #require(zip[name])
            #expect(try source.bytes(member.offset..<member.end) == bytes)
        }
        #expect(try zip["a/none"] == nil && ZipDirectory.recognizes(source))
    }

    /// A zip in the middle of a file: its offsets count from its own beginning.
    @Test func zipsInFiles() throws {
        let bytes = ZipBuilder(Self.contents).bytes
        let source = try FileSource(path: directory.write("x", [1, 2, 3] + bytes + [4]))
        let zip = try ZipDirectory(source, in: 3..<3 + bytes.count)
        let member = try #require(zip["a/data/0"])
        #expect(try source.bytes(member.offset..<member.end) == Array(repeating: 7, count: 300))
        expectRejection("cut short") { _ = try ZipDirectory(source, in: 3..<2 + bytes.count) }
    }

    struct Lie: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var code = RecastError.Code.malformedInput
        var change: @Sendable (inout ZipBuilder) -> Void

        init(
            _ said: String, _ code: RecastError.Code = .malformedInput,
            _ change: @escaping @Sendable (inout ZipBuilder) -> Void
        ) {
            (testDescription, self.code, self.change) = (said, code, change)
        }
    }

    static let lies: [Lie] = [
        Lie("goes beyond the data") { $0.members[1].size = 1 << 20 },
        Lie("goes beyond the data") {
            $0.members[1].isWide = true
            $0.members[1].size = .max
        },
        Lie("lies outside the file") { $0.members[1].offset = 1 << 20 },
        Lie("lies outside the file") {
            $0.members[1].isWide = true
            $0.members[1].offset = -1
        },
        Lie("does not begin here") { $0.members[1].offset = 1 },
        Lie("overlaps") { $0.members[1].offset = 0 },
        Lie("two members are named a/data/0") { $0.members[2].name = "a/data/0" },
        Lie("is compressed", .unsupported) { $0.members[0].method = 8 },
        Lie("is compressed", .unsupported) { $0.members[0].packedSize = 10 },
        Lie("is encrypted", .unsupported) { $0.members[0].flags = 1 },
        Lie("members in a directory of") { $0.count = 5000 },
        Lie("members in a directory of") { $0.count = 5 },
        Lie("more than its 3 members") { $0.count = 3 },
        Lie("lies outside the file") { $0.directoryOffset = 1 << 30 },
        Lie("lies outside the file") { $0.directorySize = 1 << 30 },
        Lie("lies outside the file") {
            $0.isWide = true
            $0.directoryOffset = .max
        },
        Lie("is no member of a zip's directory") { $0.directoryOffset = 0 },
        Lie("members in a directory") {
            $0.isWide = true
            $0.count = .max
        },
        Lie("sizes that are too large") {
            $0.isWide = true
            $0.directorySize = -1
        },
    ]

    @Test(arguments: lies) func lying(_ lie: Lie) {
        var builder = ZipBuilder(Self.contents)
        lie.change(&builder)
        expectRejection(lie.code, lie.testDescription, file: "x.pt") { _ = try zip(builder) }
    }

    /// Cut short anywhere, changed anywhere: read or refused.
    @Test func mutations() throws {
        var wide = ZipBuilder(Self.contents)
        wide.isWide = true
        for original in [ZipBuilder(Self.contents).bytes, wide.bytes] {
            var refused = 0
            for count in 0..<original.count {
                let source = try FileSource(path: directory.write("y", Array(original.prefix(count))))
                do { _ = try ZipDirectory(source) } catch { refused += 1 }
            }
            #expect(refused == original.count)
            var random = SeededGenerator(seed: 8)
            for _ in 0..<2000 {
                var bytes = original
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = [0, 1, 0x7F, 0x80, 0xFF]
                        .randomElement(using: &random)!
                }
                let source = try FileSource(path: directory.write("y", bytes))
                guard let zip = try? ZipDirectory(source) else { continue }
                for member in zip.members { #expect(member.offset >= 0 && member.end <= bytes.count) }
            }
        }
    }
}
