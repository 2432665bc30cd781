/// A model in canonical form: a configuration, and a lazy tensor for each role, layer and expert.
///
/// Weights of linear layers are `[out, in]`; query and key rows are half-split rotary pairs (`j` with `j + D/2`).
public struct Graph: Sendable {
    public struct Entry: Sendable, Hashable {
        public let slot: Slot
        package let tensor: LazyTensor
    }

    public var configuration: ModelConfiguration
    /// In the order of the source, which some targets keep.
    public private(set) var entries: [Entry] = []
    private var places: [Slot: Int] = [:]

    public init(configuration: ModelConfiguration) { self.configuration = configuration }

    package subscript(slot: Slot) -> LazyTensor? {
        get { places[slot].map { entries[$0].tensor } }
        set {
            switch (places[slot], newValue) {
            case (let place?, let tensor?): entries[place] = Entry(slot: slot, tensor: tensor)
            case (nil, let tensor?):
                places[slot] = entries.count
                entries.append(Entry(slot: slot, tensor: tensor))
            case (let place?, nil):
                entries.remove(at: place)
                places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.slot, $0) })
            case (nil, nil): break
            }
        }
    }

    /// Removes many tensors at once.
    package mutating func remove(where isRemoved: (Entry) -> Bool) {
        entries.removeAll(where: isRemoved)
        places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.slot, $0) })
    }

    package subscript(role: Role, layer layer: Int? = nil, part part: Slot.Part = .weight) -> LazyTensor? {
        self[Slot(role, layer: layer, part)]
    }

    /// The matrix that turns hidden states into logits: the head's own, or the embedding's where they are tied.
    package var head: LazyTensor? { self[.outputHead] ?? self[.tokenEmbedding] }

    public var isTied: Bool { self[.outputHead] == nil }

    public var parameterCount: Int { entries.reduce(0) { $0 + $1.tensor.elementCount } }
}
