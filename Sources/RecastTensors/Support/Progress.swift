/// How far long work has come.
public struct Progress: Sendable, Hashable {
    /// Where in a model a pass is.
    public enum Phase: Sendable, Hashable {
        case embedding
        /// A layer, from 0, of so many.
        case layer(Int, of: Int)
        case head
    }

    /// What is done so far, and all there is to do: bytes read, or the multiplications of a pass.
    public var done: Int
    public var total: Int
    /// Of a pass over a model; nil for other work.
    public var phase: Phase?

    public init(done: Int, total: Int, phase: Phase? = nil) {
        self.done = done
        self.total = total
        self.phase = phase
    }

    /// The part that is done, 0…1.
    public var fraction: Double { total > 0 ? Double(done) / Double(total) : 1 }
}
