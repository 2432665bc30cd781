import Recast
import RecastInference

/// A file of texts: one text, or with the ending `.jsonl` a text or a conversation in each line.
struct TextFile {
    /// What is a document by itself.
    struct Document {
        enum Content {
            case text(String)
            case conversation(Conversation)
        }

        var channel: String
        var content: Content
        /// The file, and the line where there are several.
        var place: String
    }

    let path: String
    private let bytes: [UInt8]

    init(path: String) throws(RecastError) {
        self.path = path
        bytes = try FileSource.contents(of: path, limit: 1 << 32)
    }

    var byteCount: Int { bytes.count }

    var checksum: UInt32 {
        var checksum = CRC32()
        bytes.withUnsafeBytes { checksum.update($0) }
        return checksum.value
    }

    var hasLines: Bool { path.lowercased().hasSuffix(".jsonl") }

    /// The documents, of the channels that their lines name, or else of one named `name`.
    ///
    /// - Throws: `malformedInput` with the line for one that is no JSON or has neither a text nor messages.
    func documents(named name: String) throws(RecastError) -> [Document] {
        guard hasLines else {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw RecastError(.malformedInput, "is not UTF-8", trail: [path])
            }
            return [Document(channel: name, content: .text(text), place: path)]
        }
        var documents: [Document] = []
        for (number, line) in bytes.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 32 || $0 == 13 || $0 == 9 }) { continue }
            let place = "\(path): line \(number + 1)"
            let json = try JSON(parsing: Array(line), file: place)
            let channel = json["channel"].map { $0.isNull ? .string(name) : $0 } ?? .string(name)
            guard let channel = channel.string else {
                throw RecastError(.malformedInput, "\"channel\" is no string", trail: [place])
            }
            let content = try step(place) { () throws(RecastError) in try Self.content(of: json) }
            documents.append(Document(channel: channel, content: content, place: place))
        }
        guard !documents.isEmpty else { throw RecastError(.malformedInput, "holds no text", trail: [path]) }
        return documents
    }

    private static func content(of json: JSON) throws(RecastError) -> Document.Content {
        let conversation = try Conversation(json)
        switch (json["text"], conversation) {
        case (let text?, nil):
            guard let text = text.string else { throw RecastError(.malformedInput, "\"text\" is no string") }
            return .text(text)
        case (nil, let conversation?): return .conversation(conversation)
        case (nil, nil): throw RecastError(.malformedInput, "has neither \"text\" nor \"messages\"")
        default: throw RecastError(.malformedInput, "has both \"text\" and messages: which is meant?")
        }
    }
}

/// `name=file`, or a file that is its own name.
struct NamedFile {
    let name: String
    let path: String
    let isNamed: Bool

    init(_ argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        isNamed = parts.count == 2 && !parts[0].contains("/")
        path = isNamed ? parts[1] : argument
        name = isNamed ? parts[0] : Path.name(path)
    }

    private init(name: String, path: String) { (self.name, self.path, isNamed) = (name, path, true) }

    /// Endings of the files that are taken of a directory.
    static let endings = [".txt", ".text", ".md", ".raw", ".jsonl"]

    /// The file itself, or the files with texts in a directory, in the order of their names: each under its own, or all
    /// under the name that the directory was given. What else there is in it comes back as well.
    ///
    /// - Throws: `inputMissing` for a directory without texts.
    func files() throws(RecastError) -> (files: [NamedFile], skipped: [String]) {
        guard let directory = Directory.found(at: path) else { return ([self], []) }
        var (files, skipped): ([NamedFile], [String]) = ([], [])
        for name in try directory.names(in: nil).sorted() where !name.hasPrefix(".") {
            let isText = Self.endings.contains { name.lowercased().hasSuffix($0) }
            if isText, directory.status(of: name)?.isDirectory == false {
                files.append(NamedFile(name: isNamed ? self.name : name, path: Path.join(path, name)))
            } else {
                skipped.append(name)
            }
        }
        guard !files.isEmpty else {
            throw RecastError(
                .inputMissing,
                "is a directory without texts: no name in it ends in \(Self.endings.joined(separator: ", "))",
                trail: [path])
        }
        return (files, skipped)
    }
}
