import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Every system call of a run fails, does half, or is the last: the destination is the old one or the new one, whole, and
/// the same command again ends with the new one and leaves nothing behind.
///
/// `RECAST_FAULTS=all` walks every call; otherwise some are taken, evenly.
@Suite struct FaultTests {
    enum Kind: String, CaseIterable { case file, directory, fileSet, megatronRanks, megatronDistributed, pack, unpack }
    enum Mode: String, CaseIterable { case plain, force, resume, forceAndResume }

    struct Run: Sendable, CustomStringConvertible {
        var kind: Kind
        var mode: Mode
        var description: String { "\(kind) \(mode)" }
    }

    static let runs = Kind.allCases.flatMap { kind in
        // What is packed cannot be resumed.
        Mode.allCases.filter { kind != .pack || $0 == .plain || $0 == .force }.map { Run(kind: kind, mode: $0) }
    }

    @Test(arguments: runs) func errors(_ run: Run) throws {
        let walk = try Walk(run)
        for (name, fault) in [("EIO", Faults.Fault.error(EIO)), ("ENOSPC", .error(ENOSPC))] {
            try walk.each(fault, name) { try walk.checkAfterError($0, $1) }
        }
    }

    @Test(arguments: runs) func lastingErrors(_ run: Run) throws {
        let walk = try Walk(run)
        try walk.each(.error(EIO), "EIO from here on", repeats: true) { try walk.checkAfterError($0, $1) }
    }

    /// What does not change the outcome: calls that are cut short, or do half.
    @Test(arguments: runs) func harmless(_ run: Run) throws {
        let walk = try Walk(run)
        try walk.each(.error(EINTR), "EINTR") { place, outcome in
            #expect(outcome.error == nil, outcome.text)
            #expect(walk.state(place) == .new, outcome.text)
        }
        try walk.each(.short, "short", of: [.read, .write, .copy]) { place, outcome in
            #expect(outcome.error == nil, outcome.text)
            #expect(walk.state(place) == .new, outcome.text)
        }
    }

    @Test(arguments: runs) func kills(_ run: Run) throws { try kill(Walk(run)) }

    /// Without locks, and without renames that replace nothing or exchange two names.
    @Test(arguments: runs.filter { [.file, .directory, .fileSet].contains($0.kind) })
    func poorFileSystem(_ run: Run) throws {
        let walk = try Walk(run, isPoor: true)
        try kill(walk)
        try walk.each(.error(EIO), "EIO") { try walk.checkAfterError($0, $1) }
    }

    private func kill(_ walk: Walk) throws {
        for (name, fault) in [("kill before", Faults.Fault.death), ("kill after", .deathAfter)] {
            try walk.each(fault, name) { try walk.checkAfterKill($0, $1) }
        }
    }
}

/// One kind of run, done again and again with another fault each time.
private struct Walk {
    let run: FaultTests.Run
    private let directory = TemporaryDirectory(inMemory: true)
    /// What a run finds, to be copied for each.
    private let template: String
    private let old: [String: [UInt8]]
    private let new: [String: [UInt8]]
    private var callCounts: [Set<SystemCall>: Int] = [:]

    enum State: Equatable { case old, new, withoutFirst, absent, neither }

    /// What the file system cannot do: it has no locks, and no renames that replace nothing or exchange two names.
    private let limits: [Faults]

    private static let step = ProcessInfo.processInfo.environment["RECAST_FAULTS"] == "all" ? 1 : 13

    init(_ run: FaultTests.Run, isPoor: Bool = false) throws {
        self.run = run
        let poor: [(SystemCall, Int32)] = [(.lock, ENOSYS), (.renameWithFlags, EINVAL)]
        let path = directory.path
        limits =
            isPoor ? poor.map { Faults(below: path, of: [$0.0], at: 1, .error($0.1), repeats: true) } : []
        template = directory.file("template")
        let place = Place(path: template)
        try place.fill(directory)
        let other = Place(path: directory.file("other"))
        try other.fill(directory, seed: 9)
        let replaces = run.mode == .force || run.mode == .forceAndResume
        if replaces {
            try other.prepareSource(run.kind)
            try other.perform(run.kind, .plain)
            for name in other.destinationNames {
                try FileManager.default.moveItem(atPath: other.path + "/" + name, toPath: template + "/" + name)
            }
        }
        old = place.destination
        let whole = Place(path: directory.file("whole"))
        try FileManager.default.copyItem(atPath: template + "/model", toPath: whole.path + "/model")
        try whole.prepareSource(run.kind)
        try whole.perform(run.kind, .plain)
        new = whole.destination
        try place.prepareSource(run.kind)
        #expect(!new.isEmpty && new != old)

        // How many calls an undisturbed run makes.
        for calls in [SystemCall.allCases, [.read, .write, .copy]] {
            let copy = try begin("count")
            let faults = Faults(below: copy.path, of: calls)
            try copy.plan(run.kind, run.mode) { body in
                try limited { try faults.during { _ = try body() } }
            }
            #expect(copy.destination == new && copy.leftovers.isEmpty, "\(run): \(copy.leftovers)")
            directory.remove("count")
            callCounts[Set(calls)] = faults.count
        }
    }

