import FuzzSupport

@testable import Recast
@testable import RecastTensors

/// What is read is written, in every style, as text that reads as the same value.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let value = try? JSON(parsing: [UInt8](start, count), file: "fuzz") else { return 0 }
    for style in [JSON.Style.compact, .indented] {
        for escapes in [JSON.Escapes.required, .terminalControls] {
            let text = value.serialized(style, escaping: escapes)
            guard let again = try? JSON(parsing: text, file: "written"), again == value else {
                fatalError("what was written reads as something else")
            }
        }
    }
    return 0
}

@_cdecl("FuzzJSON_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzJSON($0, $1) }
}
