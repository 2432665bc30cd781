import Recast

/// A zip of stored members, byte by byte, so that tests can lie in any field.
package struct ZipBuilder {
    package struct Member {
        package var name: String
        package var bytes: [UInt8]
        /// What the directory says, where it is not the truth.
        package var size: Int?
        package var packedSize: Int?
        package var offset: Int?
        package var method: UInt16 = 0
        package var flags: UInt16 = 8
        /// Whether sizes and offset stand in fields of 64 bits.
        package var isWide = false

        package init(_ name: String, _ bytes: [UInt8]) {
            self.name = name
            self.bytes = bytes
        }
    }

    package var members: [Member] = []
    package var comment: [UInt8] = []
    package var count: Int?
    package var directoryOffset: Int?
    package var directorySize: Int?
    /// Whether the end record is one of zip64.
    package var isWide = false

    package init(_ members: [(String, [UInt8])] = []) { self.members = members.map { Member($0, $1) } }

    package var bytes: [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let start = file.count
            // As torch writes: sizes of zero here, and padding in the extra field.
            file.put(0x0403_4B50 as UInt32)
            file.put(20 as UInt16)
            file.put(member.flags)
            file.put(member.method)
            file.put(0 as UInt32)
            file.put(0 as UInt32)
            file.put(0 as UInt32)
            file.put(0 as UInt32)
            file.put(UInt16(member.name.utf8.count))
            file.put(5 as UInt16)
            file += Array(member.name.utf8) + [0x46, 0x42, 1, 0, 0x5A] + member.bytes

            let size = member.size ?? member.bytes.count
            let packed = member.packedSize ?? size
            let offset = member.offset ?? start
            directory.put(0x0201_4B50 as UInt32)
            directory.put(20 as UInt16)
            directory.put(20 as UInt16)
            directory.put(member.flags)
            directory.put(member.method)
            directory.put(0 as UInt32)
            directory.put(0 as UInt32)
            directory.put(member.isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: packed))
            directory.put(member.isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: size))
            directory.put(UInt16(member.name.utf8.count))
            directory.put(UInt16(member.isWide ? 28 : 0))
            directory.put(0 as UInt16)
            directory.put(0 as UInt16)
            directory.put(0 as UInt16)
            directory.put(0 as UInt32)
            directory.put(member.isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: offset))
            directory += Array(member.name.utf8)
            if member.isWide {
                directory.put(1 as UInt16)
                directory.put(24 as UInt16)
                for number in [size, packed, offset] { directory.put(UInt64(bitPattern: Int64(number))) }
            }
        }
        let start = directoryOffset ?? file.count
        let size = directorySize ?? directory.count
        let count = count ?? members.count
        let end64 = file.count + directory.count
        file += directory
        if isWide {
            file.put(0x0606_4B50 as UInt32)
            file.put(44 as UInt64)
            file.put(45 as UInt16)
            file.put(45 as UInt16)
            file.put(0 as UInt32)
            file.put(0 as UInt32)
            for number in [count, count, size, start] { file.put(UInt64(bitPattern: Int64(number))) }
            file.put(0x0706_4B50 as UInt32)
            file.put(0 as UInt32)
            file.put(UInt64(end64))
            file.put(1 as UInt32)
        }
        file.put(0x0605_4B50 as UInt32)
        file.put(0 as UInt16)
        file.put(0 as UInt16)
        file.put(isWide ? 0xFFFF : UInt16(truncatingIfNeeded: count))
        file.put(isWide ? 0xFFFF : UInt16(truncatingIfNeeded: count))
        file.put(isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: size))
        file.put(isWide ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: start))
        file.put(UInt16(comment.count))
        return file + comment
    }
}
