@testable import Recast

/// Whatever the bytes are, the pickle machine and the zip reader give values or an error.
///
/// The first byte chooses which of them reads the rest.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTorch(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    if start[0] & 1 == 0 {
        _ = try? PickleMachine.read(bytes, file: "fuzz", base: 0)
    } else {
        let source = MemorySource(Array(bytes))
        if let archive = try? TorchArchive(source, as: FileID(0)) { _ = try? archive.stateDictionary() }
    }
    return 0
}

/// Bytes in place of a file.
private final class MemorySource: ByteSource {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var name: String { "fuzz" }
    var byteCount: Int { bytes.count }
    var file: SourceFile { SourceFile(path: "fuzz", byteCount: bytes.count) }
    var descriptor: Int32? { nil }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        guard offset >= 0, offset <= bytes.count, buffer.count <= bytes.count - offset else {
            throw .malformed("fuzz", "is read beyond its end")
        }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count]))
        }
    }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func run(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// What the package manager takes for the program's beginning, in place of libFuzzer's own.
@_cdecl("FuzzTorch_main")
public func begin(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
    var (count, arguments) = (count, arguments)
    return run(&count, &arguments) { fuzzTorch($0, $1) }
}
