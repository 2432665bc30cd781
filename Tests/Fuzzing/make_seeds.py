#!/usr/bin/env python3
"""Writes Seeds/, what each fuzzer begins with, and Scenes/, the files that stand beside what is fuzzed.

    RECAST=.build/release/recast Tests/Fuzzing/make_seeds.py
"""

import base64
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Attacks"))
from formats import *  # noqa: E402

RECAST = str(pathlib.Path(os.environ.get("RECAST", HERE.parent.parent / ".build/release/recast")).resolve())
WORK = pathlib.Path(tempfile.mkdtemp())


def recast(*arguments):
    subprocess.run([RECAST, *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def seed(target, name, content):
    assert len(content) <= 10_000, (target, name, len(content))
    path = HERE / "Seeds" / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def scene(name, files):
    for file, content in files.items():
        path = HERE / "Scenes" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def document(value):
    return json.dumps(value, separators=(",", ":")).encode()


def model(name, hidden=8, dtype="F32", tokenizer=False, **changes):
    folder = WORK / name
    folder.mkdir()
    (folder / "config.json").write_bytes(document(llama_configuration(hidden, **changes)))
    (folder / "model.safetensors").write_bytes(safetensors(llama_tensors(hidden, dtype)))
    if tokenizer:
        (folder / "tokenizer.model").write_bytes(SENTENCEPIECE)
    return folder


SENTENCEPIECE = sentencepiece([
    piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3), piece("ab", -1), piece("\u2581", -2), piece("a", -3),
    piece("b", -4), piece("\u2581a", -5)])

for folder in ("Seeds", "Scenes"):
    shutil.rmtree(HERE / folder, ignore_errors=True)

# ---- safetensors, and what is made of it
small = model("small", tokenizer=True)
config = {"config.json": (small / "config.json").read_bytes()}
scene("model", config)
seed("Safetensors", "model", (small / "model.safetensors").read_bytes())
(WORK / "text").write_bytes(b"ab a b ab")
for name, options in {"codes": [], "exact": ["--exact-reference"]}.items():
    recast("compare", small, "--text", WORK / "text", "--context", 4, "--save-reference", WORK / name, *options)
    seed("Predictions", name, (WORK / name).read_bytes())
positions = struct.pack("<ff5H", 16 / 65535, -18, 0, 65535, 3, 4, 0) + b"\0\0"
seed("Predictions", "llama", b"_logits_" + struct.pack("<iii8i", 8, 5, 1, *[token % 5 for token in range(8)]) + 3 * positions)

# ---- chat templates
for name, text in {
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m['content'] + '<|im_end|>' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "tools": "{%- set ns = namespace(n=0) -%}{%- macro show(t, i=0) -%}{{ t | tojson(indent=2) }}{%- endmacro -%}"
             "{% if tools is defined and tools %}{% for t in tools %}{{ show(t.function) }}{% endfor %}{% endif %}"
             "{% for m in messages if m.content is string %}{% set ns.n = ns.n + 1 %}{{ m.content.split(' ')[-1] | trim ~ ns.n }}"
             "{% generation %}{{ m.role | upper }}{% endgeneration %}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
    "refusal": "{{ bos_token }}{% if messages[0]['role'] != 'user' %}{{ raise_exception('no') }}{% endif %}"
               "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}",
}.items():
    seed("Template", name, text.encode())
dtypes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "U32": 4, "U64": 8}
seed("Safetensors", "dtypes", safetensors(
    [(name, name, [2, 3], bytes(6 * size)) for name, size in dtypes.items()] + [("empty", "F32", [0, 4], b"")],
    {"format": "pt"}))

# ---- GGUF: a model, every type of value, quantized weights
recast("convert", small, WORK / "small.gguf")
seed("GGUF", "model", (WORK / "small.gguf").read_bytes())
sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
values = [kv(f"scalar.{t}", t, b"\1" + bytes(n - 1)) for t, n in sizes.items()]
values += [kv_array(f"array.{t}", t, 2, 2 * (b"\1" + bytes(n - 1))) for t, n in sizes.items()]
blocks = {"q4_0": (2, 32, 18), "q5_1": (7, 32, 24), "q8_0": (8, 32, 34), "q2_k": (10, 256, 84), "q3_k": (11, 256, 110),
          "q4_k": (12, 256, 144), "q5_k": (13, 256, 176), "q6_k": (14, 256, 210), "iq4_nl": (20, 32, 18),
          "iq4_xs": (23, 256, 136), "bf16": (30, 1, 2), "f16": (1, 1, 2), "f64": (28, 1, 8)}
