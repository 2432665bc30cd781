extension Double {
    /// Without a needless fraction: `12`, `0.45`.
    package var plain: String { Int(exactly: self).map(String.init) ?? "\(self)" }
}
