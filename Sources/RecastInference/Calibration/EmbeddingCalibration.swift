import Recast

/// Chooses the codes of a token embedding: a table whose rows are looked up, and multiplied with nothing.
///
/// What an error in a row costs is what it changes in the first products that are made of it: those of the first layer's
/// attention, each error as a part of what these give for the tokens of the texts. So the rows are rounded with feedback, too,
/// with `Σ Wᵀ W / tr(W S Wᵀ)` over these weights in the place of a Hessian, where S are the second moments of the embeddings
/// as the tokens come, and W includes the norm before it.
struct EmbeddingCalibration {
    let graph: Graph
    let reader: ForwardPass.Run
    let options: CalibrationOptions

    static let slot = Slot(.tokenEmbedding)

    /// Rows in memory at once.
    private static let rowsAtOnce = 8192

    func run(
        _ target: WeightTarget, texts: [[Int32]],
        _ write: @escaping @Sendable (Slot, Range<Int>, EncodedRows) throws(RecastError) -> Void
    ) throws(RecastError) -> CalibrationReport.Weight {
        let tensor = graph[Self.slot]!
        let factor = try HessianFactor(
            try metric(texts), damping: options.damping, target.order)
        let quantizer = WeightQuantizer(factor, target, options, by: reader.workers)
        let room = FloatBuffer(count: min(tensor.rowCount, Self.rowsAtOnce) * tensor.columnCount)
        var errors = OutputErrors()
        for first in stride(from: 0, to: tensor.rowCount, by: Self.rowsAtOnce) {
            let rows = first..<min(tensor.rowCount, first + Self.rowsAtOnce)
            try TensorLoad.run(
                TensorLoad.loads(of: tensor, rows: rows, into: room.base, name: "\(Self.slot)"), by: reader.workers,
                reader.resources)
            let numbers = UnsafeMutableBufferPointer(start: room.base, count: rows.count * tensor.columnCount)
            errors += try quantizer.quantize(numbers, rows: rows.count) { (range, tile) throws(RecastError) in
                try write(Self.slot, first + range.lowerBound..<first + range.upperBound, tile)
            }
        }
        return CalibrationReport.Weight(
            Self.slot, target, tokens: texts.reduce(0) { $0 + $1.count }, factor, errors, remarks: [])
    }

    /// The weights that the first layer begins with, or those before it.
    private var consumers: [Slot] {
        if graph[.embeddingProjection] != nil { return [Slot(.embeddingProjection)] }
        let stages = graph.configuration.mixerStages(inLayer: 0)
        return stages.lazy.map { $0.inputs(graph.configuration, layer: 0).flatMap(\.sites) }.first { !$0.isEmpty } ?? []
    }

    /// What the rows are rounded by.
    func metric(_ texts: [[Int32]]) throws(RecastError) -> Hessian {
        let columns = graph[Self.slot]!.columnCount
        let moments = try moments(texts, columns: columns)
        let metric = Hessian(columns: columns)
        let library = MatrixLibrary.current
        for site in consumers {
            let tensor = graph[site]!
            let rows = tensor.rowCount
            let weight = FloatBuffer(count: tensor.elementCount)
            try TensorLoad.run(
                TensorLoad.loads(of: tensor, rows: 0..<rows, into: weight.base, name: "\(site)"), by: reader.workers,
                reader.resources)
            try foldNorm(into: weight.base, rows: rows, columns: columns)
            // tr(W S Wᵀ)
            let product = FloatBuffer(count: weight.count)
            library.sgemm(
                MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(columns),
                CInt(columns), 1, weight.base, CInt(columns), moments.values.base, CInt(columns), 0, product.base,
                CInt(columns))
            let output = Reduction.dot(weight.base, product.base, weight.count) / Double(max(1, moments.count))
            guard output.isFinite, output > 0 else { continue }
            let factor = Float(1 / output).squareRoot()
            for i in 0..<weight.count { weight.base[i] *= factor }
            try metric.add(weight.base, rows: rows, by: reader.workers)
        }
        metric.complete()
        metric.count = 1
        return metric
    }

    /// What the norm between the embedding and the weights does, but for its division by a row's length.
    private func foldNorm(into weight: UnsafeMutablePointer<Float>, rows: Int, columns: Int) throws(RecastError) {
        guard graph.configuration.layers[0].norms.hasPreNorms, graph.configuration.embeddingSize == nil else { return }
        if let norm = graph[.attentionNorm, layer: 0] {
            let (factors, offset) = (FloatBuffer(count: columns), Float(graph.configuration.norms.offset))
            try TensorLoad.run(
                TensorLoad.loads(of: norm, rows: 0..<columns, into: factors.base, name: "attentionNorm"),
                by: reader.workers, reader.resources)
            for row in 0..<rows { for i in 0..<columns { weight[row * columns + i] *= factors.base[i] + offset } }
        }
        guard graph.configuration.norms.kind == .layer else { return }
        // What all columns share is taken off.
        for row in 0..<rows {
            let numbers = weight + row * columns
            let mean = Float(Reduction.sum(numbers, columns) / Double(columns))
            for i in 0..<columns { numbers[i] -= mean }
        }
    }

    /// Second moments of the embeddings of all tokens.
    private func moments(_ texts: [[Int32]], columns: Int) throws(RecastError) -> Hessian {
        let moments = Hessian(columns: columns)
        let tensor = graph[Self.slot]!.converted(to: .f32)
        var counts: [Int32: Int] = [:]
        for text in texts { for token in text { counts[token, default: 0] += 1 } }
        let tokens = counts.keys.sorted()
        let room = FloatBuffer(count: ForwardPass.rowsAtOnce * columns)
        for first in stride(from: 0, to: tokens.count, by: ForwardPass.rowsAtOnce) {
            let part = tokens[first..<min(tokens.count, first + ForwardPass.rowsAtOnce)]
            for (index, token) in part.enumerated() {
                let row = room.base + index * columns
                try tensor.read(
                    Window(rows: Int(token)..<Int(token) + 1, columns: 0..<columns),
                    into: UnsafeMutableRawBufferPointer(start: row, count: columns * 4),
                    using: &reader.resources[0].reader)
                let weight = Float(counts[token]!).squareRoot()
                for i in 0..<columns { row[i] *= weight }
            }
            try moments.add(room.base, rows: part.count, by: reader.workers)
        }
        moments.complete()
        moments.count = counts.values.reduce(0, +)
        return moments
    }
}
