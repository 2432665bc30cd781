import Recast

extension Workers {
    /// Threads of a pass. What a job computes must not depend on who does it: BLAS stays on the calling thread, so that the
    /// same blocks give the same bits with any number of workers.
    ///
    /// - Throws: `unsupported` where OpenBLAS cannot be loaded.
    init(_ options: PassOptions) throws(RecastError) {
        _ = try MatrixLibrary.loaded()
        self.init(count: options.workers, isInterrupted: options.isCancelled ?? { false })
    }
}
