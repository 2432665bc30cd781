import Foundation

/// Says that it is over after so many questions.
final class Counter: @unchecked Sendable {
    private var left: Int
    private let lock = NSLock()

    init(limit: Int) { left = limit }

    var isOver: Bool {
        lock.withLock {
            if left > 0, left != .max { left -= 1 }
            return left <= 0
        }
    }

    func end() { lock.withLock { left = 0 } }
}
