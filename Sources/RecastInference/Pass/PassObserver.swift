import Recast

/// Watches what a pass multiplies the weights of its layers with, and may replace each weight before it is used.
///
/// With an observer a layer is computed stage by stage for all blocks. Before a stage multiplies by weights, the observer
/// is called, for each group of them that is multiplied with the same input (query, key and value; gate and up; those of each
/// expert by itself, between the experts before and after it):
///
/// 1. `observe` with the inputs of all tokens, block by block in the order of the texts, each token once; of an expert with
///    those of the tokens that are routed to it, which may be none;
/// 2. `replace` for each weight of the group.
///
/// Then the stage goes on with what the weights are now: so what an observer sees of a stage is what the replaced weights
/// of the stages before it have made. The weights are the pass's own copies; the model's files stay as they are.
///
/// All calls come from the thread that runs the pass, one after the other, so that what an observer computes does not depend
/// on the number of workers. It may use threads itself: the pass waits.
package protocol PassObserver: AnyObject {
    /// Whether it is called for this weight. Where no weight of a stage is observed, nothing is kept for it.
    func observes(_ site: Slot) -> Bool

    /// - Parameters:
    ///   - input: `[rows, columns]`, row-major without gaps; valid during the call.
    ///   - sites: the observed weights `[out, columns]` that are multiplied with it.
    func observe(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError)

    /// - Parameter weight: `[rows, columns]`, row-major without gaps, in float32; valid during the call.
    func replace(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
    ) throws(RecastError)
}

extension PassObserver {
    package func observes(_ site: Slot) -> Bool { true }
}
