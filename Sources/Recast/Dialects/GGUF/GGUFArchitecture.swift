/// A model architecture as GGUF stores it: names, layouts, and the metadata that describes it.
///
/// Source: Specs/gguf.md §d.
public struct GGUFArchitecture: Sendable {
    /// `general.architecture`, which also begins the keys.
    public let name: String
    /// The Hugging Face family that a file of this architecture goes back to.
    public let family: String
    public let table: MappingTable
    /// Whether `vocab_size` and `rope.dimension_count` are written.
    let writesRopeDimensions: Bool

    init(_ name: String, family: String, writesRopeDimensions: Bool, @RowBuilder rows: () -> [Row]) {
        self.name = name
        self.family = family
        self.writesRopeDimensions = writesRopeDimensions
        table = MappingTable(rows())
    }

    public static let all: [GGUFArchitecture] = [.llama, .qwen2, .qwen3]

    /// Whether each query and key head is normalised before it turns.
    var normalizesHeads: Bool { table.row(of: Slot(.queryNorm)) != nil }

    /// The architecture of a family's models.
    ///
    /// - Throws: `unsupported`; names are never invented.
    static func of(family: String) throws(RecastError) -> GGUFArchitecture {
        guard let architecture = all.first(where: { $0.family == family }) else {
            throw .unsupported("GGUF has no architecture for the family \(family)")
        }
        return architecture
    }

    static func named(_ name: String, file: String) throws(RecastError) -> GGUFArchitecture {
        guard let architecture = all.first(where: { $0.name == name }) else {
            let known = all.map(\.name)
            let nearest = NearestName.of(name, among: known).map { "; the nearest is \($0)" } ?? ""
            throw RecastError(
                .unsupported, "unknown architecture \"\(name)\"\(nearest); known are \(known.joined(separator: ", "))",
                trail: [file])
        }
        return architecture
    }

    /// Factors of the rotary frequencies, which belong to no role.
    static let rotaryFactorsName = "rope_freqs.weight"
}

// swift-format-ignore
extension GGUFArchitecture {
    static let llama = GGUFArchitecture("llama", family: "llama", writesRopeDimensions: true) {
        Row(.tokenEmbedding,  "token_embd.weight")
        Row(.attentionNorm,   "blk.{layer}.attn_norm.weight")
        Row(.query,           "blk.{layer}.attn_q.{weight,bias}", pairs: .neighbours)
        Row(.key,             "blk.{layer}.attn_k.{weight,bias}", pairs: .neighbours)
        Row(.value,           "blk.{layer}.attn_v.{weight,bias}")
        Row(.attentionOutput, "blk.{layer}.attn_output.{weight,bias}")
        Row(.feedForwardNorm, "blk.{layer}.ffn_norm.weight")
        Row(.gate,            "blk.{layer}.ffn_gate.{weight,bias}")
        Row(.up,              "blk.{layer}.ffn_up.{weight,bias}")
        Row(.down,            "blk.{layer}.ffn_down.{weight,bias}")
        Row(.outputNorm,      "output_norm.weight")
        Row(.outputHead,      "output.weight")
    }

    static let qwen2 = GGUFArchitecture("qwen2", family: "qwen2", writesRopeDimensions: false) {
        Row(.tokenEmbedding,  "token_embd.weight")
        Row(.attentionNorm,   "blk.{layer}.attn_norm.weight")
        Row(.query,           "blk.{layer}.attn_q.{weight,bias}")
        Row(.key,             "blk.{layer}.attn_k.{weight,bias}")
        Row(.value,           "blk.{layer}.attn_v.{weight,bias}")
        Row(.attentionOutput, "blk.{layer}.attn_output.weight")
        Row(.feedForwardNorm, "blk.{layer}.ffn_norm.weight")
        Row(.gate,            "blk.{layer}.ffn_gate.weight")
        Row(.up,              "blk.{layer}.ffn_up.weight")
        Row(.down,            "blk.{layer}.ffn_down.weight")
        Row(.outputNorm,      "output_norm.weight")
        Row(.outputHead,      "output.weight")
    }

    static let qwen3 = GGUFArchitecture("qwen3", family: "qwen3", writesRopeDimensions: false) {
        Row(.tokenEmbedding,  "token_embd.weight")
        Row(.attentionNorm,   "blk.{layer}.attn_norm.weight")
        Row(.query,           "blk.{layer}.attn_q.{weight,bias}")
        Row(.key,             "blk.{layer}.attn_k.{weight,bias}")
        Row(.value,           "blk.{layer}.attn_v.{weight,bias}")
        Row(.queryNorm,       "blk.{layer}.attn_q_norm.weight")
        Row(.keyNorm,         "blk.{layer}.attn_k_norm.weight")
        Row(.attentionOutput, "blk.{layer}.attn_output.{weight,bias}")
        Row(.feedForwardNorm, "blk.{layer}.ffn_norm.weight")
        Row(.gate,            "blk.{layer}.ffn_gate.weight")
        Row(.up,              "blk.{layer}.ffn_up.weight")
        Row(.down,            "blk.{layer}.ffn_down.weight")
        Row(.outputNorm,      "output_norm.weight")
        Row(.outputHead,      "output.weight")
    }
}
