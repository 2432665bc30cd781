/// Weights whose codes were chosen beforehand: a plan with the same options takes them as they are.
package struct CalibratedWeights: Sendable {
    /// By their places in the graph as the target states it, each in the encoding that the plan has for it.
    package var tensors: [Slot: LazyTensor]
    /// What they were chosen by.
    package var record: CalibrationRecord

    package init(tensors: [Slot: LazyTensor], record: CalibrationRecord) {
        self.tensors = tensors
        self.record = record
    }

    /// Whether the codes of a stored tensor with these places in the graph were chosen; a stack of experts has one for all.
    func hold(_ slots: [Slot]) -> Bool { slots.contains { $0.part == .weight } && replaces(slots) }

    /// Whether anything of a stored tensor is another; norms and biases may have taken scales.
    func replaces(_ slots: [Slot]) -> Bool {
        slots.contains { slot in
            tensors[slot] != nil || tensors[Slot(slot.role, layer: slot.layer, expert: 0, slot.part)] != nil
        }
    }

    /// A graph with these weights in the place of its own.
    package func replacing(_ graph: Graph) -> Graph {
        var graph = graph
        for (slot, tensor) in tensors where graph[slot] != nil { graph[slot] = tensor }
        return graph
    }
}

/// What a calibration was made with; it stands in the metadata of what is written.
public struct CalibrationRecord: Sendable, Hashable, Codable {
    public struct Text: Sendable, Hashable, Codable {
        public var name: String
        /// Tokens that were used.
        public var tokens: Int
        public var byteCount: Int
        /// CRC-32 of all its bytes.
        public var checksum: UInt32

        public init(name: String, tokens: Int, byteCount: Int, checksum: UInt32) {
            (self.name, self.tokens, self.byteCount, self.checksum) = (name, tokens, byteCount, checksum)
        }
    }

    public var method: String
    public var effort: Int
    public var damping: Double
    /// Tokens that see each other.
    public var context: Int
    public var texts: [Text]
    /// Whether channels of feed-forward and values have another order than in the source.
    public var reorders = false

    public init(method: String, effort: Int, damping: Double, context: Int, texts: [Text], reorders: Bool = false) {
        self.reorders = reorders
        self.method = method
        self.effort = effort
        self.damping = damping
        self.context = context
        self.texts = texts
    }

    public var tokenCount: Int { texts.reduce(0) { $0 + $1.tokens } }

    package var json: JSON {
        [
            "method": .string(method), "effort": .int(effort), "damping": .double(damping), "context": .int(context),
            "reorder": .bool(reorders), "tokens": .int(tokenCount), "texts": .array(texts.map(\.json)),
        ]
    }
}

extension CalibrationRecord.Text {
    var json: JSON {
        [
            "name": .string(name), "tokens": .int(tokens), "bytes": .int(byteCount),
            "crc32": .string(checksum.hexadecimal),
        ]
    }

    /// `prose.txt: 65536 tokens, 339785 bytes, CRC-32 1b2c3d4e`
    package var line: String {
        "\(name): \(tokens) tokens, \(byteCount) bytes, CRC-32 \(checksum.hexadecimal)"
    }
}
