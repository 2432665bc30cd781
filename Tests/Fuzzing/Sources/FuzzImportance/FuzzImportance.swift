import FuzzSupport

@testable import Recast
@testable import RecastTensors

private let scene = Scene()

/// A file of llama-imatrix in either format, and the weights of each entry for a tensor that it fits.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzImportance(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let importance = try? Importance(path: scene.write("a.imatrix", [UInt8](start, count))) else { return 0 }
    _ = importance.record
    let tensors = importance.entries.prefix(16).filter { $0.valueCount > 0 }.map { entry in
        let matrices = entry.counts.count
        let columns = entry.valueCount.isMultiple(of: max(1, matrices)) ? entry.valueCount / max(1, matrices) : 1
        guard entry.fits(columns: columns, matrices: matrices) else { return LazyTensor.zeros(.f32, [1]) }
        return importance.weights(entry, columns: columns, in: FileID(0))
    }
    Examination.read(tensors.map { NamedTensor("a", $0) }, files: [importance.file])
    return 0
}

@_cdecl("FuzzImportance_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzImportance($0, $1) }
}
