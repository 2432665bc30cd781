import FuzzSupport

private let scene = Scene()

/// A GGUF file: metadata, tensors of every type, a model, a tokenizer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzGGUF(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    Examination.checkpoint(scene.write("model.gguf", bytes), of: bytes)
    return 0
}

@_cdecl("FuzzGGUF_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzGGUF($0, $1) }
}
