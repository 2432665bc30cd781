/// Memory for float32 numbers, aligned for vector loads, undefined at first.
final class FloatBuffer: @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
    let count: Int

    init(count: Int) {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(1, count) * 4, alignment: 64)
        base = raw.bindMemory(to: Float.self, capacity: max(1, count))
        self.count = count
    }

    deinit { UnsafeMutableRawPointer(base).deallocate() }
}
