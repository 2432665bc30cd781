import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// OpenBLAS, which multiplies matrices.
///
/// It is loaded when a model is first run, and not linked: what it does when it is loaded, starting threads that wait by
/// spinning, would cost every conversion 50 ms of a core. One thread a call is also what a pass wants: what a job computes
/// must not depend on who does it.
package struct MatrixLibrary: Sendable {
    /// `void cblas_sgemm(order, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)`
    typealias SGEMM =
        @Sendable @convention(c) (
            CInt, CInt, CInt, CInt, CInt, CInt, Float, UnsafePointer<Float>, CInt, UnsafePointer<Float>, CInt, Float,
            UnsafeMutablePointer<Float>, CInt
        ) -> Void
    /// `void cblas_sgemv(order, trans, m, n, alpha, a, lda, x, incx, beta, y, incy)`
    typealias SGEMV =
        @Sendable @convention(c) (
            CInt, CInt, CInt, CInt, Float, UnsafePointer<Float>, CInt, UnsafePointer<Float>, CInt, Float,
            UnsafeMutablePointer<Float>, CInt
        ) -> Void

    /// Values of `CBLAS_ORDER` and `CBLAS_TRANSPOSE`.
    static let rowMajor: CInt = 101
    static let asIs: CInt = 111
    static let transposed: CInt = 112

    let sgemm: SGEMM
    let sgemv: SGEMV
    /// The processor family whose kernels OpenBLAS uses: `Haswell`, `SkylakeX`, …
    package let kernels: String

    /// Debian's name of the library, and the one under which its source installs it.
    static let names = ["libopenblas.so.0", "libopenblas.so"]

    private static let shared = Result { () throws(RecastError) in try MatrixLibrary(anyOf: names) }

    /// - Throws: `unsupported` where OpenBLAS is not installed.
    package static func loaded() throws(RecastError) -> MatrixLibrary { try shared.get() }

    /// The library where `loaded()` has returned it before.
    static let current: MatrixLibrary = try! shared.get()

    /// Loads the first of some shared libraries that is there.
    init(anyOf names: [String]) throws(RecastError) {
        let threads = "OPENBLAS_NUM_THREADS"
        let before = getenv(threads).map { String(cString: $0) }
        setenv(threads, "1", 1)
        defer { if let before { setenv(threads, before, 1) } else { unsetenv(threads) } }

        guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first else {
            throw .unsupported(
                "running a model needs OpenBLAS, which cannot be loaded (\(String(cString: dlerror()))): install it, on Debian "
                    + "with `apt-get install libopenblas0-pthread`")
        }
        func symbol<Function>(_ name: String, as type: Function.Type) throws(RecastError) -> Function {
            guard let address = dlsym(library, name) else {
                throw .unsupported("OpenBLAS has no function \(name); another version of it is needed")
            }
            return unsafeBitCast(address, to: type)
        }
        sgemm = try symbol("cblas_sgemm", as: SGEMM.self)
        sgemv = try symbol("cblas_sgemv", as: SGEMV.self)
        kernels = String(
            cString: try symbol(
                "openblas_get_corename", as: (@convention(c) () -> UnsafePointer<CChar>).self)())
    }

    /// What keeps this machine from its full speed; nil where nothing does.
    ///
    /// OpenBLAS chooses when it is loaded, by the processor or by `OPENBLAS_CORETYPE`; a program cannot change that.
    package var hint: String? {
        guard Version.instructionSet == "avx512", ["Haswell", "Zen"].contains(kernels) else { return nil }
        return "OpenBLAS uses its \(kernels) kernels, though this processor has AVX-512: OPENBLAS_CORETYPE=SkylakeX in "
            + "the environment may be twice as fast"
    }
}
