import Foundation
import Testing

/// Which folder of the library uses the types of which: only those before it (Specs/design.md, Rooms).
struct RoomsTests {
    /// From the ground up.
    static let order = [
        "Support", "Files", "Encodings", "Tensors", "Graph", "Output", "Containers", "Dialects", "Vocabulary",
        "Quantizers",
        "Opening", "Planning", "Staging", "Execution", "Archiving", "Reports",
    ]

    @Test func roomsLookDownOnly() throws {
        let house = try House(Self.modules)
        #expect(Set(house.files.map(\.room)) == Set(Self.order))
        var upward: [String] = []
        for use in house.uses where Self.order.firstIndex(of: use.of)! > Self.order.firstIndex(of: use.by)! {
            upward.append("\(use.by)/\(use.file) uses \(use.type) of \(use.of)")
        }
        #expect(upward.isEmpty, "\(upward.sorted().joined(separator: "\n"))")
        // Rooms that nobody looks into are found by a search that finds nothing.
        #expect(Set(house.uses.map { "\($0.by) \($0.of)" }).count > 50)
    }

    /// A use that should be found is.
    @Test func usesAreFound() throws {
        let house = House([
            .init(room: "A", name: "One.swift", text: "public struct One { let text = \"Two\" /* Two */ } // Two"),
            .init(room: "B", name: "Two.swift", text: "final class Two {}\nextension One { enum Three {} }"),
            .init(
                room: "C", name: "Four.swift",
                text: "func f(_ x: [Two]) -> String { \"\\(One().text)\" }\nprivate struct Three {}"),
        ])
        #expect(house.uses.map { "\($0.by) \($0.of) \($0.type)" }.sorted() == ["B A One", "C A One", "C B Two"])
    }

    /// The matrix of rooms, for Specs/design.md; set `RECAST_WRITE_TABLES` to see it.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["RECAST_WRITE_TABLES"] != nil))
    func matrix() throws {
        let uses = try House(Self.modules).uses
        for room in Self.order {
            let counts = Self.order.map { other in
                Set(uses.filter { $0.by == room && $0.of == other }.map(\.type)).count
            }
            print(room, counts.map { $0 == 0 ? "." : "\($0)" }.joined(separator: " "), separator: "\t")
        }
    }

    /// The rooms of both modules: the walls between these are the compiler's, those between rooms are not.
    private static let modules = ["RecastTensors", "Recast"].map {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/\($0)").standardized
    }
}

/// Swift files by room, and the types that they declare and use.
private struct House {
    struct File {
        var room: String
        var name: String
        var text: String
    }

    struct Use: Hashable {
        var by: String
        var of: String
        var type: String
        var file: String
    }

    var files: [File]
    var uses: Set<Use> = []

    /// - Parameter roots: folders of rooms.
    init(_ roots: [URL]) throws {
        self.init(
            try roots.flatMap { root in
                let paths = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
                return try paths.filter { $0.hasSuffix(".swift") && $0.contains("/") }.map { path in
                    File(
                        room: String(path.prefix { $0 != "/" }), name: String(path.split(separator: "/").last!),
                        text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
                }
            })
    }

    init(_ files: [File]) {
        self.files = files
        var rooms: [String: Set<String>] = [:]
        var ownNames: [String: Set<String>] = [:]
        let texts = files.map { Self.code(of: $0.text) }
        for (file, text) in zip(files, texts) {
            for match in text.matches(of: Self.declaration) {
                let isOfRoom = match.1.isEmpty && !match.2.contains("private")
                if isOfRoom {
                    rooms[String(match.3), default: []].insert(file.room)
                } else {
                    ownNames[file.room, default: []].insert(String(match.3))
                }
            }
        }
        for (file, text) in zip(files, texts) {
            for match in text.matches(of: Self.word) {
                let name = String(match.1)
                // A name of several rooms tells nothing, nor does one that a type of the room itself has inside.
                guard let homes = rooms[name], homes.count == 1, let home = homes.first, home != file.room,
                    ownNames[file.room]?.contains(name) != true
                else { continue }
                uses.insert(Use(by: file.room, of: home, type: name, file: file.name))
            }
        }
    }

    private nonisolated(unsafe) static let declaration =
        #/(?m)^([ \t]*)((?:\w+(?:\(set\))? )*?)(?:struct|enum|class|protocol|typealias|actor) ([A-Z]\w*)/#
    private nonisolated(unsafe) static let word = #/(?:^|[^\w.])([A-Z]\w+)/#

    /// Without comments and texts, but for what these interpolate.
    private static func code(of text: String) -> String {
        text.replacing(#/(?s)\/\*.*?\*\//#, with: "")
            .replacing(#/\/\/[^\n]*/#, with: "")
            .replacing(#/(?s)""".*?"""/#, with: "")
            .replacing(#/"(?:\\.|[^"\\\n])*"/#) { literal in
                literal.output.matches(of: #/\\\(([^)]*)\)/#).map { String($0.1) }.joined(separator: " ")
            }
    }
}
