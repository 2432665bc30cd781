import Recast

/// `down( f(gate · x) · (up · x) )`, added to the hidden states.
struct FeedForward {
    let activation: Activation
    let columns: Int

    func apply(
        _ input: UnsafePointer<Float>, layer: Int, rows: Int, addingTo hidden: UnsafeMutablePointer<Float>,
        buffers: LayerBuffers, multiplier: some Multiplier
    ) throws(RecastError) {
        let (gate, up) = (buffers.gate.base, buffers.up.base)
        try multiplier.multiply(Slot(.gate, layer: layer), input, rows: rows, into: gate, accumulating: false)
        try multiplier.multiply(Slot(.up, layer: layer), input, rows: rows, into: up, accumulating: false)
        activation.apply(gate, times: up, rows * columns)
        try multiplier.multiply(Slot(.down, layer: layer), gate, rows: rows, into: hidden, accumulating: true)
    }
}
