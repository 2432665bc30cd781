#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The scale of shades.
enum Shade {
    /// 0 at `least`, 1 at `greatest`.
    static func position(_ value: Double, from least: Double, to greatest: Double, _ scale: Axis.Scale) -> Double {
        let part =
            scale == .log
            ? (log(value) - log(least)) / (log(greatest) - log(least))
            : (value / 2 - least / 2) / (greatest / 2 - least / 2)
        return part.isNaN ? 0 : min(1, max(0, part))
    }

    /// What the shades stand for, in 24 units of height.
    static func key(
        at y: Double, _ range: (Double, Double)?, _ format: (Double) -> String, isLogarithmic: Bool, hasZero: Bool,
        hasGaps: Bool
    ) -> [Markup] {
        guard let (least, greatest) = range else { return [] }
        var pieces: [Markup] = []
        var x = 0.0
        if hasZero {
            pieces.append(Drawing.rect(x, y, 14, 12, "zero"))
            pieces.append(Drawing.text("0", x + 18, y + 10, width: 10))
            x += 34
        }
        let low = format(least)
        if least == greatest {
            return pieces + [
                Drawing.rect(x, y, 14, 12, "q4"), Drawing.text(low, x + 18, y + 10, width: Drawing.width - x - 18),
            ]
        }
        pieces.append(Drawing.text(low, x, y + 10, width: 90))
        x += min(90, Drawing.width(of: low)) + 5
        for shade in 0..<HeatMap.shades {
            pieces.append(Drawing.rect(x + 11 * Double(shade), y, 11, 12, "q\(shade)"))
        }
        x += 11 * Double(HeatMap.shades) + 5
        pieces.append(Drawing.text(format(greatest), x, y + 10, width: 90))
        x += min(90, Drawing.width(of: format(greatest))) + 8
        if hasGaps, x + 60 < Drawing.width {
            pieces.append(Drawing.rect(x, y + 0.5, 13, 11, "none"))
            pieces.append(Drawing.text("none", x + 18, y + 10, width: 40))
            x += 58
        }
        if isLogarithmic, x + 82 < Drawing.width {
            pieces.append(Drawing.text("logarithmic", Drawing.width, y + 10, width: 90, .end))
        }
        return pieces
    }
}
