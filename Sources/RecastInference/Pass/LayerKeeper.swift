import Recast

/// Keeps what a pass has done on the disk, layer by layer, so that it can go on where it was interrupted.
///
/// Hidden states are bits: a pass that goes on computes what one that was not interrupted does.
package protocol LayerKeeper: AnyObject {
    /// How many layers are done, and need not be computed.
    var finishedCount: Int { get }

    /// Fills the hidden states behind the last of the finished layers.
    func restore(_ hidden: KeptStates) throws(RecastError)

    /// Called when a layer is done for all tokens.
    func finish(_ layer: Int, _ hidden: KeptStates) throws(RecastError)
}

/// The hidden states of all tokens, and what else later layers look at, to be copied: keys and values, and which tokens are seen where
/// layers share an indexer.
package struct KeptStates {
    let states: [HiddenStates]
    var picked: PickedTokens?

    private var stateByteCount: Int { states.reduce(0) { $0 + $1.rows * $1.columns * 4 } }
    package var byteCount: Int { stateByteCount + (picked?.bytes.count ?? 0) }

    /// Lends `body` all bytes, some rows after the other.
    ///
    /// - Parameter isFilled: whether `body` writes them, instead of reading.
    package func forEachPiece(
        isFilled: Bool, _ body: (UnsafeMutableRawBufferPointer, _ offset: Int) throws(RecastError) -> Void
    ) throws(RecastError) {
        var staging: FloatBuffer?
        var start = 0
        for states in states {
            let rowsAtOnce = max(1, (1 << 22) / max(1, states.columns * 4))
            for first in stride(from: 0, to: states.rows, by: rowsAtOnce) {
                let rows = first..<min(states.rows, first + rowsAtOnce)
                try states.withRows(rows, isFilled ? .write : .read, staging: &staging) { (place) throws(RecastError) in
                    try body(
                        UnsafeMutableRawBufferPointer(start: place, count: rows.count * states.columns * 4),
                        start + first * states.columns * 4)
                }
            }
            start += states.rows * states.columns * 4
        }
        if let picked, !picked.bytes.isEmpty { try body(picked.bytes, stateByteCount) }
    }
}
