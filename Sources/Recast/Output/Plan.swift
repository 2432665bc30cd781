/// All that a conversion will do, before any of it is done: a value that can be shown, stored and compared.
public struct Plan: Sendable, Hashable, Codable {
    /// The files that recipes refer to by number.
    package var sources: [SourceFile]
    /// What the sources say of their own bytes, as far as they are read: the conversion looks whether it is true.
    package var checksums: [SourceChecksum] = []
    /// How the destination stands in the file system.
    public var form: Form
    public var outputs: [OutputFile] = []
    public var transfers: [Transfer] = []
    /// What data was looked at to make the plan, and what it said.
    public var evidence: [Evidence] = []
    /// What the user should know: defaults taken, things left out.
    public var notes: [String] = []
    /// What the user should do something about.
    public var warnings: [String] = []
    /// What is written, for people: `Hugging Face safetensors`, `llama layout`; empty where nothing was converted.
    public var format = ""
    public var layout = ""
    /// What the target computes otherwise than the source, where that was allowed.
    public var inexactness: [String] = []
    /// The model that is read of the destination; nil where none is.
    var expectedModel: ExpectedModel?

    public enum Form: String, Sendable, Hashable, Codable {
        /// One file; its name is the destination's.
        case file
        /// A directory that holds the outputs.
        case directory
        /// Several files beside each other, named after the destination.
        case fileSet
    }

    package init(sources: [SourceFile], form: Form) {
        self.sources = sources
        self.form = form
    }

    /// The exact size of the destination.
    public var byteCount: Int { outputs.reduce(0) { $0 + $1.byteCount } }

    /// The bytes of all tensors.
    public var tensorByteCount: Int { transfers.reduce(0) { $0 + ($1.isTensor ? $1.byteCount : 0) } }

    /// The numbers of all tensors.
    public var elementCount: Int { transfers.reduce(0) { $0 + ($1.isTensor ? $1.source.elementCount : 0) } }

    /// Of all tensors together.
    public var bitsPerWeight: Double { 8 * Double(tensorByteCount) / Double(max(1, elementCount)) }

    /// The least exact of all transfers, or worse where the target computes something else with the same numbers.
    public var exactness: Exactness {
        inexactness.isEmpty ? transfers.map(\.exactness).max() ?? .bit : .inexact
    }
}

/// A file to be written.
public struct OutputFile: Sendable, Hashable, Codable {
    /// Its name in the destination directory.
    public var name: String
    public var byteCount: Int
    /// Bytes known beforehand: headers, configurations. All else is zero until a transfer fills it.
    public var literals: [Literal]
    /// Checksums of bytes that are known only once they are written.
    public var checksums: [Checksum] = []

    /// A CRC-32 of some of the file's bytes, and where in the file it is to stand.
    public struct Checksum: Sendable, Hashable, Codable {
        public var range: Range<Int>
        public var places: [Int]
    }

    public struct Literal: Sendable, Hashable, Codable {
        public var offset: Int
        public var bytes: [UInt8]

        public init(offset: Int, bytes: [UInt8]) {
            self.offset = offset
            self.bytes = bytes
        }
    }

    public init(name: String, byteCount: Int, literals: [Literal] = []) {
        self.name = name
        self.byteCount = byteCount
        self.literals = literals
    }

    /// A small file whose bytes are known.
    public init(name: String, bytes: [UInt8]) {
        self.init(name: name, byteCount: bytes.count, literals: [Literal(offset: 0, bytes: bytes)])
    }
}

/// One weight on its way: read once, encoded once, and written to every place that wants a part of it.
public struct Transfer: Sendable, Hashable, Codable {
    /// The tensor's name at the destination, for messages.
    public var name: String
    /// The places in the graph that it holds; none for a file that is copied, or of an architecture that is not known.
    var slots: [Slot] = []
    package var source: LazyTensor
    package var encoding: Encoding
    /// What an error in each column weighs: float32, one row, or one for each matrix.
    package var importance: LazyTensor?
    /// How the scales of a packed encoding are found.
    public var method = QuantizationMethod.round
    /// How codes move where they are not computed anew.
    package var repacking: Repacking?
    public var targets: [Target]
    public var exactness: Exactness
    /// Why it is encoded so, for people; nil where that goes without saying.
    public var remark: String?
    /// The method by which its codes were chosen beforehand; nil where they are computed, or are those of the source.
    public var calibration: String?
    /// Where it is stored inside a larger tensor.
    private(set) var stack: StackPlace?
    /// Whether this is a tensor, and not bytes of a file that is carried along.
    public private(set) var isTensor = true

    /// A box of the encoded weight and where it goes, packed row after row.
    public struct Target: Sendable, Hashable, Codable {
        /// The index of the encoding's part.
        public var part: Int
        /// The index of the plan's output.
        public var output: Int
        /// Where the box begins in that file.
        public var offset: Int
        public var batches: Range<Int>
        public var rows: Range<Int>
        public var columns: Range<Int>

        public init(
            part: Int = 0, output: Int, offset: Int, batches: Range<Int>, rows: Range<Int>, columns: Range<Int>
        ) {
            self.part = part
            self.output = output
            self.offset = offset
            self.batches = batches
            self.rows = rows
            self.columns = columns
        }
    }

