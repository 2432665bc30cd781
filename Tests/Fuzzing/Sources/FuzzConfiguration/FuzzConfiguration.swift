import FuzzSupport

@testable import Recast
@testable import RecastTensors

private let scene = Scene()

/// A config.json as every family reads it, and as the reader chooses.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let object = (try? JSON(parsing: [UInt8](start, count), file: "config.json"))?.object else { return 0 }
    for family in Family.all {
        let reader = HuggingFaceConfiguration(object: object, file: "config.json")
        guard (try? reader.configuration(of: family)) != nil else { continue }
        _ = try? reader.tiesEmbeddings(family)
        _ = try? reader.biases(of: family)
    }
    // What a checkpoint without tensors lacks is listed, in time, for the family that the configuration names.
    guard let family = try? Family.of(object, file: "config.json"),
        let configuration = try? HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: family)
    else { return 0 }
    let lifting = Lifting(
        table: family.table, configuration: configuration, biases: [], optional: [], ignored: { _ in false })
    _ = try? lifting.lift([], allowsUnknown: false, file: "model")
    return 0
}

@_cdecl("FuzzConfiguration_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzConfiguration($0, $1) }
}
