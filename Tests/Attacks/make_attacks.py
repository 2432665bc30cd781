#!/usr/bin/env python3
"""Writes the hostile files of this folder, and the table of README.md that says of each what a good reader does.

    Tests/Attacks/make_attacks.py
"""

import base64
import json
import pathlib
import shutil
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from formats import *  # noqa: E402

TABLE = []


def attack(name, what, status, content):
    """`content`: bytes, or a folder's files by name. `status`: what `recast` may end with."""
    path = HERE / "files" / name
    for file, data in (content.items() if isinstance(content, dict) else [("", content)]):
        place = path / file if file else path
        place.parent.mkdir(parents=True, exist_ok=True)
        assert len(data) < 20_000, (name, len(data))
        place.write_bytes(data)
    TABLE.append((name, what, status))


def document(value):
    return json.dumps(value, separators=(",", ":")).encode()


def header(entries, data=b"\0" * 16, length=None):
    return safetensors_raw(entries if isinstance(entries, bytes) else document(entries), data, length)


shutil.rmtree(HERE / "files", ignore_errors=True)
entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}

# ---- safetensors
S = "safetensors-"
attack(S + "header-of-2-to-63.safetensors", "a length that is negative as a signed number", 65, header({"a": entry}, length=2**63))
attack(S + "header-beyond-the-file.safetensors", "a header longer than the file", 65, header({"a": entry}, length=4096))
attack(S + "header-of-99-million.safetensors", "room for a header that is not there", 65, header({"a": entry}, length=99_000_000))
attack(S + "header-deep.safetensors", "3000 nested arrays: the stack", 65, header(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"))
attack(S + "header-not-utf-8.safetensors", "a name that is no UTF-8", 65, header(b'{"\xff\xfe":' + document(entry) + b"}"))
attack(S + "header-lone-surrogate.safetensors", "half a character as an escape", 65, header(b'{"\\ud800":' + document(entry) + b"}"))
attack(S + "header-cut.safetensors", "a header without its end", 65, header(b'{"a":{"dtype":"F32","shape":[4],"data_offs'))
attack(S + "shape-overflows.safetensors", "a product of sizes beyond 64 bits that is 0 in them", 65,
       header({"a": {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 0]}}, b""))
attack(S + "shape-with-zero.safetensors", "sizes that overflow beside a zero", 65,
       header({"a": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}, b""))
attack(S + "shape-of-2-to-63.safetensors", "a size that no signed number holds", 65,
       header({"a": {"dtype": "F32", "shape": [2**63], "data_offsets": [0, 16]}}))
attack(S + "shape-of-many-ones.safetensors", "2000 dimensions", "0 or 65",
       header({"a": {"dtype": "F32", "shape": [1] * 2000 + [4], "data_offsets": [0, 16]}}))
attack(S + "number-of-3000-digits.safetensors", "a number that takes long to read", 65,
       header(b'{"a":{"dtype":"F32","shape":[' + b"9" * 3000 + b'],"data_offsets":[0,16]}}'))
attack(S + "number-1e999999999.safetensors", "an exponent", 65,
       header(b'{"a":{"dtype":"F32","shape":[1e999999999],"data_offsets":[0,16]}}'))
attack(S + "offsets-backwards.safetensors", "an end before its beginning", 65, header({"a": entry | {"data_offsets": [16, 0]}}))
attack(S + "offsets-beyond.safetensors", "data beyond the file", 65,
       header({"a": entry | {"data_offsets": [2**62, 2**62 + 16]}}))
attack(S + "offsets-overlap.safetensors", "two tensors in the same bytes", 65, header({"a": entry, "b": entry}))
attack(S + "offsets-hole.safetensors", "bytes between two tensors", 65,
       header({"a": entry, "b": entry | {"data_offsets": [20, 36]}}, b"\0" * 36))
attack(S + "names-twice.safetensors", "a name twice", 65,
       header(b'{"a":' + document(entry) + b',"a":' + document(entry | {"data_offsets": [16, 32]}) + b"}", b"\0" * 32))
attack(S + "metadata-no-strings.safetensors", "metadata that is not text", 65, header({"__metadata__": {"a": [1]}, "a": entry}))
attack(S + "name-of-3000.safetensors", "a long name beside short ones: tables", 0, header(
    {"n" * 3000: entry, **{str(i): entry | {"data_offsets": [16 + 16 * i, 32 + 16 * i]} for i in range(49)}}, b"\0" * 800))
ESCAPES = "\x1b]0;TITLE\x07\x1b[2J\x1b[31m\r\u009b2J\u202egnp\u2066\u200f"
attack(S + "terminal.safetensors", "commands for the terminal in names and metadata", 0,
       header({"__metadata__": {"note" + ESCAPES: "value" + ESCAPES}, "w\n  error: " + ESCAPES: entry}))

# ---- GGUF
G = "gguf-"
arch = kv_string("general.architecture", "llama")


def llama(*pairs, **changes):
    sizes = {"block_count": 1, "context_length": 64, "embedding_length": 4, "feed_forward_length": 4,
             "attention.head_count": 2, "attention.head_count_kv": 1, "rope.dimension_count": 2} | changes
    return [arch, *[kv_u32("llama." + key, value) for key, value in sizes.items()],
            kv_f32("llama.attention.layer_norm_rms_epsilon", 1e-5), *pairs]


GGUF_NAMES = {
    "lm_head.weight": "output.weight", "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.down_proj.weight": "ffn_down.weight", "mlp.gate_proj.weight": "ffn_gate.weight", "mlp.up_proj.weight": "ffn_up.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight"}


def tensors(hidden):
    return [
        (("blk.0." if "layers.0." in name else "") + GGUF_NAMES[name.replace("model.layers.0.", "")], shape[::-1], 0, content)
        for name, _, shape, content in llama_tensors(hidden)]


TENSORS = tensors(4)

attack(G + "empty.gguf", "nothing after the magic", 65, b"GGUF")
attack(G + "count-of-tensors.gguf", "2^62 tensors", 65, gguf([arch], tensor_count=2**62))
attack(G + "count-of-pairs.gguf", "2^62 keys", 65, gguf([arch], pair_count=2**62))
attack(G + "string-of-2-to-64.gguf", "a string that ends before it begins", 65,
       gguf([text("a") + struct.pack("<IQ", 8, 2**64 - 8) + b"abc"]))
attack(G + "array-of-2-to-61.gguf", "an array whose size in bytes overflows", 65, gguf([kv_array("a", 10, 2**61, b"\0" * 64)]))
attack(G + "array-of-2-to-28-strings.gguf", "room for strings that are not there", 65, gguf([kv_array("a", 8, 2**28, b"\0" * 64)]))
attack(G + "arrays-in-arrays.gguf", "300 arrays in arrays", 65,
       gguf([kv("a", 9, struct.pack("<IQ", 9, 1) * 300 + struct.pack("<IQ", 4, 0))]))
attack(G + "alignment-0.gguf", "a division by the alignment", 65, gguf([kv_u32("general.alignment", 0)], TENSORS[:1]))
attack(G + "alignment-2-to-31.gguf", "an alignment beyond the file", 65, gguf([kv_u32("general.alignment", 2**31)], TENSORS[:1]))
attack(G + "key-twice.gguf", "a key twice", 65, gguf([arch, arch]))
attack(G + "tensor-twice.gguf", "a tensor twice", 65, gguf([arch], TENSORS[:1] * 2))
attack(G + "tensor-overflows.gguf", "sizes whose product is 0 in 64 bits", 65, gguf([arch], [("a", [2**32, 2**32], 0, b"")]))
attack(G + "tensor-of-2-to-63.gguf", "a size that is negative", 65, gguf([arch], [("a", [2**63], 0, b"")]))
attack(G + "tensor-of-q4-overflows.gguf", "blocks whose bytes overflow", 65, gguf([arch], [("a", [2**60, 32], 2, b"")]))
attack(G + "tensor-of-half-a-block.gguf", "rows that no blocks fill", 65, gguf([arch], [("a", [31, 2], 2, b"\0" * 64)]))
attack(G + "tensor-type-99.gguf", "a type that nobody knows", "65 or 69", gguf([arch], [("a", [4], 99, b"\0" * 16)]))
attack(G + "tensor-of-9-dimensions.gguf", "nine dimensions", 65, gguf([arch], [("a", [1] * 9, 0, b"\0" * 4)]))
attack(G + "tensor-beyond.gguf", "data beyond the file", 65, gguf([arch], [("a", [4], 0, (b"", 2**62))]))
attack(G + "tensor-at-odd-place.gguf", "data that is not aligned", 65, gguf([arch], [("a", [1], 0, (b"\0" * 32, 1))]))
attack(G + "tensors-overlap.gguf", "two tensors in the same bytes", 65,
       gguf([arch], [("a", [8], 0, b"\0" * 32), ("b", [8], 0, (b"", 0))]))
attack(G + "name-not-utf-8.gguf", "a name that is no UTF-8", 65, gguf([arch], [(b"\xff\xfe", [1], 0, b"\0" * 4)]))
attack(G + "heads-0.gguf", "a division by the number of heads", 0, gguf(llama(**{"attention.head_count": 0}), TENSORS))
attack(G + "layers-2-to-31.gguf", "names of two thousand million layers", 0, gguf(llama(block_count=2**31), TENSORS))
attack(G + "embedding-2-to-32.gguf", "sizes whose products overflow", 0,
       gguf(llama(embedding_length=2**32 - 1, feed_forward_length=2**32 - 1), TENSORS))
attack(G + "rotary-base.gguf", "rotary factors from a base near the greatest float", 0, gguf(
    llama(kv_f32("llama.rope.freq_base", 3e38), embedding_length=16, feed_forward_length=16, **{"rope.dimension_count": 8}),
    tensors(16) + [("rope_freqs.weight", [4], 0, f32([1, 1, 2, 8]))]))
attack(G + "rotary-factors.gguf", "factors that are no numbers", 0, gguf(
    llama(), TENSORS + [("rope_freqs.weight", [1], 0, f32([float("nan")]))]))
attack(G + "split-of-65535.gguf", "a set of 65535 files", "65 or 66", gguf(
    [arch, kv("split.count", 2, struct.pack("<H", 65535)), kv("split.no", 2, struct.pack("<H", 0))], TENSORS[:1]))
attack(G + "chat-templates.gguf", "one template of 4 kB under 700 names that are the same", 0, gguf(llama(
    kv_strings("tokenizer.chat_templates", ["a"] * 700), kv_string("tokenizer.chat_template.a", "x" * 4000)), TENSORS))
bpe = [kv_string("tokenizer.ggml.model", "gpt2"), kv_string("tokenizer.ggml.pre", "qwen2")]
attack(G + "tokens-without-bytes.gguf", "a byte-level tokenizer that lacks bytes", 0,
       gguf(llama(*bpe, kv_strings("tokenizer.ggml.tokens", ["a", "b"]), kv_strings("tokenizer.ggml.merges", [])), TENSORS))
attack(G + "merges-of-nothing.gguf", "merges of tokens that are not there", 0, gguf(llama(
    *bpe, kv_strings("tokenizer.ggml.tokens", byte_alphabet()), kv_strings("tokenizer.ggml.merges", ["", " ", "zz yy", "a"])),
    TENSORS))
attack(G + "token-ids.gguf", "ids of special tokens that are not there", 0, gguf(llama(
    *bpe, kv_strings("tokenizer.ggml.tokens", byte_alphabet()), kv_strings("tokenizer.ggml.merges", []),
    kv_u32("tokenizer.ggml.eos_token_id", 2**32 - 1)), TENSORS))

# ---- PyTorch
T = "torch-"
row = p_text("w") + p_tensor("FloatStorage", "0", 4, [4], [1])


def torch(body, storages=(b"\0" * 16,)):
    return torch_zip(p_dictionary(body) if not isinstance(body, list) else p_dictionary(*body), storages)


RUN = p_global("os", "system") + p_tuple(p_text("touch attack-has-run")) + b"R"
attack(T + "command.bin", "a command that is run by pickle.load", 0, torch([row, p_text("x") + RUN]))
attack(T + "command-for-all.bin", "a command in place of the dictionary", "65 or 69", torch_zip(RUN, [b"\0" * 16]))
attack(T + "eval.bin", "builtins.eval, and a call of what it gives", "0, 65 or 69", torch(
    [row, p_text("x") + p_global("builtins", "eval") + p_tuple(p_text("open('attack-has-run','w')")) + b"R" + b")R"]))
attack(T + "deep-lists.bin", "3000 lists in lists: the stack", "0 or 65", torch([row, p_text("x") + b"]" * 3000 + b"a" * 2999]))
attack(T + "deep-tuples.bin", "4000 tuples in tuples", "0 or 65", torch([row, p_text("x") + b"N" + b"\x85" * 4000]))
attack(T + "doubling.bin", "a value that is 2^60 values when it is written out", "0 or 65",
       torch([row, p_text("x") + b"N" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))]))
