import COpenBLAS
import Recast

/// The library that multiplies matrices.
public enum MatrixLibrary {
    /// The processor family whose kernels OpenBLAS uses: `Haswell`, `SkylakeX`, …
    public static var kernels: String { String(cString: openblas_get_corename()) }

    /// What keeps this machine from its full speed; nil where nothing does.
    ///
    /// OpenBLAS chooses when it is loaded, by the processor or by `OPENBLAS_CORETYPE`; a program cannot change that.
    public static var hint: String? {
        guard Version.instructionSet == "avx512", ["Haswell", "Zen"].contains(kernels) else { return nil }
        return "OpenBLAS uses its \(kernels) kernels, though this processor has AVX-512: OPENBLAS_CORETYPE=SkylakeX in "
            + "the environment may be twice as fast"
    }
}
