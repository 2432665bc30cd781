"""Makes Fixtures/gguf-mix.tsv: which types Specs/gguf_mix.py gives to the tensors of invented models.

A line is a model; a column is a file type, with the first 6 digits of the SHA-256 of the types of all tensors that are
quantized, in the order of the file, without an importance file and with one. The models come from a generator of random
numbers (SplitMix64, seeded with the model's number) that GGUFMixTests.swift repeats draw by draw.

    python3 Tests/Interop/make_gguf_mix.py > Fixtures/gguf-mix.tsv
"""

import hashlib
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "Specs"))
import gguf_mix  # noqa: E402

COUNT = 200
MASK = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.state = seed

    def __call__(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        mixed = self.state
        mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & MASK
        return (mixed ^ mixed >> 31) % bound

    def of(self, *choices):
        return choices[self(len(choices))]


def model(seed):
    """Architecture, layers, query heads, key/value heads, experts, and tensors with the length of a row first."""
    random = Random(seed)
    architecture = random.of(
        "llama", "llama", "qwen2", "falcon", "qwen3moe", "deepseek2", "olmo", "deci", "jais2", "unheard-of")
    layers = random.of(1, 2, 3, 5, 8, 12, 16, 22, 24, 28, 32, 40, 48, 68, 80, 80)
    kv = random.of(1, 2, 4, 8)
    heads = kv * random.of(1, 1, 2, 3, 4, 7, 8)
    experts = random.of(0, 0, 0, 2, 4, 8, 8, 16)
    hidden = random.of(256, 512, 1024, 896, 576, 320, 48)
    feed = random.of(512, 768, 1024, 1376, 480, 40, 2560)
    has_head = random(3) > 0
    style = random.of("split", "split", "fused", "latent")
    dense = random(3)
    is_shared = random(2) == 0
    tensors = {"token_embd.weight": (hidden, 1000), "output_norm.weight": (hidden,), "rope_freqs.weight": (32,)}
    if has_head:
        tensors["output.weight"] = (hidden, 1000)
    if random(6) == 0:
        tensors["per_layer_token_embd.weight"] = (hidden, 1000)
    for layer in range(layers):
        block = f"blk.{layer}."
        tensors[block + "attn_norm.weight"] = (hidden,)
        tensors[block + "ffn_norm.weight"] = (hidden,)
        if style == "split":
            tensors[block + "attn_q.weight"] = (hidden, heads * 64)
            tensors[block + "attn_q.bias"] = (heads * 64,)
            tensors[block + "attn_k.weight"] = (hidden, kv * 64)
            tensors[block + "attn_v.weight"] = (hidden, kv * 64)
        elif style == "fused":
            tensors[block + "attn_qkv.weight"] = (hidden, (heads + 2 * kv) * 64)
        else:
            tensors[block + "attn_q_a.weight"] = (hidden, 96)
            tensors[block + "attn_q_b.weight"] = (96, heads * 64)
            tensors[block + "attn_kv_a_mqa.weight"] = (hidden, 72)
            tensors[block + "attn_kv_b.weight"] = (64, heads * 128)
            tensors[block + "attn_k_b.weight"] = (64, 64, heads + 1)
        tensors[block + "attn_output.weight"] = (heads * 64, hidden)
        lacks_down = random(8) == 0
        if experts > 0 and layer >= dense:
            tensors[block + "ffn_gate_inp.weight"] = (hidden, experts)
            tensors[block + "ffn_gate_exps.weight"] = (hidden, feed, experts)
            tensors[block + "ffn_up_exps.weight"] = (hidden, feed, experts)
            tensors[block + "ffn_down_exps.weight"] = (feed, hidden, experts)
            if is_shared:
                tensors[block + "ffn_gate_inp_shexp.weight"] = (hidden, 1)
                tensors[block + "ffn_up_shexp.weight"] = (hidden, feed)
                tensors[block + "ffn_down_shexp.weight"] = (feed, hidden)
        else:
            tensors[block + "ffn_gate.weight"] = (hidden, feed)
            tensors[block + "ffn_up.weight"] = (hidden, feed)
            if not lacks_down:
                tensors[block + "ffn_down.weight"] = (feed, hidden)
    return architecture, layers, heads, kv, experts, tensors


def has_few_values(architecture, layers, heads, kv):
    if architecture == "llama":
        return layers == 80 and heads != kv
    return layers == {"qwen2": 80, "olmo": 80, "deci": 80, "jais2": 68}.get(architecture)


def digest(seed, file_type):
    architecture, layers, heads, kv, experts, tensors = model(seed)
    texts = []
    for has_importance in (False, True):
        try:
            types = gguf_mix.choose(
                tensors, file_type, architecture, layers, heads // kv, experts,
                is70=has_few_values(architecture, layers, heads, kv), imx=has_importance, allow=gguf_mix.allow)
        except ValueError:
            return "------"
        texts.append(" ".join(types.values()).lower())
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:6]


def main():
    print("# Made by Tests/Interop/make_gguf_mix.py from Specs/gguf_mix.py; ------ stands for a refusal.")
    print("\t".join(name.lower() for name in gguf_mix.DEF))
    for seed in range(COUNT):
        print("\t".join(digest(seed, name) for name in gguf_mix.DEF))


if __name__ == "__main__":
    main()