attack(T + "list-in-itself.bin", "a list that holds itself", "0 or 65", torch([row, p_text("x") + b"]q\1h\1a"]))
attack(T + "stack-empty.bin", "more values taken than there are", 65, torch_zip(b"}" + b"0" * 9 + b"u"))
attack(T + "no-mark.bin", "a mark that is not there", 65, torch_zip(b"}u"))
attack(T + "no-end.bin", "a pickle without its end", 65, zip_of([("a/data.pkl", b"\x80\x02}")]))
attack(T + "text-of-2-to-63.bin", "a string longer than memory", 65, torch_zip(b"\x8d" + struct.pack("<Q", 2**63) + b"abc"))
attack(T + "bytes-of-2-to-32.bin", "bytes longer than the file", 65, torch_zip(b"B" + struct.pack("<I", 2**32 - 1) + b"abc"))
attack(T + "memo-2-to-32.bin", "place 4294967295 of the memo", "0 or 65", torch([row, p_text("x") + b"Nr" + struct.pack("<I", 2**32 - 1)]))
attack(T + "number-of-4-kB.bin", "an integer of 32000 bits", "0 or 65",
       torch([row, p_text("x") + b"\x8b" + struct.pack("<I", 4000) + b"\x7f" * 4000]))
attack(T + "expanded.bin", "2^28 numbers from two", "0, 65 or 69", torch(
    p_text("x") + p_tensor("FloatStorage", "0", 2, [2, 2**27], [1, 0]), [b"\0" * 8]))
