@_silgen_name("LLVMFuzzerRunDriver")
private func drive(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ body: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

/// The arguments of a program as C hands them over.
public typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Runs libFuzzer. The package manager calls a function of each target's name where libFuzzer would have its own `main`.
public func runFuzzer(
    _ count: CInt, _ arguments: Arguments?, _ body: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt {
    var (count, arguments) = (count, arguments)
    return drive(&count, &arguments, body)
}

extension Array where Element == UInt8 {
    public init(_ start: UnsafePointer<UInt8>, _ count: Int) {
        self.init(UnsafeBufferPointer(start: start, count: count))
    }
}
