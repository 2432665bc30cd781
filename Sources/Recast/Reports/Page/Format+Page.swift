extension Format {
    /// Six significant digits without zeros at the end: what tables say of a number. Whole numbers are whole.
    static func precise(_ value: Double) -> String {
        guard value.isFinite else { return described(value) }
        if value == value.rounded(), abs(value) < 1e15 { return "\(Int(value))" }
        var exponent = 0
        var mantissa = abs(value)
        while mantissa >= 9.999995 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        while mantissa < 0.9999995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
        let sign = value < 0 ? "-" : ""
        if (-4..<9).contains(exponent) { return sign + trimmed(fixed(abs(value), max(0, 5 - exponent))) }
        return "\(sign)\(trimmed(fixed(mantissa, 5)))e\(exponent)"
    }

    /// A place in a drawing, to hundredths.
    static func place(_ value: Double) -> String { value.isFinite ? trimmed(fixed(value, 2)) : "0" }

    /// `0.25 %`, `12.3 %`.
    static func percent(_ part: Double) -> String { significant(100 * part) + " %" }

    /// Two significant digits without needless zeros: `0.07`, `1.2`, `8`, `16`, `3e-5`.
    static func brief(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : described(value) }
        var exponent = 0
        var mantissa = abs(value)
        while mantissa >= 9.95 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        while mantissa < 0.995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
        let sign = value < 0 ? "-" : ""
        if (-3..<4).contains(exponent) { return sign + trimmed(fixed(abs(value), max(0, 1 - exponent))) }
        return "\(sign)\(trimmed(fixed(mantissa, 1)))e\(exponent)"
    }

    /// At most so many digits after the point.
    static func trimmed(_ value: Double, _ digits: Int) -> String { trimmed(fixed(value, digits)) }

    private static func trimmed(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: ".")) else { return text }
        var text = Substring(text)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return String(text)
    }
}
