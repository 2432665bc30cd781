import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The scales around one that a group could have as well, each as its encoding stores it.
struct ScaleCandidates {
    /// How far from the present scale and offset, in steps.
    struct Step: Hashable {
        var scale: Int
        var offset: Int
    }

    let grid: WeightGrid
    let steps: [Step]

    /// - Parameter reach: how many steps to each side.
    init(_ grid: WeightGrid, reach: Int) {
        self.grid = grid
        var scales = -reach...reach
        var offsets = 0...0
        if case .stored(.f8e8m0) = grid.scales { scales = -1...1 }
        // What several rows have a part in stays as it is.
        if !grid.hasScalesOfRows { scales = 0...0 }
        switch grid.offsets {
        case _ where !grid.hasScalesOfRows: break
        case .none: break
        case .zeros, .multiples: offsets = -min(reach, 2)...min(reach, 2)
        case .stored: offsets = -min(reach, 2)...min(reach, 2)
        }
        steps = scales.flatMap { scale in offsets.map { Step(scale: scale, offset: $0) } }
    }

    /// The scale of each lane, some steps away.
    ///
    /// - Parameters:
    ///   - units: of the group's unit, `[lanes]`; likewise for minima.
    func fill(
        _ out: ScaleLanes, _ step: Step, from present: ScaleLanes, units: UnsafePointer<Float>,
        minimumUnits: UnsafePointer<Float>
    ) {
        // Finer codes want finer steps.
        let relative: Float = grid.scheme.bits <= 2 ? 0.05 : grid.scheme.bits == 3 ? 0.03 : 0.02
        for i in 0..<GridTile.lanes {
            out.set(i, from: present, i)
            if step.scale != 0 {
                switch grid.scales {
                case .stored(let dtype):
                    let factor =
                        dtype == .f8e8m0 ? exp2f(Float(step.scale)) : 1 + relative * Float(step.scale)
                    let scale = grid.rounded(scale: present.scale[i] * factor, dtype)
                    if scale.isFinite { out.scale[i] = scale }
                case .multiples(let range):
                    let coarse = max(1, (abs(present.multiple[i]) * relative / 2).rounded())
                    let multiple = present.multiple[i] + Float(step.scale) * coarse
                    out.multiple[i] = min(max(multiple, range.lowerBound), range.upperBound)
                    out.scale[i] = units[i] * out.multiple[i]
                }
                out.deriveInverse(at: i)
            }
            guard step.offset != 0 else { continue }
            switch grid.offsets {
            case .none: break
            case .zeros(let range):
                out.shift[i] = min(max(present.shift[i] + Float(step.offset), range.lowerBound), range.upperBound)
            case .stored(let dtype):
                let bias = dtype.rounded(scale: present.bias[i] + 0.25 * Float(step.offset) * present.scale[i])
                if bias.isFinite { out.bias[i] = bias }
            case .multiples(let range):
                let coarse = max(1, (present.minimumMultiple[i] * relative / 2).rounded())
                let multiple = present.minimumMultiple[i] + Float(step.offset) * coarse
                out.minimumMultiple[i] = min(max(multiple, range.lowerBound), range.upperBound)
                out.bias[i] = -(minimumUnits[i] * out.minimumMultiple[i])
            }
        }
    }
}