attack(T + "expanded-50-times.bin", "50 times 120000 numbers, each a piece of its own", "0, 65 or 69", torch(
    [p_text(f"x{i}") + p_tensor("FloatStorage", "0", 2, [60000, 2], [0, 1]) for i in range(50)], [b"\0" * 8]))
attack(T + "strides-overflow.bin", "strides whose products overflow", 65, torch(
    p_text("x") + p_tensor("FloatStorage", "0", 4, [2, 2], [2**62, 2**62])))
attack(T + "strides-negative.bin", "strides that go backwards", 65, torch(p_text("x") + p_tensor("FloatStorage", "0", 4, [4], [-1], 3)))
attack(T + "shape-overflows.bin", "sizes whose product is 0 in 64 bits", 65,
       torch(p_text("x") + p_tensor("FloatStorage", "0", 4, [2**32, 2**32], [2**32, 1])))
attack(T + "offset-beyond.bin", "a tensor beyond its storage", 65, torch(p_text("x") + p_tensor("FloatStorage", "0", 4, [4], [1], 2**61)))
attack(T + "storage-missing.bin", "a storage that is not there", 65, torch(p_text("x") + p_tensor("FloatStorage", "../0", 4, [4], [1])))
attack(T + "checksum.bin", "a member that its CRC-32 says is damaged; `inspect --checksums` looks", "65", zip_of(
    [("a/data.pkl", pickle(p_dictionary(row))), ("a/data/0", b"\0" * 16)], checksum=0x12345678))
