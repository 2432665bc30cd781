extension DType {
    // The numbers of GGUF's tensor types. Source: Specs/gguf.md §b.1.
    // swift-format-ignore
    static let ggufNumbers: [(UInt32, DType)] = [
        (0,  .f32),     (1,  .f16),     (2,  .q4_0),    (3,  .q4_1),    (6,  .q5_0),    (7,  .q5_1),
        (8,  .q8_0),    (9,  .q8_1),    (10, .q2_k),    (11, .q3_k),    (12, .q4_k),    (13, .q5_k),
        (14, .q6_k),    (15, .q8_k),    (16, .iq2_xxs), (17, .iq2_xs),  (18, .iq3_xxs), (19, .iq1_s),
        (20, .iq4_nl),  (21, .iq3_s),   (22, .iq2_s),   (23, .iq4_xs),  (24, .i8),      (25, .i16),
        (26, .i32),     (27, .i64),     (28, .f64),     (29, .iq1_m),   (30, .bf16),    (34, .tq1_0),
        (35, .tq2_0),   (39, .mxfp4),   (40, .nvfp4),   (41, .q1_0),    (42, .q2_0),
    ]

    // Types that were taken out of the format again.
    private static let removedGGUFNumbers: Set<UInt32> = [4, 5, 31, 32, 33, 36, 37, 38]

    private static let byGGUFNumber = Dictionary(uniqueKeysWithValues: ggufNumbers)
    private static let ggufNumberByType = Dictionary(uniqueKeysWithValues: ggufNumbers.map { ($1, $0) })

    init?(ggufNumber: UInt32) {
        guard let type = Self.byGGUFNumber[ggufNumber] else { return nil }
        self = type
    }

    /// The type's number in GGUF files; nil where GGUF has no such type.
    var ggufNumber: UInt32? { Self.ggufNumberByType[self] }

    /// What an unreadable type number stands for, in words.
    static func unknownGGUFType(_ number: UInt32) -> String {
        if removedGGUFNumbers.contains(number) { return "tensor type \(number), which the format has dropped" }
        if (97...99).contains(number) || (133...158).contains(number) || (202...399).contains(number) {
            return "tensor type \(number) of ik_llama.cpp, which GGUF does not define"
        }
        return "unknown tensor type \(number)"
    }
}
