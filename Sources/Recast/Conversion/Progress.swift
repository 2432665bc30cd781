/// How far long work has come.
public struct Progress: Sendable, Hashable {
    /// Bytes read so far, and in all.
    public var done: Int
    public var total: Int

    public init(done: Int, total: Int) {
        self.done = done
        self.total = total
    }
}
