import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system calls that may be made to fail.
package enum SystemCall: String, Sendable, CaseIterable {
    case open, status, read, write, copy, truncate, synchronize, lock, makeDirectory, list, rename, link, remove
    /// Renames that only some file systems have: one that replaces nothing, and one that exchanges two names.
    case renameWithFlags
}

/// Faults under ``POSIX``, for tests: each call on a path below some folder is counted, and one of them, or all from one
/// on, fails, does less than it was asked to, or is the last that the process lives to see.
///
/// Nothing is injected outside tests, and a call then costs the look at one number.
final class Faults: Sendable {
    enum Fault: Sendable, Hashable {
        /// The call fails with this error number, and has done nothing.
        case error(Int32)
        /// A read, write or copy does half of what it was asked to.
        case short
        /// The process is killed before the call: from here on no call has any effect, and all fail.
        case death
        /// The process is killed after the call.
        case deathAfter
    }

    private struct State {
        var count = 0
        var isDead = false
    }

    private let folder: String
    private let calls: Set<SystemCall>
    private let number: Int
    private let fault: Fault?
    private let repeats: Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - folder: calls on paths below it are concerned.
    ///   - number: the call that `fault` befalls, counted from 1.
    ///   - repeats: whether it befalls all later ones too.
    package init(
        below folder: String, of calls: [SystemCall] = SystemCall.allCases, at number: Int = 0, _ fault: Fault? = nil,
        repeats: Bool = false
    ) {
        self.folder = folder
        self.calls = Set(calls)
        self.number = number
        self.fault = fault
        self.repeats = repeats
    }

    /// How many calls there have been.
    var count: Int { state.withLock { $0.count } }

    /// Runs `body` with these faults.
    func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        Self.injected.withLock { $0.append(self) }
        Self.injectedCount.add(1, ordering: .relaxed)
        defer {
            Self.injectedCount.subtract(1, ordering: .relaxed)
            Self.injected.withLock { $0.removeAll { $0 === self } }
        }
        return try body()
    }

    // MARK: Under POSIX

    private static let injectedCount = Atomic<Int>(0)
    private static let injected = Mutex<[Faults]>([])

    enum Outcome {
        case proceed
        /// Do no more than half.
        case short
        case fail(Int32)
    }

    @inline(__always)
    static func outcome(_ call: SystemCall, _ path: String) -> Outcome {
        if injectedCount.load(ordering: .relaxed) == 0 { return .proceed }
        return injectedOutcome(call, path)
    }

    private static func injectedOutcome(_ call: SystemCall, _ path: String) -> Outcome {
        for faults in injected.withLock({ $0 }) where path.hasPrefix(faults.folder) {
            let outcome = faults.next(call)
            if case .proceed = outcome { continue }
            return outcome
        }
        return .proceed
    }

    private func next(_ call: SystemCall) -> Outcome {
        guard calls.contains(call) else { return state.withLock { $0.isDead ? .fail(EIO) : .proceed } }
        return state.withLock { state in
            if state.isDead { return .fail(EIO) }
            state.count += 1
            guard let fault, state.count == number || repeats && state.count > number else { return .proceed }
            switch fault {
            case .error(let number): return .fail(number)
            case .short: return .short
            case .death:
                state.isDead = true
                return .fail(EIO)
            case .deathAfter:
                state.isDead = true
                return .proceed
            }
        }
    }
}
