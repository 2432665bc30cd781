import FuzzSupport

private let scene = Scene()

/// A tokenizer.json, and what is made of texts with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizerJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    scene.write("tokenizer.json", [UInt8](start, count))
    Examination.tokenizer(in: scene.path)
    return 0
}

@_cdecl("FuzzTokenizerJSON_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzTokenizerJSON($0, $1) }
}
