import Recast
import Synchronization

/// Chooses the codes of each weight while a pass goes through the layers: from what the weight will be multiplied with, which
/// the weights before it have made as they are quantized.
final class CalibrationObserver: HeadObserver {
    private let graph: Graph
    private let targets: [Slot: WeightTarget]
    private let workers: Workers
    private let options: CalibrationOptions
    /// Takes the codes of some rows; several threads call it.
    private let write: @Sendable (Slot, Range<Int>, EncodedRows) throws(RecastError) -> Void
    private var records: [CalibrationReport.Weight] = []
    /// Reads a weight of the graph as it is: `[rows, columns]`.
    private let load: (Slot) throws(RecastError) -> FloatBuffer
    /// Norms and biases that scales were folded into.
    private var folded: [Slot: [Float]] = [:]
    /// Codes of weights whose rows may be scaled, or put in another order, yet.
    private var kept: [Slot: [(rows: Range<Int>, codes: EncodedRows)]] = [:]

    private let moments: InputMoments

    /// Rows of a head in memory at once.
    private static let rowsAtOnce = 8192

    init(
        _ graph: Graph, _ targets: [Slot: WeightTarget], _ options: CalibrationOptions, by workers: Workers,
        load: @escaping (Slot) throws(RecastError) -> FloatBuffer,
        write: @escaping @Sendable (Slot, Range<Int>, EncodedRows) throws(RecastError) -> Void
    ) {
        self.graph = graph
        self.targets = targets
        self.load = load
        self.options = options
        self.workers = workers
        self.write = write
        moments = InputMoments(damping: options.damping, by: workers)
    }

    /// What was found since the last call.
    func takeRecords() -> [CalibrationReport.Weight] {
        defer { records = [] }
        return records
    }

    /// Norms and biases that have changed since the last call.
    func takeFolded() -> [Slot: [Float]] {
        defer {
            folded = [:]
            kept = [:]
        }
        return folded
    }

    func observes(_ site: Slot) -> Bool { targets[site] != nil || site.role.pools }

    func observe(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError) {
        if sites != moments.sites { scales = nil }
        try moments.add(input, rows: rows, columns: columns, of: sites)
    }

    func replace(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
    ) throws(RecastError) {
        defer {
            if site.role == .expertLatentDown {
                moments.pool(through: weight.baseAddress!, rows: rows, columns: columns)
            }
        }
        guard let target = targets[site] else { return }
        // An expert that no token goes through is seen here first.
        if !moments.sites.contains(site) {
            scales = nil
            moments.begin([site], columns: columns)
        }
        do throws(RecastError) {
            try quantize(weight, rows: rows, columns: columns, of: site, target)
        } catch { throw error.within("\(site)") }
    }

