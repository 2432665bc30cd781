import Recast

/// The hidden states of all tokens behind every layer of a pass, in a file without a name: passes of models that differ from
/// one layer on begin there.
final class LayerStates: LayerKeeper {
    private let file: ScratchFile
    let finishedCount = 0

    init(directory: String) throws(RecastError) { file = try ScratchFile(directory: directory) }

    func restore(_ hidden: KeptStates) throws(RecastError) {}

    func finish(_ layer: Int, _ hidden: KeptStates) throws(RecastError) {
        try hidden.forEachPiece(isFilled: false) { (bytes, offset) throws(RecastError) in
            try file.write(UnsafeRawBufferPointer(bytes), at: layer * hidden.byteCount + offset)
        }
    }

    /// For a pass that begins with a layer.
    func keeper(before layer: Int) -> any LayerKeeper { Beginning(states: self, finishedCount: layer) }

    private final class Beginning: LayerKeeper {
        let states: LayerStates
        let finishedCount: Int

        init(states: LayerStates, finishedCount: Int) {
            self.states = states
            self.finishedCount = finishedCount
        }

        func restore(_ hidden: KeptStates) throws(RecastError) {
            try hidden.forEachPiece(isFilled: true) { (bytes, offset) throws(RecastError) in
                try states.file.read(into: bytes, at: (finishedCount - 1) * hidden.byteCount + offset)
            }
        }

        func finish(_ layer: Int, _ hidden: KeptStates) throws(RecastError) {}
    }
}
