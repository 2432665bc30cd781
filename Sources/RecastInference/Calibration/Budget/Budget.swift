import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Chooses the type of each weight so that a GGUF file, or a checkpoint, stays within a size, and its predictions as near to the
/// original's as can be.
///
/// 1. **Errors**: a pass over the calibration texts measures what error each type makes in each weight's output.
/// 2. **Sensitivities**: each unit of weights is put in place in a coarse type by itself, and the divergence of the model's
///    predictions measured; it grows with the output error of the unit.
/// 3. **Allocation**: the types with the least sum of predicted divergences within the limit.
/// 4. **Candidates**: a few allocations are calibrated as they would be written, and the one whose predictions on texts that
///    were held out are nearest is.
public struct Budget {
    public enum Limit: Sendable, Hashable {
        /// All files together, in bytes.
        case size(Int)
        /// Of all tensors together.
        case bitsPerWeight(Double)
    }

    public struct Options: Sendable {
        public var limit: Limit
        /// Types to choose from; nil takes all that the target has.
        public var types: [WeightType]?
        /// How many allocations are calibrated and measured.
        public var candidateCount = 3

        public init(_ limit: Limit) { self.limit = limit }
    }

    /// Where the work is.
    public enum Stage: Sendable, Hashable {
        case errors
        case sensitivities
        case candidate(Int, of: Int)
        case judging(Int, of: Int)
    }

    public struct Result {
        /// Of what is to be written.
        public var planning: Planning
        public var outcome: Calibration.Outcome
        /// The types of all tensors that are quantized, and of those that were asked for.
        package var recipe: Recipe
        /// What the user should know of the calibration.
        public var notes: [String]
        public var warnings: [String]
        public var report: BudgetReport
        /// What the candidates were chosen by; to be discarded with the outcome.
        let folder: WorkFolder

        public func discard() {
            outcome.discard()
            _ = folder.discard()
        }

        /// What is to be thrown after an error: what was kept is taken away, or the error says how to go on with it.
        public func ended(by error: RecastError, keeps: Bool) -> RecastError {
            _ = outcome.ended(by: error, keeps: keeps)
            return folder.ended(by: error, keeps: keeps)
        }
    }

    private let planning: Planning
    private let files: FilePool
    private let options: Options
    private let calibration: CalibrationOptions
    private let passOptions: PassOptions
    private let choices: TypeChoices
    private let units: [BudgetUnit]
    /// Of each unit, those that fill its rows and are near enough to the limit.
    private let candidates: [[WeightType]]
    /// The types that sensitivities are measured with.
    private let probes: [WeightType]
    private let alignment: Int

    /// What the record of a calibration may take in a file, about.
    private static let reserve = 4096

