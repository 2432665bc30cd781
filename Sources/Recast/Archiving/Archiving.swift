/// Packs files without loss into one archive. What will be packed is found out when the value is made; nothing is written
/// before it runs.
public struct Archiving: Sendable {
    public let source: String
    public let destination: String
    /// Whether an existing destination is exchanged for the new one.
    public var replaces = false
    /// Whether the archive is unpacked again, in memory, before it appears.
    public var verifies = true
    public var workers = 1
    /// What the run asks its surroundings, for tests to answer.
    var isInterrupted: @Sendable () -> Bool = { Interruption.hasCome }
    var freeBytes: @Sendable (String) -> Int? = POSIX.freeBytes
    /// Called before each frame is written, by its number among all; for tests, which make the write fail.
    var willWrite: @Sendable (Int) throws(RecastError) -> Void = { (_) throws(RecastError) in }
    /// What the user should know: things left out, or not recognised.
    public private(set) var notes: [String]

    /// What is packed is called, and which file stands for it: `ArchiveIndex`.
    let name: String
    let main: String?
    let files: [File]
    let pieces: [Piece]
    /// The room for the header.
    private(set) var reservedByteCount = 0

    struct File: Sendable {
        var name: String
        var source: SourceFile
        /// Among the pieces of all files.
        var pieces: Range<Int>
    }

    /// Bytes of a file that are packed together: a tensor, or what lies between tensors.
    struct Piece: Sendable {
        /// The index of the file.
        var file: Int
        var bytes: Range<Int>
        /// Its name in the archive; nil for padding, which is not stored.
        var entry: String?
        var planes: Planes
        var profile: Compressor.Profile
        var dtype: DType?
        var shape: [Int]?

        var byteCount: Int { bytes.count }
        var frameByteCount: Int { profile == .text ? 1 << 20 : planes.width * Self.elementsPerFrame }
        var frameCount: Int { entry == nil ? 0 : byteCount.dividedRoundingUp(by: frameByteCount) }

        static let elementsPerFrame = 256 << 10
    }

    /// Looks at what is to be packed: a directory with all that is in it, a file, a file of a set with the others, or what
    /// another archive holds.
    ///
    /// - Throws: `inputMissing` where there is no tensor in it, `malformedInput` for a file that is named and damaged.
    public init(_ source: String, to destination: String) throws(RecastError) {
        self.source = source
        self.destination = Path.trimmed(destination)
        let selection = try ArchiveSelection(source)
        (name, main, notes) = (selection.name, selection.main, selection.notes)
        var cut = ArchivePieces()
        for name in selection.names {
            if let problem = ArchiveIndex.problem(withName: name) {
                throw RecastError(.unsupported, "cannot be packed: its name \(problem)", trail: [name])
            }
            try cut.add(name, selection.folder.source(of: name))
        }
        guard cut.holdsTensors else {
            throw RecastError(.inputMissing, "holds no checkpoint: no safetensors and no GGUF file", trail: [source])
        }
        files = cut.files
        pieces = cut.pieces
        notes += cut.notes
        reservedByteCount = headerByteCount
        guard reservedByteCount <= SafetensorsFile.maximumHeaderLength else {
            throw .unsupported("\(pieces.count) tensors and pieces do not fit into the header of an archive")
        }
    }

    /// What a finished run did.
    public struct Report: Sendable, Hashable {
        public var fileCount: Int
        /// The size of all files.
        public var originalByteCount: Int
        /// The size of the archive.
        public var byteCount: Int
        public var tensorCount: Int
        /// Tensors that gained too little, and are stored as they are.
        public var rawTensorCount: Int
        /// What the user should know of this run.
        public var notes: [String] = []
        /// What the user should do something about.
        public var warnings: [String] = []
    }

    public var originalByteCount: Int { files.reduce(0) { $0 + $1.source.byteCount } }
}
