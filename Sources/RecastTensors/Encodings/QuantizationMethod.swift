/// How the scales of a packed encoding are chosen. An encoding says how numbers are stored, a method how they are found.
public enum QuantizationMethod: String, Sendable, Hashable, Codable, CaseIterable {
    /// From the extremes of each block.
    case round
    /// The best of several clippings of the extremes: the one with the least squared error.
    case search
}