attack(T + "member-beyond.bin", "a member beyond the file", 65, zip_of(
    [("a/data.pkl", pickle(p_dictionary(row))), ("a/data/0", b"\0" * 16)], said_offsets={1: 2**31}))
attack(T + "member-of-2-to-63.bin", "a member of 2^63 bytes in zip64", 65, zip_of(
    [("a/data.pkl", pickle(p_dictionary(row))), ("a/data/0", b"\0" * 16)], said_sizes={1: 2**63}, wide=True))
attack(T + "members-overlap.bin", "two members in the same bytes", 65, zip_of(
    [("a/data.pkl", pickle(p_dictionary(row))), ("a/data/0", b"\0" * 16)], said_offsets={1: 0}))
attack(T + "deflated.bin", "a compressed member: a bomb for whoever inflates it", "65 or 69",
       zip_of([("a/data.pkl", zlib.compress(bytes(2**20)))], method=8))
attack(T + "end-only.bin", "65535 members in a directory of none", 65,
       b"PK\3\4" + bytes(26) + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 65535, 65535, 0, 0, 0))

# ---- JSON beside tensors: indexes and configurations
C = "checkpoint-"
weights = safetensors(llama_tensors(4))
NAMES = [tensor[0] for tensor in llama_tensors()]


def index(file, **more):
    return {"config.json": document(llama_configuration(4)), "a.safetensors": weights,
            "model.safetensors.index.json": document({"metadata": {}, "weight_map": {name: file for name in NAMES}} | more)}


