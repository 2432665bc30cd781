import Recast
import Testing

/// What an error says: one fragment of its text, or several.
protocol Fragments { var fragments: [String] { get } }
extension String: Fragments { var fragments: [String] { isEmpty ? [] : [self] } }
extension [String]: Fragments { var fragments: [String] { self } }

/// Expects an error of malformed input whose text holds all fragments.
///
/// - Parameters:
///   - file: what the error must name.
///   - offset: where in the file the evidence must be said to be; a negative number stands for anywhere.
func expectRejection(
    _ said: some Fragments, file: String? = nil, at offset: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    expectRejection(.malformedInput, said, file: file, at: offset, sourceLocation: sourceLocation, body)
}

func expectRejection(
    _ code: RecastError.Code, _ said: some Fragments, file: String? = nil, at offset: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("accepted; expected: \(said.fragments)", sourceLocation: sourceLocation)
    } catch let error as RecastError {
        let text = error.description
        #expect(error.code == code, "\(text)", sourceLocation: sourceLocation)
        for fragment in said.fragments {
            #expect(text.contains(fragment), "\(fragment) is not in: \(text)", sourceLocation: sourceLocation)
        }
        if let file { #expect(text.contains(file), "\(text)", sourceLocation: sourceLocation) }
        if let offset {
            let place = " at byte " + (offset < 0 ? "" : "\(offset):")
            #expect(text.contains(place), "\(place) is not in: \(text)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}

struct ErrorCodeTests {
    @Test func exitStatuses() {
        let statuses = RecastError.Code.allCases.map(\.exitStatus)
        #expect(statuses == [1, 64, 65, 66, 69, 73, 74, 130])
    }

    @Test func trail() {
        let error = RecastError.malformed("model.gguf", at: 24, "bad").within("converting a.weight")
        #expect(error.description == "converting a.weight: model.gguf at byte 24: bad")
    }
}
