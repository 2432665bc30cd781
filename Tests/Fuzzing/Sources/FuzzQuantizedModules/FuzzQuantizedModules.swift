import FuzzSupport

@testable import Recast
@testable import RecastTensors

private let scene = Scene()

/// Weights in several parts: a file of safetensors whose metadata holds, as "config", the configuration.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzQuantizedModules(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    var files = FileList()
    guard let file = try? SafetensorsFile(MemorySource(bytes), files: &files),
        let configuration = file.metadata.first(where: { $0.key == "config" })
    else { return 0 }
    scene.write("config.json", Array(configuration.value.utf8))
    Examination.checkpoint(scene.write("model.safetensors", bytes), of: bytes)
    return 0
}

@_cdecl("FuzzQuantizedModules_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzQuantizedModules($0, $1) }
}
