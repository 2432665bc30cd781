#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Numbers along a line: from where to where, and which are written beside it.
struct Axis: Sendable {
    enum Scale: Sendable { case linear, log }

    let scale: Scale
    let lower: Double
    let upper: Double
    let ticks: [Double]

    /// - Parameters:
    ///   - values: what has to fit; what is no number, and on a logarithmic scale what is not above zero, does not count.
    ///   - isFromZero: whether zero is there, too.
    init(_ scale: Scale, over values: some Sequence<Double>, isFromZero: Bool = false, ticks count: Int = 5) {
        var range: ClosedRange<Double>?
        for value in values where value.isFinite && (scale == .linear || value > 0) {
            range = range.map { min($0.lowerBound, value)...max($0.upperBound, value) } ?? value...value
        }
        if scale == .linear, isFromZero { range = range.map { min(0, $0.lowerBound)...max(0, $0.upperBound) } }
        self.init(scale, range ?? (scale == .log ? 0.1...1 : 0...1), ticks: count)
    }

    private init(_ scale: Scale, _ range: ClosedRange<Double>, ticks count: Int) {
        self.scale = scale
        switch scale {
        case .linear:
            let magnitude = max(abs(range.lowerBound), abs(range.upperBound))
            // Numbers that differ in their last digits alone are one.
            let isFlat = range.upperBound - range.lowerBound <= magnitude * 1e-9
            let room = isFlat ? max(magnitude / 2, 1e-300) : 0
            let step = Self.step(
                (range.upperBound / 2 - range.lowerBound / 2 + room) * 2 / Double(max(1, count - 1)))
            let first = ((range.lowerBound - room) / step).rounded(.down)
            let last = ((range.upperBound + room) / step).rounded(.up)
            (lower, upper) = (first * step, last * step)
            let every = max(1, ((last - first) / Double(count + 1)).rounded(.up))
            ticks = stride(from: first, through: last, by: every).map { $0 * step }
        case .log:
            let first = Self.decade(range.lowerBound, .down)
            let last = max(first + 1, Self.decade(range.upperBound, .up))
            (lower, upper) = (pow(10, first), pow(10, last))
            let every = max(1, ((last - first) / Double(count)).rounded(.up))
            ticks = stride(from: first, through: last, by: every).map { pow(10, $0) }
        }
    }

    /// 0 at the lower end, 1 at the upper; what lies outside, and what is not finite, at the nearer end.
    func position(_ value: Double) -> Double {
        let place: Double
        switch scale {
        case .linear: place = (value / 2 - lower / 2) / (upper / 2 - lower / 2)
        case .log: place = value > 0 ? (log10(value) - log10(lower)) / (log10(upper) - log10(lower)) : 0
        }
        return place.isNaN ? 0 : min(1, max(0, place))
    }

    /// A tick with no more digits than tell it from the next.
    func label(_ tick: Double) -> String {
        if scale == .log || ticks.count < 2 { return Format.short(tick: tick) }
        let step = abs(ticks[1] - ticks[0])
        let magnitude = max(abs(lower), abs(upper))
        if tick == 0 || abs(tick) < step / 1000 { return "0" }
        guard magnitude < 1e5, step >= 1e-6 else { return Format.short(tick: tick) }
        return Format.fixed(tick, max(0, Int((-log10(step * 1.0001)).rounded(.up))))
    }

    /// 1, 2 or 5 times a power of ten, not below `least`.
    private static func step(_ least: Double) -> Double {
        guard least > 0, least.isFinite else { return least > 0 ? 1e307 : 1 }
        let power = pow(10, log10(least).rounded(.down))
        for factor in [1.0, 2, 5, 10] where power * factor >= least * 0.999999 { return power * factor }
        return power * 10
    }

    private static func decade(_ value: Double, _ rule: FloatingPointRoundingRule) -> Double {
        let exponent = log10(value)
        // Powers of ten are decades of their own.
        return abs(exponent - exponent.rounded()) < 1e-9 ? exponent.rounded() : exponent.rounded(rule)
    }
}

extension Format {
    /// `0.01`, `1e-5`, `20000`, `3e7`.
    fileprivate static func short(tick: Double) -> String {
        guard tick != 0, tick.isFinite else { return precise(tick) }
        let exponent = log10(abs(tick)).rounded(.down)
        if (-3...4).contains(exponent) { return precise(tick) }
        let mantissa = tick / pow(10, exponent)
        return "\(precise((mantissa * 100).rounded() / 100))e\(Int(exponent))"
    }
}
