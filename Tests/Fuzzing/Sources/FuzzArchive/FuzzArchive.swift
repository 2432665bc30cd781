import FuzzSupport

@testable import Recast
@testable import RecastTensors

private let scene = Scene()

/// What pack has written. The checksum of its index is made right, so that changes get past it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzArchive(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = resealed([UInt8](start, count))
    let path = scene.write("packed", bytes)
    guard let archive = try? Archive(path: path) else { return 0 }
    try? archive.checkChecksums()
    try? archive.checkFrames(workers: 1, isInterrupted: { false })
    for name in archive.names.prefix(8) {
        guard let source = try? archive.source(of: name) else { continue }
        let length = min(source.byteCount, 4096)
        _ = try? source.bytes(0..<length)
        _ = try? source.bytes(source.byteCount - length..<source.byteCount)
    }
    Examination.checkpoint(path, of: bytes)
    return 0
}

@_cdecl("FuzzArchive_main")
public func begin(_ count: CInt, _ arguments: Arguments?) -> CInt {
    runFuzzer(count, arguments) { fuzzArchive($0, $1) }
}

private func resealed(_ bytes: [UInt8]) -> [UInt8] {
    var files = FileList()
    guard let file = try? SafetensorsFile(MemorySource(bytes), files: &files),
        let index = file.metadata.first(where: { $0.key == "index" }),
        let said = file.metadata.first(where: { $0.key == "index_crc32" }), said.value.utf8.count == 8,
        let place = bytes.firstRange(of: Array(#""index_crc32":"\#(said.value)""#.utf8))
    else { return bytes }
    var checksum = CRC32()
    Array(index.value.utf8).withUnsafeBytes { checksum.update($0) }
    var bytes = bytes
    bytes.replaceSubrange(place.upperBound - 9..<place.upperBound - 1, with: checksum.value.hexadecimal.utf8)
    return bytes
}
