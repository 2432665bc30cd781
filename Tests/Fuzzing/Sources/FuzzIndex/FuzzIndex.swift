import FuzzSupport

private let scene = Scene("index")

/// The index of a checkpoint in two files.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIndex(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    scene.write("model.safetensors.index.json", bytes)
    Examination.checkpoint(scene.path, of: bytes)
    return 0
}

@_cdecl("FuzzIndex_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzIndex($0, $1) }
}
