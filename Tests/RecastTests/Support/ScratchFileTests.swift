import Foundation
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

@Suite struct ScratchFileTests {
    private let directory = TemporaryDirectory()

    private func roundTrip() throws -> Bool {
        let file = try ScratchFile(directory: directory.path)
        let (written, found) = (buffer(), buffer())
        defer {
            written.deallocate()
            found.deallocate()
        }
        for index in written.indices { (written[index], found[index]) = (UInt8(truncatingIfNeeded: index * 7), 0) }
        try file.write(UnsafeRawBufferPointer(written), at: 123)
        try file.read(into: found, at: 123)
        return written.elementsEqual(found)
    }

    private func buffer() -> UnsafeMutableRawBufferPointer { .allocate(byteCount: 10_000, alignment: 1) }

    @Test func leavesNoName() throws {
        let file = try ScratchFile(directory: directory.path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
        withExtendedLifetime(file) {}
    }

    /// Transfers that a signal interrupts, or that do less than they were asked to.
    @Test(arguments: [Faults.Fault.error(EINTR), .short]) func interruptedTransfers(_ fault: Faults.Fault) throws {
        for call in [SystemCall.read, .write] {
            let faults = Faults(below: directory.path, of: [call], at: 1, fault)
            #expect(try faults.during { try roundTrip() })
            #expect(faults.count == 2)
        }
    }

    @Test(arguments: [SystemCall.read, .write]) func failures(_ call: SystemCall) throws {
        let faults = Faults(below: directory.path, of: [call], at: 1, .error(ENOSPC))
        let error = #expect(throws: RecastError.self) { try faults.during { try roundTrip() } }
        #expect(error?.code == .inputOutput && error!.trail[0].hasPrefix(directory.path))
    }

    @Test func noDirectory() {
        let error = #expect(throws: RecastError.self) { try ScratchFile(directory: "/nowhere") }
        #expect(error?.code == .inputOutput && error?.trail == ["/nowhere"])
    }
}