    /// - Parameter planning: of the conversion, with or without an encoding; what it asks for by name is not chosen.
    /// - Throws: `usage` where the target has no types to choose, or where the limit cannot be met.
    public init(
        _ planning: Planning, files: FilePool, _ options: Options, _ calibration: CalibrationOptions,
        passOptions: PassOptions
    ) throws(RecastError) {
        self.planning = planning
        self.files = files
        self.options = options
        self.calibration = calibration
        self.passOptions = passOptions
        let choices = try planning.typeChoices()
        self.choices = choices
        units = BudgetUnit.units(of: choices)
        guard !units.isEmpty else { throw .usage("no weight is left whose type could be chosen") }
        if case .size = options.limit { alignment = choices.alignment } else { alignment = 1 }
        let types = try Self.types(options, choices)
        var fitting: [[WeightType]] = []
        for unit in units {
            let own = types.filter { choices.fits(unit, $0) }
            guard !own.isEmpty else {
                throw .usage(
                    "no type to choose from fills the rows of \(unit.tensors[0].name), which have "
                        + "\(unit.tensors[0].shape.last!) columns")
            }
            fitting.append(own)
        }
        // Types much coarser than what the limit allows on average are not worth their search.
        let range = try Self.range(planning, choices, units, fitting, options.limit, alignment)
        let elements = units.reduce(0) { $0 + $1.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
        let average = 8 * Double(range.limit) / Double(max(1, elements))
        let near = fitting.map { types in
            // What is next below the average stays, however far.
            let below = types.last { $0.bitsPerElement <= average } ?? types[0]
            return types.filter { $0.bitsPerElement >= min(0.55 * average, below.bitsPerElement) }
        }
        var least = 0
        for (unit, types) in zip(units, near) {
            least += types.map { [choices, alignment] in choices.byteCount(unit, as: $0, alignment: alignment) }.min()!
        }
        candidates = least + Self.reserve <= range.limit ? near : fitting
        probes = candidates.map { types in
            let grids = types.filter { $0.dtype?.codebookBlock == nil }
            return (grids.isEmpty ? types : grids).min {
                abs($0.bitsPerElement - 0.75 * average) < abs($1.bitsPerElement - 0.75 * average)
            }!
        }
    }

    /// What there is to choose from, those with fewer bits first.
    ///
    /// - Throws: `usage` for types that the target does not have.
    private static func types(_ options: Options, _ choices: TypeChoices) throws(RecastError) -> [WeightType] {
        let own = choices.types
        var types: [WeightType] = []
        for asked in options.types ?? own {
            guard let type = own.first(where: { $0.name == asked.name }) else {
                let names = own.map { $0.name.lowercased() }.joined(separator: ", ")
                throw .usage("\(asked.name.lowercased()) is not chosen by measuring in this target; \(names) are")
            }
            if !types.contains(type) { types.append(type) }
        }
        return types.sorted { ($0.bitsPerElement, $0.name) < ($1.bitsPerElement, $1.name) }
    }

    /// What the limit leaves for the units.
    ///
    /// - Throws: `usage` where that is too little.
    private static func range(
        _ planning: Planning, _ choices: TypeChoices, _ units: [BudgetUnit], _ types: [[WeightType]], _ limit: Limit,
        _ alignment: Int
    ) throws(RecastError) -> (limit: Int, fixed: Int) {
        let least = zip(units, types).map { unit, types in
            types.map { choices.byteCount(unit, as: $0, alignment: alignment) }.min()!
        }
        let smallest = zip(units, types).map { unit, types in
            types.min {
                choices.byteCount(unit, as: $0, alignment: alignment)
                    < choices.byteCount(unit, as: $1, alignment: alignment)
            }!
        }
        let plan = try Self.planning(planning, choices, units, smallest).plan(destination: placeholder)
        let sum = least.reduce(0, +)
        switch limit {
        case .size(let size):
            let fixed = plan.byteCount - sum
            guard size >= plan.byteCount else {
                throw .usage(
                    "a size of \(size) bytes cannot be met: with the smallest types there are to choose from the file has "
                        + "\(plan.byteCount)")
            }
            return (size - fixed, fixed)
        case .bitsPerWeight(let bits):
            let fixed = plan.tensorByteCount - sum
            let size = Int(bits * Double(plan.elementCount) / 8)
            guard size >= plan.tensorByteCount else {
                let least = 8 * Double(plan.tensorByteCount) / Double(max(1, plan.elementCount))
                throw .usage(
                    "\(bits) bits per weight cannot be met: with the smallest types there are to choose from there are "
                        + "\((least * 1000).rounded(.up) / 1000)")
            }
            return (size - fixed, fixed)
        }
    }

    /// Names what is not written.
    private static let placeholder = "model.gguf"

    private static func planning(
        _ planning: Planning, _ choices: TypeChoices, _ units: [BudgetUnit], _ types: [WeightType]
    ) throws(RecastError) -> Planning {
        var named: [String: WeightType] = [:]
        for (unit, type) in zip(units, types) { for tensor in unit.tensors { named[tensor.name] = type } }
        return try planning.giving(
            choices.tensors.map { ($0.name, named[$0.name]!) }
                + choices.fixed.filter { !$0.isAsked }.map { ($0.name, $0.type) })
    }

    /// The plans with the smallest and the largest types there are to choose from: of what will be written all but types.
    public func extremes(destination: String) throws(RecastError) -> (smallest: Plan, largest: Plan) {
        func plan(_ types: [WeightType]) throws(RecastError) -> Plan {
            try Self.planning(planning, choices, units, types).plan(destination: destination)
        }
        return (try plan(candidates.map { $0[0] }), try plan(candidates.map { $0[$0.count - 1] }))
    }

    /// What the user should know before.
    public var notes: [String] {
        let count = choices.tensors.count
        let types = Set(candidates.joined())
            .sorted { ($0.bitsPerElement, $0.name) < ($1.bitsPerElement, $1.name) }.map(\.name)
        var notes = [
            "choosing the types of \(count) tensors among \(types.joined(separator: ", "))"
                + (choices.asked.isEmpty ? "" : "; \(choices.asked.count) have the type they were given")
        ]
        if let encoding = planning.options.encoding {
            notes.append("the mix of \(encoding.name) is one of the candidates if it is within the limit")
        }
        return notes
    }

    private var unchosenNotes: [String] {
        let unchosen = choices.fixed.filter { !$0.isAsked }
        guard !unchosen.isEmpty else { return [] }
        return [
            "\(unchosen.count) tensors whose codes a calibration cannot choose are \(unchosen[0].type.name): "
                + unchosen.prefix(3).map(\.name).joined(separator: ", ") + (unchosen.count > 3 ? ", …" : "")
        ]
    }

    // MARK: Running

    /// - Parameters:
    ///   - chunks: windows of tokens to calibrate on.
    ///   - heldOut: windows that candidates are judged on.
    ///   - record: what the calibration is made with.
    ///   - show: is told of each stage, and returns what its progress goes to.
    /// - Throws: `interrupted` and others, after which the work can be resumed if that was asked for.
    public func run(
        on chunks: [[Int32]], heldOut: [[Int32]], _ texts: [CalibrationRecord.Text], context: Int,
        _ work: CalibrationWork, _ show: @escaping (Stage) -> (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> Result {
        precondition(!heldOut.isEmpty)
        let folder = try WorkFolder(
            for: work.destination, key: key(chunks, heldOut), resumes: work.resumes, replaces: work.replaces)
        do throws(RecastError) {
            let record = CalibrationRecord(
                method: calibration.method.rawValue, effort: calibration.effort, damping: Double(calibration.damping),
                context: context, texts: texts, reorders: calibration.reorders)
            try checkLeast(record, destination: work.destination)
            try CandidateFolders(work).check()
            let measured = try measure(chunks, in: folder, show)
            let tables = try allocations(measured, record, destination: work.destination)
            return try judge(tables, measured, chunks, heldOut, record, work, in: folder, show)
        } catch { throw folder.ended(by: error, keeps: work.resumes) }
    }

    /// Sees whether the limit can be met, before hours of work.
    private func checkLeast(_ record: CalibrationRecord, destination: String) throws(RecastError) {
        let smallest = zip(units, candidates).map { unit, types in
            types.min {
                choices.byteCount(unit, as: $0, alignment: alignment)
                    < choices.byteCount(unit, as: $1, alignment: alignment)
            }!
        }
        let plan = try Self.planning(planning, choices, units, smallest).plan(
            destination: destination, recordedAs: record)
        let excess = excess(of: plan)
        guard excess <= 0 else { throw .usage("the limit cannot be met: \(excess) bytes more are needed") }
    }

    /// Tells this work from any other.
    private func key(_ chunks: [[Int32]], _ heldOut: [[Int32]]) throws(RecastError) -> String {
        var hash = Fingerprint()
        hash.add(
            "\(Version.recast) budget \(try MatrixLibrary.loaded().kernels) \(calibration.words) \(options.limit);")
        hash.add(filesOf: choices.graph, files)
        hash.add(of: chunks)
        hash.add(of: heldOut)
        for (unit, (types, probe)) in zip(units, zip(candidates, probes)) {
            let names = types.map { choices.encoding($0).name }
            hash.add("\(unit.tensors.map(\.name)) \(names) \(probe.name);")
        }
        for tensor in choices.fixed { hash.add("\(tensor.name) \(tensor.type.name);") }
        return "recast budget \(String(hash.value, radix: 16))"
    }

    private func passOptions(_ progress: (@Sendable (Progress) -> Void)?) -> PassOptions {
        var options = passOptions
        // States of two models are there at the same time, and a part of either's head.
        if let limit = calibration.maximumMemory { options.maximumMemory = limit / 8 }
        options.progress = progress
        return options
    }

    /// What was measured of a unit.
    struct Measured {
        /// By type.
        var errors: [WeightType: Double]
        /// The divergence with the unit alone in the probe, in nats.
        var divergence: Double
        var probe: WeightType

        /// The divergence that the unit alone would make in a type, as far as it grows with the output error.
        func predicted(_ type: WeightType) -> Double {
            guard let error = errors[type] else { return .infinity }
            guard let base = errors[probe], base > 0 else { return 0 }
            return divergence * error / base
        }
    }

    private func measure(
        _ chunks: [[Int32]], in folder: WorkFolder, _ show: (Stage) -> (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> [Measured] {
        var probed: [Slot: WeightTarget] = [:]
        var targets: [Slot: [WeightTarget]] = [:]
        for (unit, (types, probe)) in zip(units, zip(candidates, probes)) {
            for slot in unit.slots {
                let columns = choices.graph[slot]!.columnCount
                probed[slot] = WeightTarget(choices.encoding(probe), columns: columns)
                targets[slot] = types.compactMap { WeightTarget(choices.encoding($0), columns: columns) }
            }
        }
        let output = CodeOutput(
            in: folder, graph: choices.graph, grids: probed, permissions: planning.checkpoint.ownFiles.permissions)
        var errorOptions = passOptions(show(.errors))
        if let limit = calibration.maximumMemory {
            let memory = CalibrationMemory(
                graph: choices.graph, targets: targets, options: calibration, workers: passOptions.workers)
            errorOptions.maximumMemory = try memory.states(within: limit)
        }
        let errors = try TypeErrorPass(
            graph: choices.graph, files: files, targets: targets, probes: probed, options: calibration,
            passOptions: errorOptions
        ).run(chunks, output, in: folder)
        var coarse = choices.graph
        for (slot, tensor) in try output.tensors(files) { coarse[slot] = tensor }
        let divergences = try Sensitivities(
            graph: choices.graph, coarse: coarse, files: files, options: passOptions(nil),
            progress: show(.sensitivities)
        ).run(units, chunks, in: folder)
        var measured: [Measured] = []
        for (index, unit) in units.enumerated() {
            var byType: [WeightType: Double] = [:]
            for type in candidates[index] { byType[type] = unit.error(as: choices.encoding(type), errors) }
            measured.append(Measured(errors: byType, divergence: divergences[index], probe: probes[index]))
        }
        return measured
    }

    // MARK: Allocating

    /// One type for each unit.
    struct Table: Hashable {
        var name: String
        var types: [WeightType]
    }

    /// Allocations within the limit, the likeliest to be the best first.
    private func allocations(
        _ measured: [Measured], _ record: CalibrationRecord, destination: String
    ) throws(RecastError) -> [Table] {
        // Measured divergences are noisy where they are small; a part of the way to treating all units alike is a second
        // opinion, and what others have found to do a third.
        let logarithms = measured.map { log2(max(1e-12, $0.divergence / max(1e-30, $0.errors[$0.probe] ?? 0))) }
        let mean = logarithms.reduce(0, +) / Double(max(1, logarithms.count))
        func table(_ name: String, trust: Double) throws(RecastError) -> Table {
            let factors = logarithms.map { exp2(trust * $0 + (1 - trust) * mean) }
            return Table(
                name: name,
                types: try allocation(record, destination: destination) {
                    factors[$0] * (measured[$0].errors[$1] ?? .infinity)
                }
            )
        }
        var tables = [try table("measured sensitivities", trust: 1)]
        for other in [
            try mix(measured, record, destination: destination), try table("smoothed sensitivities", trust: 0.75),
        ] {
            if let other, !tables.contains(where: { $0.types == other.types }) { tables.append(other) }
        }
        return Array(tables.prefix(max(1, options.candidateCount)))
    }

    /// The mix with the least predicted divergence of those within the limit; that of the file type that was asked for, if one
    /// was.
    private func mix(
        _ measured: [Measured], _ record: CalibrationRecord, destination: String
    ) throws(RecastError) -> Table? {
        var best: (table: Table, divergence: Double)?
        for (name, types) in choices.mixes where name == (planning.options.encoding?.name ?? name) {
            let own = units.map { unit in Set(unit.tensors.map { types[$0.name] }) }
            guard own.allSatisfy({ $0.count == 1 }) else { continue }
            let table = Table(
                name: planning.options.packing == nil ? "the mix of \(name)" : "\(name) alone",
                types: own.compactMap { $0.first! })
            guard table.types.count == units.count,
                units.indices.allSatisfy({ measured[$0].errors[table.types[$0]] != nil })
            else { continue }
            let plan = try Self.planning(planning, choices, units, table.types).plan(
                destination: destination, recordedAs: record)
            guard excess(of: plan) <= 0 else { continue }
            let divergence = units.indices.reduce(0) { $0 + measured[$1].predicted(table.types[$1]) }
            if divergence < best?.divergence ?? .infinity { best = (table, divergence) }
        }
        return best?.table
    }

    /// The types with the least sum of costs, of which the whole plan is within the limit.
    private func allocation(
        _ record: CalibrationRecord, destination: String, cost: (Int, WeightType) -> Double
    ) throws(RecastError) -> [WeightType] {
        let allocation = Allocation(
            units: units.indices.map { index in
                candidates[index].map {
                    Allocation.Option(
                        size: choices.byteCount(units[index], as: $0, alignment: alignment), cost: cost(index, $0))
                }
            })
        var limit = try Self.range(planning, choices, units, candidates, options.limit, alignment).limit
        while true {
            guard let choice = allocation.choice(limit: limit) else {
                throw .usage("the limit cannot be met with the types there are to choose from")
            }
            let types = zip(candidates, choice).map { $0[$1] }
            let plan = try Self.planning(planning, choices, units, types).plan(
                destination: destination, recordedAs: record)
            let excess = self.excess(of: plan)
            guard excess > 0 else { return types }
            limit -= excess
        }
    }

    /// Bytes beyond the limit.
    private func excess(of plan: Plan) -> Int {
        switch options.limit {
        case .size(let size): plan.byteCount - size
        case .bitsPerWeight(let bits): plan.tensorByteCount - Int(bits * Double(plan.elementCount) / 8)
        }
    }

    // MARK: Judging

    private func judge(
        _ tables: [Table], _ measured: [Measured], _ chunks: [[Int32]], _ heldOut: [[Int32]],
        _ record: CalibrationRecord, _ work: CalibrationWork, in folder: WorkFolder,
        _ show: (Stage) -> (@Sendable (Progress) -> Void)?
    ) throws(RecastError) -> Result {
        func calibrated(_ index: Int) throws(RecastError) -> (Planning, Calibration.Outcome) {
            let planning = try Self.planning(self.planning, choices, units, tables[index].types)
            var own = work
            own.destination = CandidateFolders.destination(of: index, work)
            var calibration = calibration
            // The reference's states are there as well.
            if let limit = calibration.maximumMemory { calibration.maximumMemory = limit - limit / 8 }
            let outcome = try Calibration(
                planning, files: files, calibration,
                passOptions: passOptions(show(.candidate(index + 1, of: tables.count)))
            ).run(on: chunks, record.texts, context: record.context, own)
            return (planning, outcome)
        }
        var scores: [BudgetReport.Score] = []
        var best: (index: Int, planning: Planning, outcome: Calibration.Outcome)?
        do throws(RecastError) {
            var reference: ReferencePredictions?
            for index in tables.indices {
                let name = "candidate-\(index + 1)"
                let types = JSON.array(tables[index].types.map { .string($0.name) })
                if let kept = folder.json(name), kept["types"] == types, let score = BudgetReport.Score(kept) {
                    scores.append(score)
                    continue
                }
                let (planning, outcome) = try calibrated(index)
                do throws(RecastError) {
                    if reference == nil {
                        reference = try ReferencePredictions(
                            of: ForwardPass(choices.graph, files: files, options: passOptions(nil)), on: heldOut,
                            keepsLayers: false)
                    }
                    let score = BudgetReport.Score(
                        try reference!.divergence(
                            of: outcome.graph, options: passOptions(show(.judging(index + 1, of: tables.count)))))
                    var kept = score.json.object!
                    kept["types"] = types
                    try folder.write(.object(kept), to: name)
                    scores.append(score)
                } catch { throw outcome.ended(by: error, keeps: work.resumes) }
                let isBest = scores.dropLast().allSatisfy { scores.last!.isBelow($0) }
                if isBest {
                    best?.outcome.discard()
                    best = (index, planning, outcome)
                } else {
                    outcome.discard()
                }
            }
            let winner = scores.indices.min { scores[$0].isBelow(scores[$1]) }!
            if best?.index != winner {
                let (planning, outcome) = try calibrated(winner)
                best = (winner, planning, outcome)
            }
            // What an earlier run has kept of the others.
            CandidateFolders(work).discard(but: winner)
            let calibration = try Calibration(
                best!.planning, files: files, calibration, passOptions: passOptions(nil))
            return Result(
                planning: best!.planning, outcome: best!.outcome,
                recipe: try best!.planning.recipe(with: choices.fixed),
                notes: calibration.notes + unchosenNotes, warnings: calibration.warnings,
                report: BudgetReport(
                    units, measured, tables.map(\.types), names: tables.map(\.name), scores, chosen: winner),
                folder: folder)
        } catch {
            if !work.resumes { best?.outcome.discard() }
            throw error
        }
    }
}