attack(C + "index-leaves-the-folder", "the name of a file outside", 65, index("../" * 20 + "etc/passwd"))
attack(C + "index-absolute", "the path of a file", 65, index("/etc/passwd"))
attack(C + "index-of-itself", "the index as a file of tensors", 65, index("model.safetensors.index.json"))
attack(C + "index-of-nothing", "a file that is not there", "65 or 66", index("b.safetensors"))
attack(C + "index-of-numbers", "files that are no names", 65, index(1))
attack(C + "index-with-nul", "a name that ends before it ends", 65, index("a.safetensors\0.safetensors"))
attack(C + "index-total-size", "a total of 2^64 bytes", "0 or 65", index("a.safetensors", metadata={"total_size": 2**64}))


def checkpoint(**changes):
    return {"config.json": document(llama_configuration(4, **changes)), "model.safetensors": weights}


for name, what, changes in [
    ("heads-0", "a division by the number of heads", {"num_attention_heads": 0}),
    ("heads-negative", "a negative number of heads", {"num_attention_heads": -2}),
    ("groups-0", "a division by the number of groups", {"num_key_value_heads": 0}),
    ("layers-2-to-31", "names of two thousand million layers", {"num_hidden_layers": 2**31}),
    ("hidden-2-to-62", "sizes whose products overflow", {"hidden_size": 2**62, "intermediate_size": 2**62}),
    ("vocabulary-1e300", "a size that is no integer", {"vocab_size": 1e300}),
    ("sizes-of-text", "sizes that are text", {"hidden_size": "8", "num_hidden_layers": [1]}),
    ("rotary-nothing", "a rotary base of 0", {"rope_theta": 0}),
    ("rotary-factors", "rotary factors of 0, of the wrong number, and infinite", {"rope_scaling": {
        "type": "longrope", "short_factor": [0, 0], "long_factor": [1e300], "original_max_position_embeddings": 0}}),
    ("rotary-yarn", "a context of 2^62 and a factor of 1e-300", {"max_position_embeddings": 2**62, "rope_scaling": {
        "type": "yarn", "factor": 1e-300, "original_max_position_embeddings": 1}}),
    ("experts-2-to-31", "names of two thousand million experts", {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "num_experts": 2**31, "num_experts_per_tok": 1,
        "moe_intermediate_size": 8, "head_dim": 4}),
    ("quantized-by-0-bits", "a division by the bits of a code", {"quantization_config": {
        "quant_method": "gptq", "bits": 0, "group_size": 0}}),
    ("architecture-terminal", "commands for the terminal in the name of an architecture", {"architectures": ["Evil" + ESCAPES]}),
]:
    attack(C + name, what, 0, checkpoint(**changes))
attack(C + "configuration-deep", "3000 nested objects", 65, checkpoint() | {"config.json": b'{"a":' * 3000 + b"1" + b"}" * 3000})
attack(C + "configuration-of-keys", "one key 2000 times", "0 or 65",
       checkpoint() | {"config.json": b"{" + b",".join(b'"a":1' for _ in range(2000)) + b"}"})

# ---- Tokenizers
K = "tokenizer-"


def tokenizer(**changes):
    return {"tokenizer.json": document(tokenizer_json(**changes)), "text": b"x" * 60 + b"\n"}


def changed(change):
    value = tokenizer_json()
    change(value)
    return {"tokenizer.json": document(value), "text": b"abab\n"}


attack(K + "regular-expression", "a pattern that is tried in 2^60 ways", "0, 65 or 69", tokenizer(pattern="(x+x+)+y"))
attack(K + "regular-expression-lookbehind", "a pattern of 300 nested groups", "0, 65 or 69",
       tokenizer(pattern="(" * 300 + "x" + ")*" * 300))
attack(K + "id-of-2-to-62", "room for 2^62 tokens", 65, changed(lambda v: v["model"]["vocab"].update(a=2**62)))
attack(K + "id-negative", "a negative id", 65, changed(lambda v: v["model"]["vocab"].update(a=-1)))
attack(K + "id-twice", "an id twice", 65, changed(lambda v: v["model"]["vocab"].update(a=5)))
attack(K + "added-of-2-to-31", "an added token far from the others", 65, changed(lambda v: v["added_tokens"][0].update(id=2**31)))
attack(K + "added-empty", "an added token of no characters, found everywhere", "0 or 65",
       changed(lambda v: v["added_tokens"][0].update(content="")))
