/// The one error of the library: what went wrong, where, and on the way to what.
public struct RecastError: Error, Sendable, Equatable {
    /// The kind of failure; decides the exit status of the command.
    public enum Code: String, Sendable, Codable, CaseIterable {
        case comparisonFailed
        case usage
        case malformedInput
        case inputMissing
        case unsupported
        case destinationExists
        case inputOutput
        case interrupted

        /// The exit status, in the numbering of `sysexits.h` where that has a fitting one.
        public var exitStatus: Int32 {
            switch self {
            case .comparisonFailed: 1
            case .usage: 64
            case .malformedInput: 65
            case .inputMissing: 66
            case .unsupported: 69
            case .destinationExists: 73
            case .inputOutput: 74
            case .interrupted: 130
            }
        }
    }

    public var code: Code
    public var message: String
    /// What was being done, outermost first: `["converting blk.3.attn_q.weight", "model-00002-of-00004.safetensors"]`.
    public var trail: [String]
    /// What belongs on lines of its own below the message: each of several reasons, or what helps. They are apart from the
    /// message so that whoever shows them can tell a line break of ours from one in a name.
    public var details: [String]

    public init(_ code: Code, _ message: String, details: [String] = [], trail: [String] = []) {
        self.code = code
        self.message = message
        self.details = details
        self.trail = trail
    }

    /// The same error with one more outer step in its trail.
    public func within(_ step: String) -> RecastError {
        var error = self
        error.trail.insert(step, at: 0)
        return error
    }
}

extension RecastError: CustomStringConvertible {
    public var description: String { ([headline] + details).joined(separator: "\n  ") }

    /// What there is to say without the details.
    public var headline: String { (trail + [message]).joined(separator: ": ") }

    /// The description in a line.
    public var summary: String { details.isEmpty ? headline : headline + " " + details.joined(separator: "; ") }
}

extension RecastError {
    /// Bytes that are not what their format says, with the file and the byte offset of the evidence.
    public static func malformed(
        _ file: String, at offset: Int? = nil, _ message: String, details: [String] = []
    ) -> RecastError {
        let place = offset.map { "\(file) at byte \($0)" } ?? file
        return RecastError(.malformedInput, message, details: details, trail: [place])
    }

    public static func unsupported(_ message: String, details: [String] = []) -> RecastError {
        RecastError(.unsupported, message, details: details)
    }

    public static func usage(_ message: String) -> RecastError { RecastError(.usage, message) }
}

/// Runs `body`, naming the step it belongs to in any error that comes out of it.
@inlinable
package func step<Result>(
    _ name: @autoclosure () -> String, _ body: () throws(RecastError) -> Result
) throws(RecastError) -> Result {
    do {
        return try body()
    } catch {
        throw error.within(name())
    }
}
