import FuzzSupport

private let scene = Scene("model")

/// A file of safetensors, which may be the model that the configuration beside it describes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    Examination.checkpoint(scene.write("model.safetensors", bytes), of: bytes)
    return 0
}

@_cdecl("FuzzSafetensors_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzSafetensors($0, $1) }
}