attack(K + "merge-of-nothing", "a merge of tokens that are not there", 65, changed(lambda v: v["model"]["merges"].append(["zz", "yy"])))
attack(K + "merge-of-itself", "merges that go round", 65, changed(lambda v: v["model"]["merges"].extend([["ab", ""], ["", "ab"]])))
attack(K + "deep-normalizer", "400 normalizers in each other", "65 or 69", changed(lambda v: v.update(normalizer=json.loads(
    '{"type":"Sequence","normalizers":[' * 400 + '{"type":"NFC"}' + "]}" * 400))))
pieces = [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3), piece("a", -1), piece("\u2581", -2)]


def model(content):
    return {"tokenizer.model": content, "text": b"a a\n"}


attack(K + "sentencepiece-length", "a message of 2^63 bytes", 65, model(sentencepiece(pieces) + varint(1 << 3 | 2) + varint(2**63)))
attack(K + "sentencepiece-varint", "a number without end", 65, model(sentencepiece(pieces) + b"\xff" * 100))
attack(K + "sentencepiece-groups", "3000 groups in each other", 65, model(sentencepiece(pieces) + b"\x0b" * 3000))
attack(K + "sentencepiece-kind", "a piece of a kind that is not", "65 or 69", model(sentencepiece(pieces + [piece("b", 0, 99)])))
attack(K + "sentencepiece-score", "scores that are no numbers", "0, 65 or 69",
       model(sentencepiece(pieces + [piece("aa", float("nan")), piece("aaa", float("inf"))])))
attack(K + "sentencepiece-map", "a table of characters that points outside", "0 or 65",
       model(sentencepiece(pieces, character_map=struct.pack("<I", 1024) + b"\xff" * 1024 + b"a\0")))
attack(K + "sentencepiece-map-length", "a table of 4 GiB", 65, model(sentencepiece(pieces, character_map=struct.pack("<I", 2**32 - 1))))
BYTES = [bytes([byte]) for byte in range(256)]


def tiktoken(tokens):
    return {"qwen.tiktoken": b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in tokens), "text": b"ab\n",
            "tokenizer_config.json": document({"tokenizer_class": "QWenTokenizer"})}


long = BYTES + [b"a" * 2**n for n in range(1, 12)] + [b"a" * 2040 + bytes([98 + n]) for n in range(3)]
attack(K + "tiktoken-long", "tokens whose merges take the square of their length to find", "0 or 65", tiktoken(enumerate(long)))
attack(K + "tiktoken-rank", "the rank 2^62", 65, tiktoken([*enumerate(BYTES), (2**62, b"ab")]))
attack(K + "tiktoken-cut", "half a character of base 64", 65, tiktoken(enumerate(BYTES)) | {"qwen.tiktoken": b"YQ= 0\nYg 1\n"})


def tekken(reserved=2, total=4, tokens=BYTES[:2], **others):
    vocabulary = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None} for rank, token in enumerate(tokens)]
    special = [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(["<unk>", "<s>"])]
    sizes = {"default_vocab_size": total, "default_num_special_tokens": reserved}
    made = {"config": {"pattern": "a+|[^a]+", "version": "v13"} | sizes, "vocab": vocabulary, "special_tokens": special}
    return {"tekken.json": document(made | others), "text": b"ab\n"}


attack(K + "tekken-special", "2^62 special tokens", 65, tekken(reserved=2**62, total=2**62 + 2))
attack(K + "tekken-size", "2^63 - 1 tokens", 65, tekken(total=2**63 - 1))

# ---- Importance
I = "importance-"
good = struct.pack("<i", 1) + b"a" + struct.pack("<ii", 4, 4) + f32([1, 2, 3, 4])
attack(I + "count.imatrix", "2^31 - 1 entries", 65, struct.pack("<i", 2**31 - 1) + good)
attack(I + "count-negative.imatrix", "a negative number of entries", 65, struct.pack("<i", -1) + good)
attack(I + "name.imatrix", "a name of 2^31 - 1 bytes", 65, struct.pack("<ii", 1, 2**31 - 1) + b"a")
attack(I + "values.imatrix", "2^31 - 1 values", 65, struct.pack("<ii", 1, 1) + b"a" + struct.pack("<ii", 4, 2**31 - 1))
attack(I + "values-negative.imatrix", "a negative number of values", 65, struct.pack("<ii", 1, 1) + b"a" + struct.pack("<ii", 4, -4))
attack(I + "twice.imatrix", "an entry twice", 65, struct.pack("<i", 2) + good + good)
attack(I + "no-number.imatrix", "values that are no numbers", 65,
       struct.pack("<ii", 1, 1) + b"a" + struct.pack("<ii", 4, 2) + f32([float("nan"), float("inf")]))
