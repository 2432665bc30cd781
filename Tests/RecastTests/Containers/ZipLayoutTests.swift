import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Zips that are laid out before their members are known, held against the reader and the format.
struct ZipLayoutTests {
    /// The zip's bytes, with zeros where members are to come.
    private func bytes(of zip: ZipLayout) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: zip.byteCount)
        for literal in zip.literals {
            bytes.replaceSubrange(literal.offset..<literal.offset + literal.bytes.count, with: literal.bytes)
        }
        return bytes
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func members(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var zip = ZipLayout()
        var contents: [String: [UInt8]] = [:]
        var places: [(offset: Int, bytes: [UInt8])] = []
        for index in 0..<Int.random(in: 1...40, using: &random) {
            let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let name = "folder/\(index)" + String(repeating: "x", count: Int.random(in: 1...90, using: &random))
            contents[name] = bytes
            if Bool.random(using: &random) {
                zip.add(name, bytes)
            } else {
                places.append((zip.add(name, byteCount: bytes.count), bytes))
            }
        }
        zip.finish()
        var whole = bytes(of: zip)
        for (offset, bytes) in places { whole.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
        // What the executor does.
        for checksum in zip.checksums {
            var value = CRC32()
            whole[checksum.range].withUnsafeBytes { value.update($0, with: nil) }
            for place in checksum.places {
                var bytes: [UInt8] = []
                bytes.append(littleEndian: value.value)
                whole.replaceSubrange(place..<place + 4, with: bytes)
            }
        }
        let directory = TemporaryDirectory()
        let directoryOfZip = try ZipDirectory(FileSource(path: directory.write("a.zip", whole)))
        #expect(directoryOfZip.members.count == contents.count)
        for member in directoryOfZip.members {
            #expect(Array(whole[member.offset..<member.end]) == contents[member.name])
            #expect(member.offset.isMultiple(of: 64))
            // In the local header, which stands in front of the name, and in the directory alike.
            var value = CRC32()
            whole[member.offset..<member.end].withUnsafeBytes { value.update($0, with: nil) }
            let name = Array(member.name.utf8)
            let found = whole.indices.filter { whole[$0...].starts(with: name) }
            #expect(found.count == 2)
            let checksums = [found[0] - 30 + 14, found[1] - 46 + 16].map { place in
                whole.withUnsafeBytes { $0.integer(at: place, as: UInt32.self) }
            }
            #expect(checksums == [value.value, value.value])
        }
    }

    /// Members beyond 4 GiB, and many of them: the reader finds them where they are.
    @Test func large() throws {
        var zip = ZipLayout()
        let first = zip.add("a/0", byteCount: 5 << 30)
        let second = zip.add("a/1", byteCount: 7)
        zip.add("a/data.pkl", [1, 2, 3])
        zip.finish()
        let directory = TemporaryDirectory()
        let path = directory.file("large.zip")
        // A sparse file.
        let sink = try FileSink(creating: path)
        try sink.setSize(zip.byteCount)
        for literal in zip.literals {
            try literal.bytes.withBytes { (bytes) throws(RecastError) in try sink.write(bytes, at: literal.offset) }
        }
        let found = try ZipDirectory(FileSource(path: path)).members
        #expect(found.map(\.offset) == [first, second, found[2].offset])
        #expect(found.map(\.byteCount) == [5 << 30, 7, 3])
        #expect(try FileSource(path: path).bytes(found[2].offset..<found[2].end) == [1, 2, 3])
    }

    @Test func manyMembers() throws {
        var zip = ZipLayout()
        for index in 0..<70_000 { zip.add("a/\(index)", []) }
        zip.finish()
        let directory = TemporaryDirectory()
        let members = try ZipDirectory(FileSource(path: directory.write("many.zip", bytes(of: zip)))).members
        #expect(members.count == 70_000)
        #expect(members.last?.name == "a/69999")
    }
}
