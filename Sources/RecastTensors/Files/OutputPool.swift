import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file open for writing at known offsets; closed with its last reference.
package final class FileSink: Sendable {
    package let path: String
    private let file: Int32

    /// Opens a file that is there. No link is followed.
    package init(path: String) throws(RecastError) {
        file = try POSIX.open(path, O_RDWR | O_NOFOLLOW)
        self.path = path
    }

    /// Makes a file where nothing is.
    package init(creating path: String, mode: mode_t = 0o666) throws(RecastError) {
        file = try POSIX.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        self.path = path
    }

    deinit { close(file) }

    package func setSize(_ byteCount: Int) throws(RecastError) { try POSIX.setSize(file, byteCount, path: path) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RecastError) {
        try POSIX.write(file, bytes, at: offset, path: path)
    }

    package func writeZeros(_ range: Range<Int>) throws(RecastError) {
        let zeros = [UInt8](repeating: 0, count: min(range.count, 1 << 20))
        for first in stride(from: range.lowerBound, to: range.upperBound, by: 1 << 20) {
            try zeros.withBytes { (bytes) throws(RecastError) in
                let count = min(bytes.count, range.upperBound - first)
                try write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: first)
            }
        }
    }

    /// Reads back what was written.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        try POSIX.read(file, into: buffer, at: offset, path: path)
    }

    package func synchronize() throws(RecastError) { try POSIX.synchronizeData(file, path: path) }

    /// Copies bytes of a source inside the kernel where it can, else through the buffer.
    package func copy(
        from source: any ByteSource, at sourceOffset: Int, to offset: Int, count: Int, scratch: Scratch
    ) throws(RecastError) {
        var done = 0
        if let descriptor = source.descriptor {
            // Not between these file systems, or the source has become shorter: reading tells which.
            done = POSIX.copy(from: descriptor, at: sourceOffset, to: file, at: offset, count: count, path: path)
        }
        while done < count {
            let part = min(count - done, 4 << 20)
            let buffer = scratch.take(part)
            defer { scratch.give(buffer) }
            let bytes = UnsafeMutableRawBufferPointer(rebasing: buffer[..<part])
            try source.read(into: bytes, at: sourceOffset + done)
            try write(UnsafeRawBufferPointer(bytes), at: offset + done)
            done += part
        }
    }
}

/// Opens outputs when they are written to, and keeps the most recently used of them open.
package final class OutputPool: Sendable {
    private let paths: [String]
    private let capacity: Int
    private let open = Mutex<[(index: Int, sink: FileSink)]>([])

    package init(paths: [String], capacity: Int = 128) {
        self.paths = paths
        self.capacity = max(1, capacity)
    }

    package func sink(_ index: Int) throws(RecastError) -> FileSink {
        let held = open.withLock { entries -> FileSink? in
            guard let place = entries.lastIndex(where: { $0.index == index }) else { return nil }
            let entry = entries.remove(at: place)
            entries.append(entry)
            return entry.sink
        }
        if let held { return held }
        let sink = try FileSink(path: paths[index])
        open.withLock { entries in
            entries.append((index, sink))
            if entries.count > capacity { entries.removeFirst() }
        }
        return sink
    }

    /// Makes what has been written last. Files that were closed on the way are opened again.
    package func synchronize(_ indices: Set<Int>) throws(RecastError) {
        for index in indices.sorted() { try sink(index).synchronize() }
    }
}