    /// The rows of a head have nothing to do with each other: they are there a part at a time.
    func replaceHead(
        rows: Int, columns: Int, of site: Slot,
        load: (Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        guard let target = targets[site] else { return }
        do throws(RecastError) {
            let room = FloatBuffer(count: min(rows, Self.rowsAtOnce) * columns)
            var remarks: [String] = []
            let places = try placesOfColumns(for: site, target, &remarks)
            let factor = try factor(target, site, columnsAt: places)
            // No operation before a head takes scales.
            let method = options.method == .awq ? .search : options.method
            var errors = OutputErrors()
            for first in stride(from: 0, to: rows, by: Self.rowsAtOnce) {
                let range = first..<min(rows, first + Self.rowsAtOnce)
                try load(range, room.base)
                let part = UnsafeMutableBufferPointer(start: room.base, count: range.count * columns)
                errors += try round(part, range, of: site, target, factor, method, columnsAt: places)
            }
            record(target, site, factor, errors, remarks)
        } catch { throw error.within("\(site)") }
    }

    private func quantize(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot, _ target: WeightTarget
    ) throws(RecastError) {
        var remarks: [String] = []
        let places = try placesOfColumns(for: site, target, &remarks)
        let factor = try factor(target, site, columnsAt: places)
        let errors =
            options.method == .awq
            ? try scaleAndQuantize(weight, rows: rows, of: site, target, factor, &remarks)
            : try round(weight, 0..<rows, of: site, target, factor, options.method, columnsAt: places)
        record(target, site, factor, errors, remarks)
    }

    private func factor(
        _ target: WeightTarget, _ site: Slot, columnsAt places: [Int]?
    ) throws(RecastError) -> HessianFactor {
        guard let places else { return try moments.factor(target.order, for: site) }
        return try moments.factor(target.order, for: site, columnsAt: places)
    }

    private func record(
        _ target: WeightTarget, _ site: Slot, _ factor: HessianFactor, _ errors: OutputErrors, _ remarks: [String]
    ) {
        record(
            CalibrationReport.Weight(
                site, target, tokens: moments.tokenCount, factor, errors,
                remarks: factor.remarks(asked: options.damping) + moments.remarks + remarks))
    }

    /// - Parameters:
    ///   - rows: of the weight, which are there.
    ///   - places: the column at each place, where those that share a scale are no neighbours.
    private func round(
        _ weight: UnsafeMutableBufferPointer<Float>, _ rows: Range<Int>, of site: Slot, _ target: WeightTarget,
        _ factor: HessianFactor, _ method: CalibrationOptions.Method, columnsAt places: [Int]? = nil,
        keeps: Bool = false
    ) throws(RecastError) -> OutputErrors {
        var options = options
        options.method = method
        let quantizer = WeightQuantizer(factor, target, options, by: workers)
        let isKept = keeps || options.reorders && ChannelOrder.producerRoles.contains(site.role)
        let kept = Mutex<[(rows: Range<Int>, codes: EncodedRows)]>([])
        let write = write
        let stored = target.encoding.hasActOrder ? places : nil
        let numbers = places.map { ColumnPlaces($0).gathered(weight, rows: rows.count) }
        let errors = try quantizer.quantize(
            numbers.map { UnsafeMutableBufferPointer(start: $0.base, count: weight.count) } ?? weight, rows: rows.count
        ) { (part, codes) throws(RecastError) in
            var codes = codes
            if let stored, case .tile(let tile) = codes.content {
                codes.content = .tile(tile.movingColumns(to: stored))
            }
            let range = rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound
            try write(site, range, codes)
            if isKept { kept.withLock { $0.append((range, codes)) } }
        }
        // The input of the pass is in its own order.
        if let places, let numbers { ColumnPlaces(places).scatter(numbers, into: weight, rows: rows.count) }
        if isKept { self.kept[site] = kept.withLock { $0.sorted { $0.rows.lowerBound < $1.rows.lowerBound } } }
        return errors
    }

    // MARK: Columns in another order

    /// The column at each place, where columns are rounded in groups of those that matter alike: of an encoding that says of
    /// each column which group it has, or where what they come from takes the same order.
    private func placesOfColumns(
        for site: Slot, _ target: WeightTarget, _ remarks: inout [String]
    ) throws(RecastError) -> [Int]? {
        // Scales make columns alike in the order that they have.
        if options.method == .awq { return nil }
        if target.encoding.hasActOrder {
            let weights = try moments.meanSquares(for: site)
            return weights.indices.sorted { (weights[$0], $1) > (weights[$1], $0) }
        }
        guard options.reorders, let channels = ChannelOrder(before: site, in: graph) else { return nil }
        defer { for producer in channels.producers { kept[producer] = nil } }
        guard channels.producers.allSatisfy({ kept[$0] != nil }) else {
            remarks.append("channels keep their order, as what they come from is not calibrated")
            return nil
        }
        guard channels.producers.allSatisfy({ targets[$0]?.hasScalesOfRows == true }) else {
            remarks.append("channels keep their order, as the rows they come from share their scales with others")
            return nil
        }
        let (rows, columns) = channels.places(try moments.meanSquares(for: site))
        for producer in channels.producers { try reorder(producer, rowsAt: rows) }
        return columns
    }

    /// Writes the rows of a weight, and of its bias, in another order.
    private func reorder(_ producer: Slot, rowsAt places: [Int]) throws(RecastError) {
        let codes = EncodedRows.joined(kept[producer]!.map(\.codes))
        for first in stride(from: 0, to: places.count, by: GridTile.lanes) {
            let rows = first..<min(places.count, first + GridTile.lanes)
            try write(producer, rows, codes.picked(Array(places[rows])))
        }
        guard graph[producer.bias] != nil else { return }
        let numbers = try load(producer.bias)
        folded[producer.bias] = places.map { numbers.base[$0] }
    }

    // MARK: Scaled columns

    /// Of the columns of the weights whose input is being seen; nil until they are found.
    private var scales: ColumnScales?

    private struct ColumnScales {
        var factors: [Float]
        /// Why they are all one, where that has nothing to do with what is better.
        var remark: String?
    }

    private func scaleAndQuantize(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, of site: Slot, _ target: WeightTarget,
        _ factor: HessianFactor, _ remarks: inout [String]
    ) throws(RecastError) -> OutputErrors {
        let columns = target.columns
        if scales == nil { scales = try findScales(factor) }
        let scales = scales!.factors
        remarks += [self.scales!.remark].compactMap(\.self)
        // What rounding and a search would have made of it as it is.
        var options = options
        options.method = .search
        let plain = FloatBuffer(count: weight.count)
        plain.base.update(from: weight.baseAddress!, count: weight.count)
        var errors = try WeightQuantizer(factor, target, options, by: workers).quantize(
            UnsafeMutableBufferPointer(start: plain.base, count: plain.count), rows: rows
        ) { (_, _) throws(RecastError) in }
        for i in weight.indices { weight[i] *= scales[i % columns] }
        let keeps = site.role == .value || site.role == .up || site.role == .sharedUp
        let scaled = try round(
            weight, 0..<rows, of: site, target,
            try HessianFactor(moments.hessian!, damping: self.options.damping, scales: scales),
            .search, keeps: keeps)
        errors.final = scaled.relative(scaled.final) * errors.output
        // The input of the pass is not divided.
        for i in weight.indices { weight[i] /= scales[i % columns] }
        return errors
    }

    /// Finds the scales of the group, and folds them into the operation before; ones where there is none that takes them.
    private func findScales(_ factor: HessianFactor) throws(RecastError) -> ColumnScales {
        func none(_ reason: String) -> ColumnScales {
            ColumnScales(
                factors: [Float](repeating: 1, count: factor.columns), remark: "columns are not scaled, as \(reason)")
        }
        guard let fold = ScaleFold(before: moments.sites, in: graph) else {
            return none("no operation before takes scales for these weights alone")
        }
        // All that have the input must be scaled alike.
        if let other = moments.sites.first(where: { targets[$0] == nil }) {
            return none("\(other), with the same input, is not calibrated")
        }
        var sharing = ActivationScaling.Sharing.none
        if case .rows(let producer, let heads) = fold {
            guard targets[producer]?.takesRowFactors == true, kept[producer] != nil else {
                return none("the \(producer.role) projection they come from cannot be divided")
            }
            let values = graph[producer]!.rowCount
            sharing = ActivationScaling.Sharing(
                width: heads == 1 ? 1 : values / graph.configuration.keyValueHeadCount(inLayer: producer.layer ?? 0),
                heads: heads)
        }
        var buffers: [FloatBuffer] = []
        for site in moments.sites { buffers.append(try load(site)) }
        let weights = zip(moments.sites, buffers).map { site, buffer in
            ActivationScaling.Weight(
                numbers: UnsafePointer(buffer.base), rows: graph[site]!.rowCount, target: targets[site]!)
        }
        let scaling = ActivationScaling(
            factor: factor, inputs: moments.hessian!.meanSquares.map { $0.squareRoot() }, sharing: sharing,
            workers: workers)
        let scales = try scaling.scales(of: weights)
        return ColumnScales(factors: try self.fold(scales, into: fold, sharing))
    }

    /// - Returns: the scales as they are in effect, the rounding of what takes them being known.
    private func fold(
        _ scales: [Float], into fold: ScaleFold, _ sharing: ActivationScaling.Sharing
    ) throws(RecastError) -> [Float] {
        switch fold {
        case .norm(let slot):
            let dtype = graph[slot]!.dtype
            let offset = Float(graph.configuration.norms.offset)
            let weight = try load(slot)
            var (values, effective) = (scales, scales)
            for i in scales.indices {
                let old = weight.base[i]
                values[i] = dtype.rounded(scale: (old + offset) / scales[i] - offset)
                effective[i] = (old + offset) / (values[i] + offset)
                // What cannot be divided is left as it is.
                if !(effective[i].isFinite && effective[i] > 0) { (values[i], effective[i]) = (old, 1) }
            }
            self.folded[slot] = values
            let bias = Slot(slot.role, layer: slot.layer, .bias)
            if let tensor = graph[bias] {
                let numbers = try load(bias)
                self.folded[bias] = effective.indices.map {
                    tensor.dtype.rounded(scale: numbers.base[$0] / effective[$0])
                }
            }
            return effective
        case .rows(let producer, _):
            var factors = [Float](repeating: 1, count: graph[producer]!.rowCount)
            for column in scales.indices { factors[sharing.row(of: column)] = 1 / scales[column] }
            for (rows, codes) in kept[producer]! {
                try write(producer, rows, codes.scaled(by: Array(factors[rows]), targets[producer]!))
            }
            let bias = Slot(producer.role, layer: producer.layer, .bias)
            if producer.expert == nil, let tensor = graph[bias] {
                let numbers = try load(bias)
                self.folded[bias] = factors.indices.map { tensor.dtype.rounded(scale: numbers.base[$0] * factors[$0]) }
            }
            return scales
        }
    }

    /// Adds what was found elsewhere.
    func record(_ weight: CalibrationReport.Weight) { records.append(weight) }
}

extension HessianFactor {
    func remarks(asked: Float) -> [String] {
        var remarks: [String] = []
        if damping > asked {
            remarks.append("the Hessian was positive definite only with a damping of \(damping)")
        } else if isOfDoublePrecision {
            remarks.append("the Hessian was factorized in float64, as float32 found it not positive definite")
        }
        if deadCount > 0 { remarks.append("\(deadCount) columns are multiplied with nothing but zeros") }
        return remarks
    }
}
