/// A file type of `llama-quantize`: a default encoding, from which single tensors deviate by rule.
///
/// Source: Specs/gguf.md §c.1.
public struct GGUFFileType: Sendable, Hashable {
    /// In lower case, as `--encoding` takes it.
    public let name: String
    /// `general.file_type`.
    public let number: UInt32
    public let dtype: DType

    // swift-format-ignore
    public static let all: [GGUFFileType] = [
        .init("f32",      0, .f32),     .init("f16",      1, .f16),     .init("bf16",    32, .bf16),
        .init("q4_0",     2, .q4_0),    .init("q4_1",     3, .q4_1),    .init("q5_0",     8, .q5_0),
        .init("q5_1",     9, .q5_1),    .init("q8_0",     7, .q8_0),    .init("q2_k",    10, .q2_k),
        .init("q2_k_s",  21, .q2_k),    .init("q3_k_s",  11, .q3_k),    .init("q3_k_m",  12, .q3_k),
        .init("q3_k_l",  13, .q3_k),    .init("q4_k_s",  14, .q4_k),    .init("q4_k_m",  15, .q4_k),
        .init("q5_k_s",  16, .q5_k),    .init("q5_k_m",  17, .q5_k),    .init("q6_k",    18, .q6_k),
        .init("iq2_xxs", 19, .iq2_xxs), .init("iq2_xs",  20, .iq2_xs),  .init("iq3_xs",  22, .iq3_s),
        .init("iq3_xxs", 23, .iq3_xxs), .init("iq1_s",   24, .iq1_s),   .init("iq4_nl",  25, .iq4_nl),
        .init("iq3_s",   26, .iq3_s),   .init("iq3_m",   27, .iq3_s),   .init("iq2_s",   28, .iq2_xs),
        .init("iq2_m",   29, .iq2_s),   .init("iq4_xs",  30, .iq4_xs),  .init("iq1_m",   31, .iq1_m),
        .init("tq1_0",   36, .tq1_0),   .init("tq2_0",   37, .tq2_0),   .init("mxfp4_moe", 38, .mxfp4),
        .init("q1_0",    40, .q1_0),    .init("q2_0",    41, .q2_0),
    ]

    private init(_ name: String, _ number: UInt32, _ dtype: DType) {
        self.name = name
        self.number = number
        self.dtype = dtype
    }

    /// - Throws: `usage` with the nearest names, `unsupported` for one that cannot be written yet.
    public static func named(_ name: String) throws(RecastError) -> GGUFFileType {
        let supported = all.filter(\.dtype.isEncodable).map(\.name)
        guard let type = all.first(where: { $0.name == name.lowercased() }) else {
            let nearest = NearestName.ranked(name.lowercased(), among: all.map(\.name)).prefix(3)
            let hint = nearest.isEmpty ? "" : "; did you mean \(nearest.joined(separator: ", "))?"
            throw .usage("unknown encoding \"\(name)\"\(hint)")
        }
        guard type.dtype.isEncodable else {
            throw .unsupported(
                "the encoding \(type.name) cannot be written yet; \(supported.joined(separator: ", ")) can")
        }
        return type
    }
}
