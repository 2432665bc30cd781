import FuzzSupport

private let scene = Scene("distributed")

/// The description of a checkpoint of torch.distributed, beside the files it may speak of.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDistributed(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = [UInt8](start, count)
    scene.write("release/.metadata", bytes)
    Examination.checkpoint(scene.path, of: bytes)
    return 0
}

@_cdecl("FuzzDistributed_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzDistributed($0, $1) }
}
