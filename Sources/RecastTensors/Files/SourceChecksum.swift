/// What a file says of some of its own bytes.
package struct SourceChecksum: Sendable, Hashable, Codable {
    package var file: FileID
    package var bytes: Range<Int>
    /// Their CRC-32. Programs that do not compute it write 0 (`torch.serialization.set_crc32_options`).
    package var value: UInt32

    package init(file: FileID, bytes: Range<Int>, value: UInt32) {
        (self.file, self.bytes, self.value) = (file, bytes, value)
    }

    package func agrees(with bytes: [UInt8]) -> Bool {
        var checksum = CRC32()
        bytes.withUnsafeBytes { checksum.update($0) }
        return value == 0 || checksum.value == value
    }
}