    /// - Parameter check: is given the place after the run, and the error that ended it.
    func each(
        _ fault: Faults.Fault, _ name: String, of calls: [SystemCall] = SystemCall.allCases, repeats: Bool = false,
        _ check: (Place, Outcome) throws -> Void
    ) throws {
        let count = callCounts[Set(calls)] ?? 0
        #expect(count > 20)
        var points = 0
        // Each run and fault takes other calls of the walk.
        let first =
            1 + (FaultTests.runs.firstIndex { $0.description == run.description }! * 5 + name.utf8.count) % Self.step
        for number in stride(from: first, through: count, by: Self.step) {
            let place = try begin("run")
            let faults = Faults(below: place.path, of: calls, at: number, fault, repeats: repeats)
            var outcome = Outcome(what: "\(run), \(name) at call \(number)")
            try place.plan(run.kind, run.mode) { body in
                do {
                    outcome.warnings = try limited { try faults.during { try body() } }
                } catch let error as RecastError { outcome.error = error }
            }
            try check(place, outcome)
            points += 1
            directory.remove("run")
        }
        if Self.step == 1 { print("faults: \(run.kind) \(run.mode) \(name): \(points) points") }
    }

    /// Runs `body` on the file system.
    private func limited<Result>(_ body: () throws -> Result) rethrows -> Result {
        guard let first = limits.first else { return try body() }
        return try first.during { try limits[limits.count - 1].during(body) }
    }

    /// The template, and of what is to be resumed the first half.
    private func begin(_ name: String) throws -> Place {
        let place = try Place(path: template).copied(to: directory.file(name))
        if run.mode == .resume || run.mode == .forceAndResume { try place.interrupt(run.kind, run.mode) }
        return place
    }

    /// How a run has ended, and what was done to it.
    struct Outcome {
        var error: RecastError?
        var warnings: [String] = []
        var what: String

        var text: Comment { "\(what): \(error?.description ?? "no error")" }
    }

    func state(_ place: Place) -> State {
        let there = place.destination
        if there == new { return .new }
        if there == old { return .old }
        if run.kind == .fileSet, !there.keys.contains(where: { $0.contains("-00001-of-") }) { return .withoutFirst }
        if there.isEmpty { return .absent }
        return .neither
    }

    /// In the one moment that some renames take, a set lacks its first file, and a directory is not there where two cannot be
    /// exchanged.
    func checkAfterKill(_ place: Place, _ outcome: Outcome) throws {
        let state = state(place)
        let isBetween =
            run.kind == .fileSet && state == .withoutFirst
            || run.kind == .directory && !limits.isEmpty && state == .absent
        #expect(state == .old || state == .new || isBetween, "\(state), \(outcome.text)")
        try checkSecondRun(place, outcome)
    }

    /// An error leaves the destination as it was; where it came so late that the new one is there, it is whole. The same
    /// command again is not hindered.
    func checkAfterError(_ place: Place, _ outcome: Outcome) throws {
        let state = state(place)
        if let error = outcome.error {
            let isInBetween = state == .withoutFirst && error.message.contains("undoing it failed")
            #expect(state == .old || state == .new || isInBetween, "\(state), \(outcome.text)")
            #expect(
                [.inputOutput, .inputMissing, .destinationExists, .malformedInput].contains(error.code), outcome.text)
            // Nothing is left but what is to be resumed, or could not be removed and is said.
            if !place.leftovers.isEmpty {
                let isSaid = ["is kept in", "could not be removed", "undoing it failed"].contains {
                    error.message.contains($0)
                }
                let isInherited = run.mode == .resume || run.mode == .forceAndResume
                #expect(isSaid || isInherited, "left: \(place.leftovers), \(outcome.text)")
            }
        } else {
            #expect(state == .new, outcome.text)
            #expect(place.leftovers.isEmpty || !outcome.warnings.isEmpty, "left: \(place.leftovers), \(outcome.text)")
        }
        try checkSecondRun(place, outcome)
    }

    func checkSecondRun(_ place: Place, _ outcome: Outcome) throws {
        let before = state(place)
        do {
            try limited { try place.perform(run.kind, run.mode) }
        } catch let error as RecastError where error.code == .destinationExists {
            // Without `--force`, a destination that is there is there.
            #expect(
                before != .old && (run.mode == .plain || run.mode == .resume), "\(error), \(outcome.text)")
        } catch {
            Issue.record(error, "the second run after \(outcome.text)")
        }
        #expect(state(place) == .new, outcome.text)
        #expect(place.leftovers.isEmpty, "left: \(place.leftovers), \(outcome.text)")
    }
}

