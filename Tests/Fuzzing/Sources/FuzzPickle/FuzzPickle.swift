import FuzzSupport

@testable import Recast
@testable import RecastTensors

/// The pickle machine alone, which checksums of a zip keep from most changes.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPickle(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    if let pickle = try? PickleMachine.read(bytes, file: "fuzz", base: 0), let items = pickle.items(pickle.root) {
        for (key, value) in items {
            _ = pickle.string(key)
            _ = pickle.elements(value)
            _ = pickle.object(value)
        }
    }
    return 0
}

@_cdecl("FuzzPickle_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzPickle($0, $1) }
}
