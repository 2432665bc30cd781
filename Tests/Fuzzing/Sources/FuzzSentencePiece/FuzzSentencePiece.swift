import FuzzSupport

private let scene = Scene()

/// A model of sentencepiece, and what is made of texts with it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSentencePiece(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    scene.write("tokenizer.model", [UInt8](start, count))
    Examination.tokenizer(in: scene.path)
    return 0
}

@_cdecl("FuzzSentencePiece_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzSentencePiece($0, $1) }
}
