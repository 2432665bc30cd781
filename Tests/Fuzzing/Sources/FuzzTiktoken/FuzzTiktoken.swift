import FuzzSupport

private let scene = Scene("tiktoken")

/// A file of tiktoken under both names it has, and what is made of texts with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTiktoken(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    for name in ["tokenizer.model", "qwen.tiktoken"] {
        scene.write(name, bytes)
        Examination.tokenizer(in: scene.path)
        scene.remove(name)
    }
    return 0
}

@_cdecl("FuzzTiktoken_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzTiktoken($0, $1) }
}
