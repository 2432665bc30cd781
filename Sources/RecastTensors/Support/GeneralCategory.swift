extension Unicode.Scalar {
    /// The general category as of Unicode 16: that is what `tokenizers` (0.22, 0.23) cuts texts by, and later versions of the
    /// standard library know scalars that were assigned since.
    package var generalCategory: Unicode.GeneralCategory {
        if let age = properties.age, age.major > 16 { return .unassigned }
        return properties.generalCategory
    }
}
