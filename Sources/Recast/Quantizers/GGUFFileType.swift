/// A file type of `llama-quantize`: a default encoding, from which single tensors deviate by rule.
///
/// Source: Specs/gguf.md §c.1. The raw value is the name in lower case, as `--encoding` takes it.
package enum GGUFFileType: String, Sendable, Hashable, CaseIterable {
    case f32, f16, bf16
    case q4_0, q4_1, q5_0, q5_1, q8_0
    case q2_k, q2_k_s, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m, q6_k
    case iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq2_m, iq3_xxs, iq3_xs, iq3_s, iq3_m, iq4_nl, iq4_xs
    case tq1_0, tq2_0, mxfp4_moe, q1_0, q2_0

    package var name: String { rawValue }

    /// `general.file_type`.
    package var number: UInt32 { row.number }

    /// What most tensors get.
    package var dtype: DType { row.dtype }

    // swift-format-ignore
    private var row: (number: UInt32, dtype: DType) {
        switch self {
        case .f32:       (0,  .f32)
        case .f16:       (1,  .f16)
        case .bf16:      (32, .bf16)
        case .q4_0:      (2,  .q4_0)
        case .q4_1:      (3,  .q4_1)
        case .q5_0:      (8,  .q5_0)
        case .q5_1:      (9,  .q5_1)
        case .q8_0:      (7,  .q8_0)
        case .q2_k:      (10, .q2_k)
        case .q2_k_s:    (21, .q2_k)
        case .q3_k_s:    (11, .q3_k)
        case .q3_k_m:    (12, .q3_k)
        case .q3_k_l:    (13, .q3_k)
        case .q4_k_s:    (14, .q4_k)
        case .q4_k_m:    (15, .q4_k)
        case .q5_k_s:    (16, .q5_k)
        case .q5_k_m:    (17, .q5_k)
        case .q6_k:      (18, .q6_k)
        case .iq1_s:     (24, .iq1_s)
        case .iq1_m:     (31, .iq1_m)
        case .iq2_xxs:   (19, .iq2_xxs)
        case .iq2_xs:    (20, .iq2_xs)
        case .iq2_s:     (28, .iq2_xs)
        case .iq2_m:     (29, .iq2_s)
        case .iq3_xxs:   (23, .iq3_xxs)
        case .iq3_xs:    (22, .iq3_s)
        case .iq3_s:     (26, .iq3_s)
        case .iq3_m:     (27, .iq3_s)
        case .iq4_nl:    (25, .iq4_nl)
        case .iq4_xs:    (30, .iq4_xs)
        case .tq1_0:     (36, .tq1_0)
        case .tq2_0:     (37, .tq2_0)
        case .mxfp4_moe: (38, .mxfp4)
        case .q1_0:      (40, .q1_0)
        case .q2_0:      (41, .q2_0)
        }
    }

    /// Other names that `llama-quantize` takes.
    static let aliases: [(name: String, type: GGUFFileType)] = [
        ("q3_k", .q3_k_m), ("q4_k", .q4_k_m), ("q5_k", .q5_k_m),
    ]
}
