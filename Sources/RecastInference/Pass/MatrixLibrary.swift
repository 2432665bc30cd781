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

    /// `void cblas_ssyrk(order, uplo, trans, n, k, alpha, a, lda, beta, c, ldc)`
    typealias SSYRK =
        @Sendable @convention(c) (
            CInt, CInt, CInt, CInt, CInt, Float, UnsafePointer<Float>, CInt, Float, UnsafeMutablePointer<Float>, CInt
        ) -> Void
    /// `void spotrf_(uplo, n, a, lda, info)` of LAPACK, by columns; `dpotrf_` likewise in double precision.
    typealias SPOTRF =
        @Sendable @convention(c) (
            UnsafePointer<CChar>, UnsafePointer<CInt>, UnsafeMutablePointer<Float>, UnsafePointer<CInt>,
            UnsafeMutablePointer<CInt>
        ) -> Void
    typealias DPOTRF =
        @Sendable @convention(c) (
            UnsafePointer<CChar>, UnsafePointer<CInt>, UnsafeMutablePointer<Double>, UnsafePointer<CInt>,
            UnsafeMutablePointer<CInt>
        ) -> Void

    /// Values of `CBLAS_ORDER`, `CBLAS_TRANSPOSE` and `CBLAS_UPLO`.
    static let rowMajor: CInt = 101
    static let asIs: CInt = 111
    static let transposed: CInt = 112
    static let upper: CInt = 121

    let sgemm: SGEMM
    let sgemv: SGEMV
    let ssyrk: SSYRK
    let spotrf: SPOTRF
    let dpotrf: DPOTRF
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
        // OpenBLAS reads these once, while it is loaded.
        var environment = ["OPENBLAS_NUM_THREADS": "1"]
        if getenv(Self.coreType) == nil { environment[Self.coreType] = Self.kernels(for: Version.instructionSet) }
        let before = environment.keys.map { name in (name, getenv(name).map { String(cString: $0) }) }
        for (name, value) in environment { setenv(name, value, 1) }
        defer {
            for (name, value) in before {
                if let value { setenv(name, value, 1) } else { unsetenv(name) }
            }
        }

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
        ssyrk = try symbol("cblas_ssyrk", as: SSYRK.self)
        spotrf = try symbol("spotrf_", as: SPOTRF.self)
        dpotrf = try symbol("dpotrf_", as: DPOTRF.self)
        kernels = String(
            cString: try symbol(
                "openblas_get_corename", as: (@convention(c) () -> UnsafePointer<CChar>).self)())
        try checkProduct()
    }

    /// The kernels that OpenBLAS is asked for, unless `OPENBLAS_CORETYPE` says which; nil where it knows best.
    ///
    /// Left alone it goes by a list of processors and takes its oldest kernels for those newer than itself: Debian 12's 0.3.21
    /// takes Prescott's on a current Xeon, a sixth as fast as SkylakeX's. It goes on by its list where it has no such kernels.
    static func kernels(for instructionSet: String) -> String? {
        switch instructionSet {
        case "avx512": "SkylakeX"
        case "avx2": "Haswell"
        default: nil
        }
    }

    private static let coreType = "OPENBLAS_CORETYPE"

    /// Multiplies matrices of small whole numbers, whose product is exact in any order, and compares: kernels that a
    /// processor cannot run rightly must not be trusted with a model.
    ///
    /// - Throws: `unsupported` where a number differs.
    private func checkProduct() throws(RecastError) {
        // Edges of every tile that kernels have, and more terms than they unroll.
        let (rows, columns, terms) = (37, 53, 67)
        let a = (0..<rows * terms).map { Float($0 % 13 - 6) }
        let b = (0..<columns * terms).map { Float($0 % 11 - 5) }
        var product = [Float](repeating: .nan, count: rows * columns)
        sgemm(
            Self.rowMajor, Self.asIs, Self.transposed, CInt(rows), CInt(columns), CInt(terms), 1, a, CInt(terms), b,
            CInt(terms), 0, &product, CInt(columns))
        for index in product.indices {
            let (row, column) = index.quotientAndRemainder(dividingBy: columns)
            let expected = (0..<terms).reduce(Float(0)) { $0 + a[row * terms + $1] * b[column * terms + $1] }
            guard product[index] == expected else {
                throw .unsupported(
                    "OpenBLAS multiplies wrongly with its \(kernels) kernels (\(product[index]) for \(expected)): set "
                        + "\(Self.coreType) in the environment to others, as to Haswell")
            }
        }
    }

    /// What keeps this machine from its full speed; nil where nothing does.
    package var hint: String? {
        guard Version.instructionSet == "avx512", ["Haswell", "Zen", "Prescott"].contains(kernels) else { return nil }
        return "OpenBLAS uses its \(kernels) kernels, though this processor has AVX-512: OPENBLAS_CORETYPE=SkylakeX in "
            + "the environment may be twice as fast"
    }
}
