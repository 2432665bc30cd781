import Recast
import RecastInference

enum Versions {
    static var text: String {
        "recast \(Version.recast) (kernels: \(Version.instructionSet), OpenBLAS: \(MatrixLibrary.kernels), zstd \(Version.zstd))"
    }
}
