"""The file formats of checkpoints, byte by byte, as far as small files need them; nothing is checked, so that files can lie."""

import json
import struct
import zipfile
import zlib


# ---- safetensors

def safetensors(tensors, metadata=None):
    """`tensors`: (name, dtype, shape, bytes)."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return safetensors_raw(json.dumps(header, separators=(",", ":")).encode(), data)


def safetensors_raw(header, data=b"", length=None):
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header) if length is None else length) + header + data


# ---- GGUF

def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def kv(key, type_, value):
    return text(key) + struct.pack("<I", type_) + value


def kv_string(key, value):
    return kv(key, 8, text(value))


def kv_u32(key, value):
    return kv(key, 4, struct.pack("<I", value))


def kv_f32(key, value):
    return kv(key, 6, struct.pack("<f", value))


def kv_array(key, type_, count, content):
    return kv(key, 9, struct.pack("<IQ", type_, count) + content)


def kv_strings(key, values):
    return kv_array(key, 8, len(values), b"".join(map(text, values)))


def gguf(pairs, tensors=(), *, tensor_count=None, pair_count=None, version=3):
    """`tensors`: (name, dimensions with the row's length first, type, bytes, or (bytes, offset))."""
    head, data = b"", b""
    for name, dimensions, type_, content in tensors:
        content, offset = content if isinstance(content, tuple) else (content, len(data))
        head += text(name) + struct.pack("<I", len(dimensions)) + b"".join(struct.pack("<Q", n) for n in dimensions)
        head += struct.pack("<IQ", type_, offset)
        data += content + b"\0" * (-len(content) % 32)
    counts = len(tensors) if tensor_count is None else tensor_count, len(pairs) if pair_count is None else pair_count
    out = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(pairs) + head
    return out + b"\0" * (-len(out) % 32) + data


# ---- Pickles, and zips of torch

def p_text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def p_int(value):
    return b"J" + struct.pack("<i", value) if -2**31 <= value < 2**31 else b"\x8a\x08" + struct.pack("<q", value)


def p_tuple(*values):
    return b"(" + b"".join(values) + b"t"


def p_global(module, name):
    return f"c{module}\n{name}\n".encode()


def p_tensor(storage, key, count, shape, strides, offset=0):
    place = p_tuple(p_text("storage"), p_global("torch", storage), p_text(key), p_text("cpu"), p_int(count)) + b"Q"
    return p_global("torch._utils", "_rebuild_tensor_v2") + p_tuple(
        place, p_int(offset), p_tuple(*map(p_int, shape)), p_tuple(*map(p_int, strides)), b"\x89",
        p_global("collections", "OrderedDict") + b")R") + b"R"


def p_dictionary(*items):
    return b"}(" + b"".join(items) + b"u"


def pickle(body):
    return b"\x80\x02" + body + b"."


def torch_zip(body, storages=(), more=()):
    """What torch.save writes: stored members, each with its CRC-32."""
    members = [("archive/data.pkl", pickle(body)), ("archive/byteorder", b"little")]
    members += [(f"archive/data/{index}", content) for index, content in enumerate(storages)] + list(more)
    return zip_of(members + [("archive/version", b"3\n")])


def zip_of(members, *, said_sizes=None, said_offsets=None, method=0, checksum=None, wide=False):
    """A zip of stored members whose directory may say something else."""
    file, directory = b"", b""
    for index, (name, content) in enumerate(members):
        size = (said_sizes or {}).get(index, len(content))
        offset = (said_offsets or {}).get(index, len(file))
        crc = zlib.crc32(content) if checksum is None else checksum
        file += struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, method, 0, 0, crc, len(content), len(content), len(name), 0)
        file += name.encode() + content
        small = 0xFFFFFFFF if wide else None
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, method, 0, 0, crc, small or size & 0xFFFFFFFF,
            small or size & 0xFFFFFFFF, len(name), 28 if wide else 0, 0, 0, 0, 0, small or offset & 0xFFFFFFFF)
        directory += name.encode()
        if wide:
            directory += struct.pack("<HHQQQ", 1, 24, size, size, offset)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(members), len(members), len(directory), len(file), 0)
    return file + directory + end


# ---- protobuf, as sentencepiece uses it

def varint(number):
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field_number, value):
    return varint(field_number << 3) + varint(value)


def piece(content, score=0.0, type_=1):
    content = content.encode() if isinstance(content, str) else content
    return field(1, field(1, content) + varint(2 << 3 | 5) + struct.pack("<f", score) + number(3, type_))


def sentencepiece(pieces, trainer=((3, 2),), normalizer=((3, 1), (4, 0)), character_map=b""):
    out = b"".join(pieces) + field(2, b"".join(number(*pair) for pair in trainer))
    normalizer = b"".join(number(*pair) for pair in normalizer)
    return out + field(3, normalizer + (field(2, character_map) if character_map else b""))


# ---- A model of one layer

def numbers(count, seed=1):
    """Float32 numbers between -1 and 1, always the same."""
    out, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) / 2**23 - 1)
    return out


def f32(values):
    return struct.pack(f"<{len(values)}f", *values)


def bf16(values):
    return b"".join(struct.pack("<f", value)[2:] for value in values)


def llama_configuration(hidden=8, **changes):
    """`changes` replace what is here."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "vocab_size": 8,
        "hidden_size": hidden, "intermediate_size": hidden, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "torch_dtype": "float32", **changes,
    }


def llama_tensors(hidden=8, dtype="F32"):
    """Of the configuration: (name, dtype, shape, bytes), by name."""
    layer, half = "model.layers.0.", hidden // 2
    shapes = {
        "lm_head.weight": [8, hidden], "model.embed_tokens.weight": [8, hidden], "model.norm.weight": [hidden],
        layer + "input_layernorm.weight": [hidden], layer + "post_attention_layernorm.weight": [hidden],
        layer + "mlp.down_proj.weight": [hidden, hidden], layer + "mlp.gate_proj.weight": [hidden, hidden],
        layer + "mlp.up_proj.weight": [hidden, hidden], layer + "self_attn.q_proj.weight": [hidden, hidden],
        layer + "self_attn.k_proj.weight": [half, hidden], layer + "self_attn.v_proj.weight": [half, hidden],
        layer + "self_attn.o_proj.weight": [hidden, hidden],
    }
    encode = {"F32": f32, "BF16": bf16}[dtype]
    return [
        (name, dtype, shape, encode(numbers(shape[0] * (shape[1] if len(shape) > 1 else 1), index + 1)))
        for index, (name, shape) in enumerate(sorted(shapes.items()))
    ]


# ---- Tokenizers

def byte_alphabet():
    """The characters that stand for bytes in byte-level BPE."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(spare)) for byte in range(256)]


def tokenizer_json(merges=(("a", "b"),), pattern=None, **changes):
    tokens = byte_alphabet() + ["".join(merge) for merge in merges]
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": pattern is None}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{
            "id": len(tokens), "content": "<|im_end|>", "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": byte_level if pattern is None else
            {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)}, "merges": [list(m) for m in merges],
        }, **changes,
    }