seed("GGUF", "types", gguf(
    [kv_string("general.architecture", "llama"), kv_strings("strings", ["a", "", "\u00e9"])] + values,
    [(name, [max(width, 4), 2], number_, bytes(2 * max(width, 4) // width * size))
     for name, (number_, width, size) in blocks.items()]))
seed("GGUF", "tokenizer", gguf([
    kv_string("general.architecture", "llama"), kv_string("tokenizer.ggml.model", "gpt2"),
    kv_string("tokenizer.ggml.pre", "qwen2"), kv_strings("tokenizer.ggml.tokens", byte_alphabet() + ["ab"]),
    kv_strings("tokenizer.ggml.merges", ["a b"]), kv_u32("tokenizer.ggml.eos_token_id", 256),
    kv_array("tokenizer.ggml.token_type", 5, 257, struct.pack("<257i", *[1] * 256, 3))]))

# ---- An index, and its two files
parts = llama_tensors()
names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
scene("index", config | {names[0]: safetensors(parts[:6]), names[1]: safetensors(parts[6:])})
seed("Index", "index", document({
    "metadata": {"total_size": sum(len(part[3]) for part in parts)},
    "weight_map": {part[0]: names[index // 6] for index, part in enumerate(parts)}}))

# ---- torch: the zip with its checksums, and the pickle by itself
def items(of):
    return [p_text(name) + p_tensor("FloatStorage", str(index), len(content) // 4, shape,
                                    [shape[1], 1] if len(shape) > 1 else [1])
            for index, (name, _, shape, content) in enumerate(of)]


seed("Torch", "model", torch_zip(p_dictionary(*items(parts)), [part[3] for part in parts]))
seed("Torch", "strided", torch_zip(p_dictionary(
    p_text("rows") + p_tensor("HalfStorage", "0", 16, [2, 3], [4, 1], 1),
    p_text("transposed") + p_tensor("HalfStorage", "0", 16, [4, 4], [1, 4]),
    p_text("number") + p_int(7)), [bytes(32)]))
seed("Pickle", "2", pickle(p_dictionary(*items(parts[:3]))))
seed("Pickle", "opcodes", pickle(p_dictionary(
    p_text("a") + b"K\1" + b"M\1\2" + b"\x86", p_text("b") + b"]q\0(K\1K\2e", p_text("c") + b"N", p_text("d") + b"h\0",
    p_text("e") + b"G" + struct.pack(">d", 0.5), p_text("f") + p_global("argparse", "Namespace") + b")\x81}b",
    p_text("g") + b"\x88\x89\x85")))
import collections  # noqa: E402
import pickle as python_pickle  # noqa: E402
for protocol in (0, 2, 4, 5):
    value = collections.OrderedDict(a=1, b=[1.5, None, True, b"x", "\u00e9"], c=(1, 2**40, {"d": ()}), e={1, 2})
    seed("Pickle", f"python-{protocol}", python_pickle.dumps(value, protocol))

# ---- torch.distributed
recast("convert", small, WORK / "dist", "--to", "megatron-dist")
(inner,) = (WORK / "dist").glob("*/.metadata")
iteration = inner.parent
seed("Distributed", "metadata", inner.read_bytes())
scene("distributed", {
    str(path.relative_to(WORK / "dist")): path.read_bytes()
    for path in sorted((WORK / "dist").rglob("*"))
    if path.is_file() and path != inner and "huggingface" not in path.parts} | {"config.json": b""})
(HERE / "Scenes/distributed/config.json").unlink()

# ---- Tokenizers
seed("SentencePiece", "bpe", SENTENCEPIECE)
seed("SentencePiece", "unigram", sentencepiece([
    piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3), piece("\u2581the", -1.5), piece("\u2581", -2),
    piece("th", -2.5), piece("e", -3), piece("t", -4), piece("h", -4)], trainer=((3, 1),)))
seed("SentencePiece", "bytes", sentencepiece(
    [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)] + [piece(f"<0x{b:02X}>", 0, 6) for b in range(256)]
    + [piece("\u2581", -1), piece("ab", -2), piece("a", -3), piece("b", -4)], trainer=((3, 2), (35, 1))))
fixture = HERE.parent.parent / "Fixtures/tokenizers/unigram.model"
seed("SentencePiece", "map", fixture.read_bytes()[:10_000])
lines = [bytes([byte]) for byte in range(256)] + [b"ab", b"abc", b"  ", b"th", b"the"]
seed("Tiktoken", "qwen", b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(lines)))
scene("tiktoken", config | {"tokenizer_config.json": document({"tokenizer_class": "QWenTokenizer"})})
seed("TokenizerJSON", "tekken", document({
    "config": {"pattern": r" ?\p{L}+|\s+|[^\s\p{L}]", "default_vocab_size": 263, "default_num_special_tokens": 4, "version": "v13"},
    "vocab": [{"rank": rank, "token_bytes": base64.b64encode(token).decode()} for rank, token in enumerate(lines[:260])],
    "special_tokens": [{"rank": rank, "token_str": name} for rank, name in enumerate(["<unk>", "<s>", "</s>"])]}))
seed("TokenizerJSON", "byte-level", document(tokenizer_json()))
seed("TokenizerJSON", "split", document(tokenizer_json(pattern=r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+")))
seed("TokenizerJSON", "metaspace", document({
    "version": "1.0", "added_tokens": [
        {"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, t in enumerate(["<unk>", "<s>", "</s>"])],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
    "pre_tokenizer": None, "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "post_processor": {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
              "vocab": {t: i for i, t in enumerate(
                  ["<unk>", "<s>", "</s>", *[f"<0x{b:02X}>" for b in range(256)], "\u2581", "a", "b", "ab", "\u2581ab"])},
              "merges": ["a b", "\u2581 ab"]}}))
seed("TokenizerJSON", "unigram", document({
    "version": "1.0", "added_tokens": [], "normalizer": {"type": "Nmt"}, "pre_tokenizer": {
        "type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "post_processor": None, "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [
        ["<unk>", 0.0], ["\u2581", -1.0], ["a", -2.0], ["ab", -2.5], ["b", -3.0]]}}))

# ---- Importance, in both formats
entry = struct.pack("<i", 1) + b"a" + struct.pack("<ii", 4, 4) + f32([1, 2, 3, 4])
seed("Importance", "legacy", struct.pack("<i", 1) + entry + struct.pack("<ii", 4, 5) + b"x.txt")
seed("Importance", "gguf", gguf(
    [kv_string("general.type", "imatrix"), kv_strings("imatrix.datasets", ["x.txt"]), kv_u32("imatrix.chunk_count", 4),
     kv_u32("imatrix.chunk_size", 512)],
    [("a.in_sum2", [4, 1], 0, f32([1, 2, 3, 4])), ("a.counts", [1, 1], 0, f32([4])),
     ("b.in_sum2", [2, 2], 0, f32([1, 2, 3, 4])), ("b.counts", [1, 2], 0, f32([4, 0]))]))

# ---- Archives
for dtype in ("F32", "BF16"):
    folder = model("packed-" + dtype, dtype=dtype)
    # Numbers that are worth packing: few exponents.
    wide = [("w", dtype, [32, 32], {"F32": f32, "BF16": bf16}[dtype]([1 + abs(n) / 2 for n in numbers(1024)]))]
    (folder / "model.safetensors").write_bytes(safetensors(llama_tensors(8, dtype)[:3] + wide))
    recast("pack", folder, WORK / f"{dtype}.packed")
    seed("Archive", dtype.lower(), (WORK / f"{dtype}.packed").read_bytes())

# ---- Configurations
seed("Configuration", "llama", document(llama_configuration()))
seed("Configuration", "everything", document(llama_configuration(
    head_dim=4, attention_bias=True, mlp_bias=False, partial_rotary_factor=0.5, sliding_window=16, max_window_layers=1,
    use_sliding_window=True, layer_types=["sliding_attention"], rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 32, "beta_slow": 1},
    num_experts=4, num_local_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=8,
    norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], n_routed_experts=4, n_shared_experts=1, n_group=2,
    topk_group=1, routed_scaling_factor=1.5, scoring_func="sigmoid", topk_method="noaux_tc", first_k_dense_replace=0,
    q_lora_rank=4, kv_lora_rank=4, qk_nope_head_dim=4, qk_rope_head_dim=2, v_head_dim=4, kv_channels=4,
    multi_query_attention=True, multi_query_group_num=1, padded_vocab_size=8, ffn_hidden_size=8, seq_length=64, num_layers=1,
    layernorm_epsilon=1e-5, layer_norm_epsilon=1e-5, final_logit_softcapping=30.0, attn_logit_softcapping=50.0,
    query_pre_attn_scalar=4, embedding_multiplier=2.0, logits_scaling=2.0, residual_multiplier=0.5, attention_multiplier=0.5,
    scale_emb=12, scale_depth=1.4, dim_model_base=4, no_rope_layers=[0], no_rope_layer_interval=4, clip_qkv=8.0,
    use_qkv_bias=True, qk_layernorm=False, eos_token_id=[1, 2], bos_token_id=1, pad_token_id=0)))
for kind, scaling in {
    "linear": {"type": "linear", "factor": 2.0}, "dynamic": {"type": "dynamic", "factor": 2.0},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32},
    "longrope": {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [1.0, 4.0]},
}.items():
    seed("Configuration", kind, document(llama_configuration(rope_scaling=scaling, original_max_position_embeddings=32)))

# ---- Weights in several parts
wide = model("wide", 32, "BF16")
for encoding in ("gptq-int4", "gptq-v1-int8", "gptq-int3", "awq-int4", "ct-int4", "ct-int8", "ct-fp8", "nf4", "nf4-nested",
                 "llm-int8", "mlx-int4", "fp8", "int8-zero-point"):
    out = WORK / encoding
    groups = ["--group-size", "32"] if encoding[:4] in ("gptq", "awq-", "ct-i", "mlx-") and encoding != "ct-int8" else []
    try:
        recast("quantize", wide, out, "--encoding", encoding, *groups)
    except subprocess.CalledProcessError:
        print(encoding, "is not written for so small a model")
        continue
    content = (out / "model.safetensors").read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length:]
    tensors = [(name, t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in header.items()]
    configuration = {"config": json.dumps(json.loads((out / "config.json").read_text()), separators=(",", ":"))}
    content = safetensors(tensors, configuration)
    for part in ("self_attn", "q_proj"):
        if len(content) > 10_000:
            # No whole model, but the weights are decoded.
            content = safetensors([tensor for tensor in tensors if part in tensor[0]], configuration)
    seed("QuantizedModules", encoding, content)

# ---- JSON
seed("JSON", "values", document([None, True, False, 0, -1.5e-3, "a\u00e9\n\ud83d\ude00", {"a": {"b": []}}, [[[]]]]))
seed("JSON", "spellings", b'{"a" : "\\u0041\\ud83d\\ude00\\/\\"\\\\\\b\\f\\n\\r\\t" ,\r\n\t"b":[1E+5,0.0,-0],"a":1}')

# ---- Journals and records of commits, with their checksums and without
def checksummed(lines):
    return b"".join(b"%08x %s\n" % (zlib.crc32(line.encode()), line.encode()) for line in lines)


journal = [
    "recast journal 2 plan 1f sources 2e", "file 31 0 5 77 1000", "file 31 1 5 78 4096", "job 31 0" + 10 * " 0",
    "job 31 5 1 2 3 0 0 0 4602678819172646912 4607182418800017408 64 1065353216 0 16 32 4 32 305419896 1 0 8 2 64 9"]
commit = ["recast commit 1", "5 77 5 70 out-00001-of-00002.gguf", "5 78 - - out-00002-of-00002.gguf", "end 2"]
for name, lines in (("journal", journal), ("commit", commit)):
    seed("Journal", name, checksummed(lines))
    seed("Journal", name + "-forged", "\n".join(lines).encode())

shutil.rmtree(WORK)
total = sum(path.stat().st_size for path in (HERE / "Seeds").rglob("*") if path.is_file())
print(f"{total} bytes of seeds")
assert total < 1_000_000
