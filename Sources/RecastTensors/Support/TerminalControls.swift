extension Unicode.Scalar {
    /// Whether writing it to a terminal may do something else than show a character.
    ///
    /// C0, DEL and C1 begin the terminal's own commands; format characters hide themselves, or turn the order of what
    /// stands around them; the separators break lines.
    package var steersTerminals: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// `\u001b`: the character as JSON spells it, in two units of UTF-16 beyond the first 65536.
    package var escaped: String {
        UTF16.encode(self)!.reduce(into: "") { text, unit in
            let digits = String(unit, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
}
