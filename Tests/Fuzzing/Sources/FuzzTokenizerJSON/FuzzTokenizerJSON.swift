import FuzzSupport

private let scene = Scene()

/// A tokenizer.json or a tekken.json, and what is made of texts with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokenizerJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    for name in ["tokenizer.json", "tekken.json"] {
        scene.write(name, [UInt8](start, count))
        Examination.tokenizer(in: scene.path)
        scene.remove(name)
    }
    return 0
}

@_cdecl("FuzzTokenizerJSON_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzTokenizerJSON($0, $1) }
}
