#!/usr/bin/env python3
"""Writes a synthetic checkpoint with the shapes of Qwen2.5-1.5B, or a shallow one, for the benchmarks.

    generate_checkpoint.py {large|small|untied|deep|shallow} DIRECTORY

large: 3.1 GB, 28 layers. small: 0.7 GB, 2 layers. Both: hidden size 1536, vocabulary 151936, BF16, tied, q/k/v
biases: jobs are as large in the one as in the other, and only how many there are tells the two apart.
untied: small with a head of its own, 1.1 GB. deep: 12 layers and 1024 tokens, 1.1 GB, nearly all of it in layers; shallow: two such layers.
The numbers are drawn from one pool of normal values (standard deviation 0.02) read from a random place for each tensor: every
value is finite and blocks differ, which is what the speed of a quantizer depends on. Nothing but the standard library.
"""

import array
import json
import os
import random
import struct
import sys

HIDDEN, FFN, HEADS, KV_HEADS, HEAD = 1536, 8960, 12, 2, 128
# Layers, tokens, and whether head and embedding are one.
SHAPES = {
    "large": (28, 151936, True), "small": (2, 151936, True), "untied": (2, 151936, False), "deep": (12, 1024, False),
    "shallow": (2, 1024, True),
}  # fmt: skip
POOL = 32 << 20  # values
DRAWN = 1 << 20  # of which drawn; the rest are shuffled pieces of them


def pool():
    source = random.Random(20261121)
    floats = array.array("f", (source.gauss(0, 0.02) for _ in range(DRAWN)))
    words = array.array("H", floats.tobytes())[1::2]  # the upper half of a little-endian float32 is its BF16
    out = bytearray()
    while len(out) < 2 * POOL:
        start = source.randrange(DRAWN - 4096)
        out += words[start : start + 4096].tobytes()
    return out


def tensors(layers, vocabulary, is_tied):
    yield "model.embed_tokens.weight", [vocabulary, HIDDEN]
    for layer in range(layers):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", [HIDDEN]
        for name, rows in (("q", HEADS * HEAD), ("k", KV_HEADS * HEAD), ("v", KV_HEADS * HEAD)):
            yield at + f"self_attn.{name}_proj.weight", [rows, HIDDEN]
            yield at + f"self_attn.{name}_proj.bias", [rows]
        yield at + "self_attn.o_proj.weight", [HIDDEN, HEADS * HEAD]
        yield at + "post_attention_layernorm.weight", [HIDDEN]
        yield at + "mlp.gate_proj.weight", [FFN, HIDDEN]
        yield at + "mlp.up_proj.weight", [FFN, HIDDEN]
        yield at + "mlp.down_proj.weight", [HIDDEN, FFN]
    yield "model.norm.weight", [HIDDEN]
    if not is_tied:
        yield "lm_head.weight", [vocabulary, HIDDEN]


def write_weights(path, shape):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, sizes in tensors(*shape):
        count = sizes[0] * (sizes[1] if len(sizes) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [offset, offset + 2 * count]}
        offset += 2 * count
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    values, source = memoryview(pool()), random.Random(1)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            left = entry["data_offsets"][1] - entry["data_offsets"][0]
            if "norm" in name:
                file.write(b"\x80\x3f" * (left // 2))  # ones
                continue
            while left:
                start = 2 * source.randrange(POOL // 2)
                part = values[start : start + min(left, len(values) - start)]
                left -= file.write(part)


def write_config(directory, shape):
    layers, vocabulary, is_tied = shape
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "attention_dropout": 0.0,
        "bos_token_id": 256, "eos_token_id": 256, "hidden_act": "silu", "hidden_size": HIDDEN,
        "initializer_range": 0.02, "intermediate_size": FFN, "max_position_embeddings": 32768,
        "max_window_layers": layers, "num_attention_heads": HEADS, "num_hidden_layers": layers,
        "num_key_value_heads": KV_HEADS, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": None,
        "tie_word_embeddings": is_tied, "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False,
        "vocab_size": vocabulary,
    }  # fmt: skip
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file, indent=2)


def byte_letters():
    """The printable letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def write_tokenizer(directory):
    """Qwen2's pre-tokenizer over the 256 bytes and no merges: a token per byte."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    end = {"id": 256, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{**end, "normalized": False, "special": True}],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {letter: byte for byte, letter in enumerate(byte_letters())}, "merges": [],
        },
    }  # fmt: skip
    with open(os.path.join(directory, "tokenizer.json"), "w") as file:
        json.dump(tokenizer, file, ensure_ascii=False)
    settings = {
        "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "add_bos_token": False,
        "bos_token": None, "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": 32768,
    }  # fmt: skip
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as file:
        json.dump(settings, file, indent=2)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit("usage: generate_checkpoint.py {large|small|untied|deep|shallow} DIRECTORY")
    shape = SHAPES[sys.argv[1]]
    directory = sys.argv[2]
    os.makedirs(directory, exist_ok=True)
    write_weights(os.path.join(directory, "model.safetensors"), shape)
    write_config(directory, shape)
    write_tokenizer(directory)


if __name__ == "__main__":
    main()
