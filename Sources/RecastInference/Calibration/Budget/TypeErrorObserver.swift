import Recast
import Synchronization

/// Measures, while a pass goes through the layers, what error each of some types would make in the output of each weight;
/// changes nothing.
///
/// Errors are those of some rows of a weight, evenly spread, as a calibration would choose their codes. In one type, the probe,
/// all rows are written.
final class TypeErrorObserver: HeadObserver {
    private let targets: [Slot: [WeightTarget]]
    private let probes: [Slot: WeightTarget]
    private let options: CalibrationOptions
    private let workers: Workers
    private let moments: InputMoments
    private let write: @Sendable (Slot, Range<Int>, EncodedRows) throws(RecastError) -> Void
    private var found: [TypeError] = []

    /// Rows that are measured of a weight, and of an expert's.
    private static let rowCounts = (whole: 256, expert: 32)
    /// Rows of the probe in memory at once: a table of embeddings need not be there twice.
    private static let rowsAtOnce = 8192

    init(
        _ targets: [Slot: [WeightTarget]], probes: [Slot: WeightTarget], _ options: CalibrationOptions,
        by workers: Workers, write: @escaping @Sendable (Slot, Range<Int>, EncodedRows) throws(RecastError) -> Void
    ) {
        self.targets = targets
        self.probes = probes
        self.options = options
        self.workers = workers
        self.write = write
        moments = InputMoments(damping: options.damping, by: workers)
    }

    /// What was found since the last call.
    func takeErrors() -> [TypeError] {
        defer { found = [] }
        return found
    }

    func observes(_ site: Slot) -> Bool { targets[site] != nil || site.role.pools }

    func observe(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError) { try moments.add(input, rows: rows, columns: columns, of: sites) }

    func replace(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
    ) throws(RecastError) {
        defer {
            if site.role == .expertLatentDown {
                moments.pool(through: weight.baseAddress!, rows: rows, columns: columns)
            }
        }
        guard targets[site] != nil else { return }
        if !moments.sites.contains(site) { moments.begin([site], columns: columns) }
        do throws(RecastError) {
            let tokens = moments.tokenCount
            try measure(site, rows: rows, columns: columns, tokens: tokens) { (rows, target) throws(RecastError) in
                target.update(from: weight.baseAddress! + rows.lowerBound * columns, count: rows.count * columns)
            } factor: { (target) throws(RecastError) in
                try moments.factor(target.order, for: site)
            }
        } catch { throw error.within("\(site)") }
    }

    func replaceHead(
        rows: Int, columns: Int, of site: Slot,
        load: (Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        guard targets[site] != nil else { return }
        do throws(RecastError) {
            try measure(site, rows: rows, columns: columns, tokens: moments.tokenCount, load: load) {
                (target) throws(RecastError) in try moments.factor(target.order, for: site)
            }
        } catch { throw error.within("\(site)") }
    }

    /// - Parameters:
    ///   - load: fetches some rows of the weight.
    ///   - factor: for a target of the weight.
    func measure(
        _ site: Slot, rows: Int, columns: Int, tokens: Int,
        load: (Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void,
        factor: (WeightTarget) throws(RecastError) -> HessianFactor
    ) throws(RecastError) {
        let limit = site.expert == nil ? Self.rowCounts.whole : Self.rowCounts.expert
        let count = min(rows, limit)
        let sample = FloatBuffer(count: count * columns)
        for target in targets[site]! where target.encoding != probes[site]?.encoding {
            for row in 0..<count {
                let source = row * rows / count
                try load(source..<source + 1, sample.base + row * columns)
            }
            let errors = try WeightQuantizer(try factor(target), target, options, by: workers).quantize(
                UnsafeMutableBufferPointer(start: sample.base, count: sample.count), rows: count
            ) { (_, _) throws(RecastError) in }
            add(site, target, errors, tokens: tokens)
        }
        guard let probe = probes[site] else { return }
        var errors = OutputErrors()
        let quantizer = WeightQuantizer(try factor(probe), probe, options, by: workers)
        let room = FloatBuffer(count: min(rows, Self.rowsAtOnce) * columns)
        let write = write
        for first in stride(from: 0, to: rows, by: Self.rowsAtOnce) {
            let range = first..<min(rows, first + Self.rowsAtOnce)
            try load(range, room.base)
            errors += try quantizer.quantize(
                UnsafeMutableBufferPointer(start: room.base, count: range.count * columns), rows: range.count
            ) { (part, codes) throws(RecastError) in
                try write(site, first + part.lowerBound..<first + part.upperBound, codes)
            }
        }
        add(site, probe, errors, tokens: tokens)
    }

    private func add(_ site: Slot, _ target: WeightTarget, _ errors: OutputErrors, tokens: Int) {
        found.append(
            TypeError(
                slot: site, encoding: target.encoding.name, error: errors.final, output: errors.output, tokens: tokens))
    }
}

/// What error a type makes in the output of a weight: both summed over the same rows, and means over tokens.
struct TypeError: Sendable, Hashable {
    var slot: Slot
    var encoding: String
    var error: Double
    var output: Double
    /// That were multiplied with it.
    var tokens: Int
}

extension TypeError {
    var json: JSON {
        [
            "role": .string(slot.role.rawValue), "layer": slot.layer.map(JSON.int) ?? .null,
            "expert": slot.expert.map(JSON.int) ?? .null, "encoding": .string(encoding), "error": .double(error),
            "output": .double(output), "tokens": .int(tokens),
        ]
    }

    init?(_ json: JSON) {
        guard let role = (json["role"]?.string).flatMap(Role.init(rawValue:)), let encoding = json["encoding"]?.string,
            let error = json["error"]?.number?.double, let output = json["output"]?.number?.double,
            let tokens = json["tokens"]?.int
        else { return nil }
        self.init(
            slot: Slot(role, layer: json["layer"]?.int, expert: json["expert"]?.int), encoding: encoding, error: error,
            output: output, tokens: tokens)
    }
}
