/// Numbers for people.
package enum Format {
    /// Decimal units, as file systems and the Hub use them: `3.1 GB`.
    package static func bytes(_ count: Int) -> String { scaled(count, ["B", "kB", "MB", "GB", "TB", "PB"]) }

    /// `1.5 B` parameters.
    package static func count(_ count: Int) -> String { scaled(count, ["", "K", "M", "B", "T"]) }

    private static func scaled(_ count: Int, _ units: [String]) -> String {
        var value = Double(count)
        var unit = 0
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        let text = unit == 0 ? "\(count)" : fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0)
        return units[unit].isEmpty ? text : "\(text) \(units[unit])"
    }

    /// A number with so many digits after the point.
    package static func fixed(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return described(value) }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((abs(value) * scale).rounded())
        let sign = value < 0 && whole != 0 ? "-" : ""
        guard digits > 0 else { return sign + "\(whole)" }
        let fraction = String(whole % Int(scale))
        return sign + "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    /// A number without a needless fraction.
    package static func plain(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : described(value)
    }

    /// All digits. The sign of what is no number says nothing.
    package static func described(_ value: Double) -> String { value.isNaN ? "nan" : "\(value)" }

    package static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Three significant digits: `0.0712`, `1.53e-07`.
    package static func significant(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : described(value) }
        var exponent = 0
        var mantissa = abs(value)
        while mantissa >= 9.995 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        while mantissa < 0.9995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
        let sign = value < 0 ? "-" : ""
        if (-4..<6).contains(exponent) { return sign + fixed(abs(value), max(0, 2 - exponent)) }
        return "\(sign)\(fixed(mantissa, 2))e\(exponent)"
    }
}
