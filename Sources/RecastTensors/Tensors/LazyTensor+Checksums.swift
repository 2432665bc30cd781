extension LazyTensor {
    /// The CRC-32 of a tensor's bytes in row-major order.
    package func checksum(using reader: inout Reader) throws(RecastError) -> UInt32 {
        var checksum = CRC32()
        for window in windows(of: 1 << 20) {
            try Interruption.check()
            try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                checksum.update(UnsafeRawBufferPointer(buffer))
            }
        }
        return checksum.value
    }
}

extension [SourceChecksum] {
    /// Those of bytes that any of the tensors reads.
    package func covering(_ tensors: [LazyTensor]) -> [SourceChecksum] {
        guard !isEmpty else { return [] }
        let sorted = sorted { ($0.file.index, $0.bytes.lowerBound) < ($1.file.index, $1.bytes.lowerBound) }
        var wanted: Set<Int> = []
        for tensor in tensors {
            tensor.forEachStored { file, range in
                // The last that begins before the end of the range, and those before it that still reach into it.
                var (low, high) = (0, sorted.count)
                while low < high {
                    let middle = (low + high) / 2
                    let place = (sorted[middle].file.index, sorted[middle].bytes.lowerBound)
                    if place < (file.index, range.upperBound) { low = middle + 1 } else { high = middle }
                }
                var index = low - 1
                while index >= 0, sorted[index].file == file, sorted[index].bytes.upperBound > range.lowerBound {
                    wanted.insert(index)
                    index -= 1
                }
            }
        }
        return wanted.sorted().map { sorted[$0] }
    }
}
