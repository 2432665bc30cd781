#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Memory for float32 numbers, aligned for vector loads, undefined at first.
///
/// Large ones are pages of their own, which go back to the system at once: in a heap they leave gaps that nothing of another size fits
/// into, and long runs grew by megabytes with each layer.
final class FloatBuffer: @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
    let count: Int
    private let isMapped: Bool

    /// Bytes from which pages are worth their faults.
    private static let mapped = 1 << 20

    init(count: Int) {
        self.count = count
        let byteCount = max(1, count) * 4
        var raw: UnsafeMutableRawPointer?
        if byteCount >= Self.mapped {
            raw = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
            if raw == MAP_FAILED { raw = nil }
        }
        isMapped = raw != nil
        base = (raw ?? .allocate(byteCount: byteCount, alignment: 64))
            .bindMemory(to: Float.self, capacity: max(1, count))
    }

    deinit {
        if isMapped { munmap(base, max(1, count) * 4) } else { UnsafeMutableRawPointer(base).deallocate() }
    }
}
