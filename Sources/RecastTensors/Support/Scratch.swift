/// Buffers that are used again, so that reading does not allocate.
package final class Scratch {
    private var free: [UnsafeMutableRawBufferPointer] = []
    /// The bytes that readers hold of it now, and held at most.
    var lentByteCount = 0 {
        didSet { peakByteCount = max(peakByteCount, lentByteCount) }
    }
    private(set) var peakByteCount = 0

    package init() {}
    deinit { free.forEach { $0.deallocate() } }

    /// A buffer of at least `byteCount` bytes, cut to that size, with undefined content.
    package func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let fitting = free.indices.filter { free[$0].count >= byteCount }.min { free[$0].count < free[$1].count }
        if let fitting { return free.remove(at: fitting) }
        if let smaller = free.popLast() { smaller.deallocate() }
        return .allocate(byteCount: byteCount.aligned(to: 4096), alignment: 64)
    }

    package func give(_ buffer: UnsafeMutableRawBufferPointer) { free.append(buffer) }
}
