import Foundation
import Recast
import Testing

@testable import RecastInference

@Suite struct MatrixLibraryTests {
    @Test func missingLibraryIsSaid() {
        let error = #expect(throws: RecastError.self) { try MatrixLibrary(anyOf: ["libabsent-blas.so.0"]) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("libopenblas0-pthread") == true)
        #expect(error?.message.contains("libabsent-blas.so.0") == true)
    }

    /// A library that is there, but another one.
    @Test func foreignLibraryIsSaid() {
        let error = #expect(throws: RecastError.self) { try MatrixLibrary(anyOf: ["libc.so.6"]) }
        #expect(error?.message.contains("cblas_sgemm") == true)
    }

    @Test func multiplies() throws {
        let library = try MatrixLibrary.loaded()
        let a: [Float] = [1, 2, 3, 4, 5, 6]
        let b: [Float] = [1, 0, -1, 2, 1, 0]
        var c = [Float](repeating: 0, count: 4)
        // [2, 3] · [2, 3]ᵀ
        library.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, 2, 2, 3, 1, a, 3, b, 3, 0, &c, 2)
        #expect(c == [-2, 4, -2, 13])
        var y: [Float] = [0, 0]
        library.sgemv(MatrixLibrary.rowMajor, MatrixLibrary.asIs, 2, 3, 1, a, 3, [1, 1, 1], 1, 0, &y, 1)
        #expect(y == [6, 15])
    }

    /// Kernels of the processor and not of one that OpenBLAS takes it for, or those that the user has chosen.
    @Test func kernelsAreThoseOfTheProcessor() throws {
        let chosen = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"]
        let library = try MatrixLibrary.loaded()
        if let wanted = chosen ?? MatrixLibrary.kernels(for: Version.instructionSet) {
            #expect(library.kernels == wanted)
        }
        if chosen == nil { #expect(library.hint == nil) }
        #expect(ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"] == chosen)
    }
}