/// A directory with a source in it, and a destination beside it.
private struct Place {
    let path: String

    func fill(_ directory: TemporaryDirectory, seed: UInt64 = 1) throws {
        var model = SmallModel()
        model.files = [
            ("LICENSE", Array("free".utf8)), ("additional_chat_templates/tool.jinja", Array("{{ x }}".utf8)),
        ]
        if seed != 1 { model.set("lm_head.weight", at: 0, to: 3) }
        _ = model.write(to: directory, Path.name(path) + "/model")
    }

    /// What is unpacked must have been packed.
    func prepareSource(_ kind: FaultTests.Kind) throws {
        guard kind == .unpack, !FileManager.default.fileExists(atPath: path + "/packed") else { return }
        _ = try Archiving(path + "/model", to: path + "/packed").run()
    }

    func copied(to path: String) throws -> Place {
        try FileManager.default.copyItem(atPath: self.path, toPath: path)
        return Place(path: path)
    }

    // MARK: Runs

    /// Makes the plan, and hands over what carries it out.
    ///
    /// - Parameter run: is given it; it returns the warnings of the run.
    func plan(
        _ kind: FaultTests.Kind, _ mode: FaultTests.Mode, _ run: (@escaping () throws -> [String]) throws -> Void
    ) throws {
        let replaces = mode == .force || mode == .forceAndResume
        if kind == .pack {
            var archiving = try Archiving(path + "/model", to: path + "/out")
            archiving.replaces = replaces
            let ready = archiving
            try run { try ready.run().warnings }
            return
        }
        let conversion = try conversion(kind, mode)
        try run { try conversion.run().warnings }
    }

    func perform(_ kind: FaultTests.Kind, _ mode: FaultTests.Mode) throws { try plan(kind, mode) { _ = try $0() } }

    /// A run that ends half way, with some of its jobs recorded.
    func interrupt(_ kind: FaultTests.Kind, _ mode: FaultTests.Mode) throws {
        var conversion = try conversion(kind, mode)
        let count = Mutex(0)
        conversion.isInterrupted = {
            count.withLock {
                $0 += 1
                return $0 > 12
            }
        }
        let ready = conversion
        #expect(throws: RecastError.self) { _ = try ready.run() }
    }

    private func conversion(_ kind: FaultTests.Kind, _ mode: FaultTests.Mode) throws -> Conversion {
        var conversion: Conversion
        let out = path + "/out"
        if kind == .unpack {
            conversion = try Extraction(Archive(path: path + "/packed"), to: out).conversion
        } else {
            var options = ConversionOptions(target: .gguf)
            switch kind {
            case .file: options.encoding = try GGUFFileType.named("q8_0")
            case .fileSet: options.maximumShardSize = 20_000
            case .megatronRanks:
                var target = MegatronTarget(.ranks)
                target.sizes.tensor = 2
                target.sizes.expertTensor = 2
                options = ConversionOptions(target: .megatron(target))
            case .megatronDistributed: options = ConversionOptions(target: .megatron(MegatronTarget(.distributed)))
            default: options = ConversionOptions(target: .huggingFace(family: nil))
            }
            let checkpoint = try Checkpoint(path: path + "/model")
            conversion = Conversion(try Planning(checkpoint, options).plan(destination: out), to: out)
        }
        conversion.replaces = mode == .force || mode == .forceAndResume
        conversion.resumes = mode == .resume || mode == .forceAndResume
        return conversion
    }

    // MARK: What there is

    var destinationNames: [String] { names.filter { $0.hasPrefix("out") && !$0.contains(".recast-partial") } }
    var leftovers: [String] { names.filter { $0.contains(".recast-partial") } }
    private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }

    var destination: [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for name in destinationNames {
            let root = path + "/" + name
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: root, isDirectory: &isDirectory)
            guard isDirectory.boolValue else {
                found[name] = FileManager.default.contents(atPath: root).map { [UInt8]($0) }
                continue
            }
            for case let inner as String in FileManager.default.enumerator(atPath: root) ?? .init() {
                found[name + "/" + inner] =
                    FileManager.default.contents(atPath: root + "/" + inner).map { [UInt8]($0) } ?? []
            }
        }
        return found
    }
}
