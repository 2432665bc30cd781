/// The part of a model that a GGUF tensor belongs to, as far as the choice of its type goes.
///
/// Source: Specs/gguf.md §c.2.
enum GGUFTensorClass: Sendable, Hashable {
    case output
    case embedding
    /// Values, alone or fused with queries and keys, and what values of latent attention come from.
    case value
    case key
    case query
    case attentionOutput
    case up
    case gate
    case down
    case other

    /// By its role, or by its name where the architecture is not known.
    init(_ tensor: NamedTensor) {
        // Experts' gate and up in one stack are a gate, by that name; others in one matrix are called an up projection.
        // What goes into a gated delta net is called as queries, keys and values are, and so is its class.
        let isNamed =
            tensor.slots.isEmpty || tensor.name.holds("ffn_gate_up") || tensor.slots[0].role == .recurrentInput
        if isNamed { self.init(name: tensor.name) } else { self.init(slots: tensor.slots) }
    }

    /// A fused weight is what the most sensitive of its parts is.
    private init(slots: [Slot]) {
        guard slots[0].part == .weight else {
            self = .other
            return
        }
        let roles = slots.map(\.role)
        self = roles.contains(.value) ? .value : roles.contains(.up) ? .up : Self.classes[roles[0]] ?? .other
    }

    // Routers count as gates, as llama.cpp finds `ffn_gate` in their names.
    // swift-format-ignore
    private static let classes: [Role: GGUFTensorClass] = [
        .outputHead: .output, .tokenEmbedding: .embedding, .layerEmbedding: .embedding,
        .query: .query, .key: .key, .indexerKey: .key, .attentionOutput: .attentionOutput,
        .up: .up, .sharedUp: .up, .down: .down, .sharedDown: .down,
        .gate: .gate, .sharedGate: .gate, .router: .gate, .sharedRouter: .gate,
    ]

    init(name: String) {
        switch name {
        case "output.weight": self = .output
        case "token_embd.weight", "per_layer_token_embd.weight": self = .embedding
        default: self = Self.parts.first { name.holds($0.part) }?.class ?? .other
        }
    }

    // The first that is found in a name decides.
    // swift-format-ignore
    private static let parts: [(part: StaticString, class: GGUFTensorClass)] = [
        ("attn_qkv.weight",    .value),
        ("attn_kv_b.weight",   .value),
        ("attn_v.weight",      .value),
        ("attn_k.weight",      .key),
        ("attn_q.weight",      .query),
        ("attn_output.weight", .attentionOutput),
        ("ffn_up",             .up),
        ("ffn_gate",           .gate),
        ("ffn_down",           .down),
    ]
}

// MARK: What is not quantised

extension NamedTensor {
    /// Whether the quantizer may change the type: weights of two and more dimensions, except those whose numbers matter
    /// most or are few. Source: Specs/gguf.md §c.3.
    func isQuantizable(in architecture: String) -> Bool {
        guard tensor.shape.drop(while: { $0 == 1 }).count >= 2, [.float, .quantized].contains(tensor.dtype.kind) else {
            return false
        }
        if let slot = slots.first {
            return slot.part == .weight && !slot.role.isElementwise
                && ![.router, .positionEmbedding, .layerEmbeddingProjection].contains(slot.role)
        }
        guard name.utf8.reversed().starts(with: "weight".utf8.reversed()),
            !Self.keptNames.contains(name), !Self.keptParts.contains(where: name.holds)
        else { return false }
        return architecture != "glm5-next" || !Self.keptPartsOfGLM5.contains(where: name.holds)
    }

    /// Whether the converter stores the tensor as F32 whatever is asked for. Source: Specs/gguf.md §d.1.
    var isAlwaysSingle: Bool {
        !isQuantizable(in: "") || [.sharedRouter, .indexerWeights].contains(slots.first?.role)
            || name.holds("ffn_gate_inp_shexp.weight") || name.holds("indexer.proj.weight")
    }

    private static let keptNames: Set<String> = ["position_embd.weight", "token_types.weight"]

    private static let keptParts: [StaticString] = [
        "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj",
        "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight",
        "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight",
        "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight",
        "time_mix_a2.weight", "time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight",
        "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd",
        "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook",
        "mm.a.code_embd",
    ]

    private static let keptPartsOfGLM5: [StaticString] = [
        "indexer.attn_k", "indexer.attn_q_b", "indexer.proj", "attn_k_b", "attn_v_b", "attn_kv_a_mqa", "ssm_f_a",
        "ssm_f_b", "ssm_g_a", "ssm_g_b", "ssm_beta", "hc_",
    ]

    /// The block that it, or `blk.N.…`, belongs to; nil for other names.
    var block: Int? {
        if let slot = slots.first { return slot.layer }
        guard name.hasPrefix("blk.") else { return nil }
        return Int(Substring(name.utf8.dropFirst(4).prefix { (0x30...0x39).contains($0) }))
    }
}

extension [NamedTensor] {
    /// The order of tensors in `llama-quantize`'s files: those of no block first, then by block, each by name.
    var inQuantizerOrder: [NamedTensor] {
        map { ($0.block ?? -1, $0) }
            .sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1.name.utf8.lexicographicallyPrecedes($1.1.name.utf8) }
            .map(\.1)
    }
}

extension String {
    /// Whether these bytes are somewhere in the text: models have thousands of names, which are held against dozens.
    fileprivate func holds(_ part: StaticString) -> Bool {
        var copy = self
        return copy.withUTF8 { text in
            part.withUTF8Buffer { part in
                guard let first = part.first, text.count >= part.count else { return false }
                for start in 0...text.count - part.count where text[start] == first {
                    if (1..<part.count).allSatisfy({ text[start + $0] == part[$0] }) { return true }
                }
                return false
            }
        }
    }
}
