extension Double {
    /// Without a needless fraction: `12`, `0.45`.
    public var plain: String { Int(exactly: self).map(String.init) ?? "\(self)" }
}
