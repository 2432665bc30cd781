import Recast

enum Versions {
    static var text: String {
        "recast \(Version.recast) (kernels: \(Version.instructionSet), zstd \(Version.zstd))"
    }
}