    package init(
        name: String, source: LazyTensor, encoding: Encoding, importance: LazyTensor? = nil, targets: [Target]
    ) {
        self.name = name
        self.source = source
        self.encoding = encoding
        self.importance = importance
        self.targets = targets
        repacking = encoding.repacking(of: source)
        exactness = repacking.map { $0.isExact ? .bit : .rounded } ?? encoding.exactness(of: source)
    }

    /// Bytes to one place of a file.
    init(bytesOf name: String, _ source: LazyTensor, output: Int, offset: Int) {
        self.init(name: name, source: source, encoding: .plain(.u8), output: output, offset: offset)
        isTensor = false
    }

    /// A whole tensor to one place.
    package init(
        name: String, source: LazyTensor, encoding: Encoding, importance: LazyTensor? = nil, output: Int, offset: Int
    ) {
        let whole = Target(
            output: output, offset: offset, batches: 0..<source.batchCount, rows: 0..<source.rowCount,
            columns: 0..<source.columnCount)
        self.init(name: name, source: source, encoding: encoding, importance: importance, targets: [whole])
    }

    init(_ tensor: TypedTensor, output: Int, offset: Int) {
        self.init(tensor, places: [Place(part: 0, output: output, offset: offset)])
    }

    /// Where one stored tensor begins.
    struct Place {
        var part: Int
        var output: Int
        var offset: Int
    }

    init(_ tensor: TypedTensor, places: [Place]) {
        let shapes = tensor.parts.map { LazyTensor.zeros($0.dtype, $0.shape) }
        let targets = places.map { place in
            let stored = shapes[place.part]
            return Target(
                part: place.part, output: place.output, offset: place.offset, batches: 0..<stored.batchCount,
                rows: 0..<stored.rowCount, columns: 0..<stored.columnCount)
        }
        self.init(
            name: tensor.name, source: tensor.tensor, encoding: tensor.encoding, importance: tensor.importance,
            targets: targets)
        method = tensor.method
        slots = tensor.named.slots
        remark = tensor.remark
        stack = tensor.stack
    }

    /// What happens to the numbers, in words.
    public var treatment: String {
        if let calibration { return "calibrated, \(calibration)" }
        if let repacking { return repacking.isExact ? "re-packed exactly" : "re-packed with rounded scales" }
        switch exactness {
        case .bit: return encoding.dtype == source.dtype ? "copied" : "exact"
        case .rounded: return "rounded"
        case .quantized: return source.isQuantized ? "re-quantized" : "quantized"
        case .inexact: return exactness.rawValue
        }
    }

    /// The tensors it becomes, by itself.
    var parts: [StoredPart] { typed.parts }

    /// The tensors of the container that it is in.
    var storedParts: [StoredPart] { typed.storedParts }

    private var typed: TypedTensor {
        var typed = TypedTensor(NamedTensor(name, source), encoding)
        typed.stack = stack
        return typed
    }

    /// The bytes of those tensors.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }
}

/// What happens to numbers in a conversion, from best to worst.
public enum Exactness: String, Sendable, Hashable, Codable, Comparable, CaseIterable {
    /// Bits are only moved, or widened to a type that holds every value.
    case bit = "bit-exact"
    /// Computed, and rounded once.
    case rounded
    /// Stored with fewer values than the source has.
    case quantized
    /// Of a whole plan: the target computes something else than the source.
    case inexact

    public static func < (a: Exactness, b: Exactness) -> Bool {
        allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
    }
}

extension Encoding {
    /// How the codes of `source` become this encoding's untouched; nil where they cannot, or need not be looked at.
    func repacking(of source: LazyTensor) -> Repacking? {
        guard let form = source.codeForm else { return nil }
        switch self {
        case .plain(let dtype):
            guard dtype != source.dtype, let target = CodeForm(blocksOf: dtype) else { return nil }
            return Repacking(from: form, to: target)
        case .packed(let packed):
            if case .computed(.decoded(let stored), _) = source.recipe,
                stored.storesAlike(packed, rows: source.rowCount, columns: source.columnCount)
            {
                return Repacking(moving: form)
            }
            // Zeros may be 0, which the first GPTQ format stores badly.
            if packed.format == .gptq, packed.scheme.origin == .zeroPoint, form.scheme.origin != .symmetric,
                source.storedParts?.0.format != .gptq
            {
                return nil
            }
            var target = packed.form
            // A block that is larger than the weight is the whole of it.
            target.scheme.block.rows = min(target.scheme.block.rows, source.rowCount)
            target.scheme.block.columns = min(target.scheme.block.columns, source.columnCount)
            return Repacking(from: form, to: target)
        }
    }

    /// What storing `source` this way does to its numbers.
    func exactness(of source: LazyTensor) -> Exactness {
        switch self {
        case .packed: return .quantized
        case .plain(let dtype):
            if source.changesNumbers { return dtype.isQuantized ? .quantized : .rounded }
            if source.dtype == dtype || source.dtype.widensExactly(to: dtype) { return .bit }
            return dtype.isQuantized ? .quantized : .rounded
        }
    }
}
