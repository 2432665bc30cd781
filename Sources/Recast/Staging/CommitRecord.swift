/// Which names are about to change hands: written, and made last, before the first of them does, so that a run that is
/// killed half way is finished by the next.
///
/// Files are told by their inodes, so that the record is true whichever of the renames have been done.
struct CommitRecord: Sendable, Hashable {
    static let name = "commit"

    struct Entry: Sendable, Hashable {
        /// The name beside the destination; that in `new/`, and in `old/`, is the same.
        var name: String
        var new: FileIdentity
        /// What has the name before; nil where nothing has.
        var old: FileIdentity?
    }

    /// The file that a reader opens comes first: it goes first, and comes last.
    var entries: [Entry]

    private static let title = "recast commit 1"

    var lines: [String] {
        [Self.title]
            + entries.map { entry in
                let old = entry.old.map { "\($0.device) \($0.inode)" } ?? "- -"
                return "\(entry.new.device) \(entry.new.inode) \(old) \(entry.name)"
            } + ["end \(entries.count)"]
    }

    init(_ entries: [Entry]) { self.entries = entries }

    /// nil where the lines are no whole record.
    init?(lines: [String]) {
        guard lines.count > 2, lines[0] == Self.title, lines[lines.count - 1] == "end \(lines.count - 2)" else {
            return nil
        }
        entries = []
        for line in lines[1..<lines.count - 1] {
            let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
            guard words.count == 5, let new = FileIdentity(words[0], words[1]) else { return nil }
            let old = FileIdentity(words[2], words[3])
            let name = String(words[4])
            guard old != nil || words[2] == "-", !name.isEmpty, name != "..", name != ".", !name.utf8.contains(0x2F)
            else {
                return nil
            }
            entries.append(Entry(name: name, new: new, old: old))
        }
    }
}

extension FileIdentity {
    init?(_ device: Substring, _ inode: Substring) {
        guard let device = UInt64(device), let inode = UInt64(inode) else { return nil }
        self.init(device: device, inode: inode)
    }
}