imatrix = [kv_string("general.type", "imatrix"), kv_strings("imatrix.datasets", [])]
attack(I + "counts-missing.gguf", "sums without counts", 65, gguf(imatrix, [("a.in_sum2", [4, 1], 0, f32([1] * 4))]))
attack(I + "counts-of-others.gguf", "more counts than sums", 65, gguf(imatrix, [
    ("a.in_sum2", [4, 1], 0, f32([1] * 4)), ("a.counts", [1, 7], 0, f32([1] * 7))]))

# ---- Archives
A = "archive-"
packed = (HERE.parent / "Fuzzing/Seeds/Archive/bf16").read_bytes()


def archive(change):
    length = struct.unpack_from("<Q", packed)[0]
    head, data = json.loads(packed[8:8 + length]), packed[8 + length:]
    contents = json.loads(head["__metadata__"]["index"])
    contents = change(contents, head) or contents
    contents = document(contents)
    head["__metadata__"] |= {"index": contents.decode(), "index_crc32": f"{zlib.crc32(contents):08x}"}
    return safetensors_raw(document(head), data)


def set_in(*path):
    *path, value = path

    def change(contents, _):
        for step in path[:-1]:
            contents = contents[step]
        contents[path[-1]] = value
    return change


first = next((i, j) for i, f in enumerate(json.loads(json.loads(packed[8:8 + struct.unpack_from("<Q", packed)[0]])
             ["__metadata__"]["index"])["files"]) for j, p in enumerate(f["pieces"]) if "entry" in p)
piece_path = ("files", first[0], "pieces", first[1])
attack(A + "leaves-the-folder.packed", "a file that would be written outside", 65, archive(set_in("files", 0, "name", "../../evil")))
attack(A + "absolute.packed", "a file with a path", 65, archive(set_in("files", 0, "name", "/tmp/evil")))
attack(A + "name-terminal.packed", "commands for the terminal in a file's name", 65, archive(set_in("files", 0, "name", "a" + ESCAPES)))
attack(A + "file-of-2-to-62.packed", "a file of 2^62 bytes", 65, archive(set_in("files", 0, "bytes", 2**62)))
attack(A + "piece-of-2-to-62.packed", "a piece of 2^62 bytes", 65, archive(set_in(*piece_path, "bytes", 2**62)))
attack(A + "frame-0.packed", "a division by the size of a frame", 65, archive(set_in(*piece_path, "frame", 0)))
attack(A + "frame-negative.packed", "a negative size of a frame", 65, archive(set_in(*piece_path, "frame", -1)))
attack(A + "entry-missing.packed", "an entry that is not there", 65, archive(set_in(*piece_path, "entry", "nothing")))
attack(A + "codec.packed", "a codec that is not", "65 or 69", archive(set_in(*piece_path, "codec", "nothing")))
attack(A + "deep.packed", "900 arrays in the index", 65, archive(lambda c, h: json.loads("[" * 900 + "]" * 900)))
attack(A + "checksum.packed", "an index that its checksum says is damaged", 65, packed.replace(b"index_crc32\":\"", b"index_crc32\":\"x", 1)[:-1])

# ---- The table
marks = "<!-- attacks -->\n", "<!-- /attacks -->\n"
readme = (HERE / "README.md").read_text()
begin, end = readme.index(marks[0]) + len(marks[0]), readme.index(marks[1])
rows = "| file | what it attacks | status |\n|---|---|---|\n" + "".join(
    f"| `{name}` | {what} | {status} |\n" for name, what, status in TABLE)
(HERE / "README.md").write_text(readme[:begin] + rows + readme[end:])
total = sum(path.stat().st_size for path in (HERE / "files").rglob("*") if path.is_file())
print(f"{len(TABLE)} attacks, {total} bytes")
assert total < 300_000
