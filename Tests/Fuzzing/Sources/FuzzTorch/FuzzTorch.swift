import FuzzSupport

private let scene = Scene("model")

/// A zip of torch.save.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTorch(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    Examination.checkpoint(scene.write("pytorch_model.bin", bytes), of: bytes)
    return 0
}

@_cdecl("FuzzTorch_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzTorch($0, $1) }
}
