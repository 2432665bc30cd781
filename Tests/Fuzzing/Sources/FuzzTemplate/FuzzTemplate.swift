import FuzzSupport

@testable import Recast
@testable import RecastInference
@testable import RecastTensors

private let conversations = [
    #"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": " ab <s>"}, {"role": "assistant", "content": "c"}]}"#,
    #"""
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "2"}],
     "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}
    """#,
].map { try! Conversation(JSON(parsing: Array($0.utf8), file: "conversation"))! }

/// A template, and what becomes of conversations by it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTemplate(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let source = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    guard
        let template = try? ChatTemplate(
            source: source, specialTokens: ["bos_token": "<s>", "eos_token": "</s>"], now: 0)
    else { return 0 }
    for conversation in conversations {
        _ = try? template.render(conversation, addingGenerationPrompt: true)
        _ = try? template.answers(of: conversation)
    }
    return 0
}

@_cdecl("FuzzTemplate_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzTemplate($0, $1) }
}
