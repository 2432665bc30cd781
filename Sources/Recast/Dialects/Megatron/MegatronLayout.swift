/// How a model is spread over ranks: how many there are of each kind, and which layers each stage has.
///
/// Source: Specs/megatron.md §3.4.
package struct MegatronLayout: Sendable, Hashable {
    package let sizes: MegatronFiles.ParallelSizes
    /// The layers of each stage, by virtual stage: the model's layers follow each other stage by stage, and then virtual
    /// stage by virtual stage.
    package let layers: [[Range<Int>]]

    /// - Parameter counts: how many layers each has, in the order of the model; nil for as many in each.
    /// - Throws: `usage` where the layers cannot be shared so.
    package init(_ sizes: MegatronFiles.ParallelSizes, layerCount: Int, counts: [Int]? = nil) throws(RecastError) {
        let limit = 1 << 12
        for (name, size) in sizes.named where !(1...limit).contains(size) {
            throw .usage("\(name) \(size) is not from 1 to \(limit)")
        }
        let stages = sizes.pipeline * sizes.virtualPipeline
        if sizes.virtualPipeline > 1, sizes.pipeline == 1 {
            throw .usage("--vpp \(sizes.virtualPipeline) needs stages to be virtual of: --pp 2 or more")
        }
        let each: [Int]
        if let counts {
            guard counts.count == stages else {
                throw .usage(
                    "--pipeline-layout names \(counts.count) stages, but --pp\(sizes.virtualPipeline > 1 ? " × --vpp" : "") "
                        + "makes \(stages)")
            }
            guard counts.allSatisfy({ (0...layerCount).contains($0) }), counts.reduce(0, +) == layerCount else {
                throw .usage(
                    "--pipeline-layout \(counts.map(String.init).joined(separator: ",")) does not add up to the "
                        + "\(layerCount) layers of the model")
            }
            each = counts
        } else {
            guard layerCount.isMultiple(of: stages) else {
                throw .usage(
                    "\(layerCount) layers cannot be shared evenly among \(stages) stages; --pipeline-layout shares them "
                        + "unevenly")
            }
            each = Array(repeating: layerCount / stages, count: stages)
        }
        var first = 0
        let ranges = each.map { count in
            defer { first += count }
            return first..<first + count
        }
        self.sizes = sizes
        layers = (0..<sizes.virtualPipeline).map { chunk in
            Array(ranges[chunk * sizes.pipeline..<(chunk + 1) * sizes.pipeline])
        }
    }

    /// How many layers each stage has, in the order of the model.
    var counts: [Int] { layers.flatMap { $0.map(\.count) } }
    var isEven: Bool { Set(counts).count == 1 }

    /// The stage and virtual stage of a layer, and its number there.
    func place(of layer: Int) -> (stage: Int, chunk: Int, number: Int)? {
        for (chunk, stages) in layers.enumerated() {
            for (stage, range) in stages.enumerated() where range.contains(layer) {
                return (stage, chunk, layer - range.lowerBound)
            }
        }
        return nil
    }

    /// Where the files of a stage are: each tensor-parallel rank with each expert-parallel rank that one of the processes
    /// is, which number themselves by both. Source: Specs/megatron.md §1.2.
    var places: [(tensor: Int, expert: Int)] {
        let processes = sizes.tensor.leastCommonMultiple(with: sizes.expertTensor * sizes.expert)
        let pairs = Set((0..<processes).map { [$0 % sizes.tensor, $0 / sizes.expertTensor % sizes.expert] })
        return pairs.sorted { $0.lexicographicallyPrecedes($1) }.map { ($0[0], $0[1]) }
    }

    /// The folder of a rank's file. Source: Specs/megatron.md §1.2.
    func folder(tensor: Int, pipeline: Int, expert: Int) -> String {
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        var name = "mp_rank_" + digits(tensor, 2)
        if sizes.pipeline > 1 { name += "_" + digits(pipeline, 3) }
        if sizes.expert > 1 { name += "_" + digits(expert, 3) }
        return name
    }
}

extension MegatronFiles.ParallelSizes {
    /// The sizes by the options that set them.
    fileprivate var named: [(String, Int)] {
        [
            ("--tp", tensor), ("--pp", pipeline), ("--vpp", virtualPipeline), ("--ep", expert), ("--etp", expertTensor),
        ]
    }
}
