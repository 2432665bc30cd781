import FuzzSupport

@testable import Recast
@testable import RecastInference
@testable import RecastTensors

/// Saved predictions of both kinds, and every logit that they hold.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPredictions(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let source = MemorySource([UInt8](UnsafeBufferPointer(start: start, count: count)))
    if let saved = try? LlamaPredictionsFile.read(source) { read(saved) }
    if let saved = try? PredictionsFile.read(source) { read(saved) }
    return 0
}

private func read(_ saved: SavedPredictions) {
    _ = saved.scoredTexts(bosToken: 0).targets
    let logits = SavedLogits(saved: saved)
    let columns = min(saved.vocabularySize, 4096)
    let buffer = FloatBuffer(count: columns)
    for row in 0..<saved.positionCount {
        _ = try? logits.logits(row..<row + 1, 0..<columns, into: buffer, worker: 0)
    }
}

@_cdecl("FuzzPredictions_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzPredictions($0, $1) }
}
