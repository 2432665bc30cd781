import TestSupport

@testable import Recast

/// A model that nobody has made, for the choice of types: draw by draw what Tests/Interop/make_gguf_mix.py invents.
struct InventedModel {
    var architecture: String
    var layers: Int
    var heads: Int
    var keyValueHeads: Int
    var experts: Int
    var tensors: [NamedTensor] = []

    init(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        func random(_ bound: Int) -> Int { Int(generator.next() % UInt64(bound)) }
        func of<Choice>(_ choices: Choice...) -> Choice { choices[random(choices.count)] }
        architecture = of(
            "llama", "llama", "qwen2", "falcon", "qwen3moe", "deepseek2", "olmo", "deci", "jais2", "unheard-of")
        layers = of(1, 2, 3, 5, 8, 12, 16, 22, 24, 28, 32, 40, 48, 68, 80, 80)
        keyValueHeads = of(1, 2, 4, 8)
        heads = keyValueHeads * of(1, 1, 2, 3, 4, 7, 8)
        experts = of(0, 0, 0, 2, 4, 8, 8, 16)
        let hidden = of(256, 512, 1024, 896, 576, 320, 48)
        let feed = of(512, 768, 1024, 1376, 480, 40, 2560)
        let hasHead = random(3) > 0
        let style = of("split", "split", "fused", "latent")
        let dense = random(3)
        let isShared = random(2) == 0

        add("token_embd.weight", hidden, 1000)
        add("output_norm.weight", hidden)
        add("rope_freqs.weight", 32)
        if hasHead { add("output.weight", hidden, 1000) }
        if random(6) == 0 { add("per_layer_token_embd.weight", hidden, 1000) }
        for layer in 0..<layers {
            let block = "blk.\(layer)."
            add(block + "attn_norm.weight", hidden)
            add(block + "ffn_norm.weight", hidden)
            switch style {
            case "split":
                add(block + "attn_q.weight", hidden, heads * 64)
                add(block + "attn_q.bias", heads * 64)
                add(block + "attn_k.weight", hidden, keyValueHeads * 64)
                add(block + "attn_v.weight", hidden, keyValueHeads * 64)
            case "fused":
                add(block + "attn_qkv.weight", hidden, (heads + 2 * keyValueHeads) * 64)
            default:
                add(block + "attn_q_a.weight", hidden, 96)
                add(block + "attn_q_b.weight", 96, heads * 64)
                add(block + "attn_kv_a_mqa.weight", hidden, 72)
                add(block + "attn_kv_b.weight", 64, heads * 128)
                add(block + "attn_k_b.weight", 64, 64, heads + 1)
            }
            add(block + "attn_output.weight", heads * 64, hidden)
            let lacksDown = random(8) == 0
            if experts > 0, layer >= dense {
                add(block + "ffn_gate_inp.weight", hidden, experts)
                add(block + "ffn_gate_exps.weight", hidden, feed, experts)
                add(block + "ffn_up_exps.weight", hidden, feed, experts)
                add(block + "ffn_down_exps.weight", feed, hidden, experts)
                if isShared {
                    add(block + "ffn_gate_inp_shexp.weight", hidden, 1)
                    add(block + "ffn_up_shexp.weight", hidden, feed)
                    add(block + "ffn_down_shexp.weight", feed, hidden)
                }
            } else {
                add(block + "ffn_gate.weight", hidden, feed)
                add(block + "ffn_up.weight", hidden, feed)
                if !lacksDown { add(block + "ffn_down.weight", feed, hidden) }
            }
        }
    }

    /// - Parameter dimensions: the length of a row first.
    private mutating func add(_ name: String, _ dimensions: Int...) {
        tensors.append(NamedTensor(name, .zeros(.f16, dimensions.reversed())))
    }

    var metadata: GGUFMetadata {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string(architecture)
        metadata["\(architecture).block_count"] = .u32(UInt32(layers))
        metadata["\(architecture).attention.head_count"] = .u32(UInt32(heads))
        metadata["\(architecture).attention.head_count_kv"] = .u32(UInt32(keyValueHeads))
        if experts > 0 { metadata["\(architecture).expert_count"] = .u32(UInt32(experts)) }
        return metadata
    }
}
