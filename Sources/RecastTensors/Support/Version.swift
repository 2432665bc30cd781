internal import CZstd

/// What this build is made of.
public enum Version {
    public static let recast = "0.1.0"

    public static var zstd: String { String(cString: ZSTD_versionString()) }

    /// The instruction set the kernels use on this machine.
    public static var instructionSet: String { Kernels.best.instructionSet }
}
