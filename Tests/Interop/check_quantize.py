"""llama.cpp's own quantizer writes, byte for byte, the GGUF files that Recast writes: types, data, metadata and order."""

import collections
import ctypes
import subprocess

import gguf
import llama_cpp
import numpy
from llama_cpp import llama_cpp as binding

from referee import RECAST, TINY, WORK, check, convert, report

FILE_TYPES = dict(
    f32=0, f16=1, bf16=32, q4_0=2, q4_1=3, q5_0=8, q5_1=9, q8_0=7, q2_k=10, q2_k_s=21, q3_k_s=11, q3_k_m=12, q3_k_l=13,
    q4_k_s=14, q4_k_m=15, q5_k_s=16, q5_k_m=17, q6_k=18, iq1_s=24, iq1_m=31, iq2_xxs=19, iq2_xs=20, iq2_s=28, iq2_m=29,
    iq3_xxs=23, iq3_xs=22, iq3_s=26, iq3_m=27, iq4_nl=25, iq4_xs=30, tq1_0=36, tq2_0=37, mxfp4_moe=38, q1_0=40, q2_0=41)
NOT_SUPPORTED = 69
TEXT, INTEGER = 3, 0


@llama_cpp.llama_log_callback
def quiet(level, text, data):
    pass


# MARK: The reference


def read_importance(path):
    """The weights as llama-quantize hands them to its library, and what it records about them."""
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: numpy.array(tensor.data, dtype=numpy.float32) for tensor in reader.tensors}
    weights = {}
    for name, sums in tensors.items():
        if name.endswith(".in_sum2"):
            counts = tensors[name.removesuffix(".in_sum2") + ".counts"].reshape(-1, 1)
            sums = sums.reshape(len(counts), -1)
            means = numpy.where(counts > 0, sums / numpy.maximum(counts, 1), numpy.float32(1))
            weights[name.removesuffix(".in_sum2")] = means.astype(numpy.float32).ravel()
    record = [
        ("file", TEXT, str(path)), ("dataset", TEXT, reader.fields["imatrix.datasets"].contents()[0]),
        ("entries_count", INTEGER, len(weights)), ("chunks_count", INTEGER, reader.fields["imatrix.chunk_count"].contents())]
    return weights, record


def quantize(source, target, encoding, importance=None, overrides=(), output=None, embedding=None, **flags):
    """The library call behind llama-quantize; its status."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.nthread, parameters.ftype, parameters.allow_requantize = 1, FILE_TYPES[encoding], True
    types = {kind.name.lower(): int(kind) for kind in gguf.GGMLQuantizationType}
    if output:
        parameters.output_tensor_type = types[output]
    if embedding:
        parameters.token_embedding_type = types[embedding]
    for flag, value in flags.items():
        setattr(parameters, flag, value)
    held = []
    if overrides:
        patterns = (binding.llama_model_tensor_override * (len(overrides) + 1))()
        for slot, (pattern, kind) in zip(patterns, overrides):
            slot.pattern, slot.type = pattern.lower().encode(), types[kind]
        parameters.tt_overrides = patterns
        held.append(patterns)
    if importance:
        weights, record = read_importance(importance)
        entries = (binding.llama_model_imatrix_data * (len(weights) + 1))()
        for slot, (name, values) in zip(entries, weights.items()):
            values = (ctypes.c_float * len(values))(*values)
            held.append(values)
            slot.name, slot.size = name.encode(), len(values)
            slot.data = ctypes.cast(values, ctypes.POINTER(ctypes.c_float))
        keys = (binding.llama_model_kv_override * (len(record) + 1))()
        for slot, (key, tag, value) in zip(keys, record):
            slot.key, slot.tag = f"quantize.imatrix.{key}".encode(), tag
            if tag == TEXT:
                slot.value.val_str = value.encode()[:127]
            else:
                slot.value.val_i64 = value
        parameters.imatrix, parameters.kv_overrides = entries, keys
        held += [entries, keys]
    return llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters))


# MARK: Models


def model(name, architecture, hidden, feed, layers, heads, kv, experts=0, tied=False, fused=False, dtype=numpy.float32):
    """A GGUF file of random weights, and an importance file for it that misses a tensor and an expert."""
    path, random = WORK / f"{name}.gguf", numpy.random.default_rng(len(name))
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_block_count(layers)
    writer.add_context_length(64)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(feed)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(2)
    writer.add_file_type(0)
    writer.add_quantization_version(2)
    writer.add_tokenizer_model("no_vocab")
    sums = gguf.GGUFWriter(WORK / f"{name}.imatrix.gguf", "")
    sums.kv_data[0].clear()
    sums.add_type("imatrix")
    sums.add_array("imatrix.datasets", ["prose.txt", "code.txt"])
    sums.add_uint32("imatrix.chunk_count", 7)
    sums.add_uint32("imatrix.chunk_size", 64)

    def weight(tensor, *shape, is_measured=True):
        data = random.standard_normal(shape, dtype=numpy.float32) * 0.05
        writer.add_tensor(tensor, data.astype(dtype if len(shape) > 1 else numpy.float32))
        if is_measured and len(shape) > 1:
            matrices = shape[0] if len(shape) > 2 else 1
            counts = numpy.full((matrices, 1), 21, dtype=numpy.float32)
            counts[1:2] = 0
            values = random.random((matrices, shape[-1]), dtype=numpy.float32) * 40
            sums.add_tensor(tensor + ".in_sum2", values)
            sums.add_tensor(tensor + ".counts", counts)

    size = hidden // heads
    weight("token_embd.weight", 160, hidden, is_measured=False)
    if not tied:
        weight("output.weight", 160, hidden, is_measured=name == "usual")
    weight("output_norm.weight", hidden)
    for layer in range(layers):
        block = f"blk.{layer}."
        weight(block + "attn_norm.weight", hidden)
        if fused:
            weight(block + "attn_qkv.weight", (heads + 2 * kv) * size, hidden)
        else:
            weight(block + "attn_q.weight", heads * size, hidden)
            weight(block + "attn_k.weight", kv * size, hidden)
            weight(block + "attn_v.weight", kv * size, hidden, is_measured=layer != 1)
        weight(block + "attn_output.weight", hidden, heads * size)
        weight(block + "ffn_norm.weight", hidden)
        stack, suffix = ([experts], "_exps") if experts else ([], "")
        if experts:
            weight(block + "ffn_gate_inp.weight", experts, hidden, is_measured=False)
            weight(block + "ffn_gate_inp_shexp.weight", 1, hidden, is_measured=False)
        weight(block + f"ffn_gate{suffix}.weight", *stack, feed, hidden)
        weight(block + f"ffn_up{suffix}.weight", *stack, feed, hidden)
        weight(block + f"ffn_down{suffix}.weight", *stack, hidden, feed)
    for file in (writer, sums):
        file.write_header_to_file()
        file.write_kv_data_to_file()
        file.write_tensors_to_file()
        file.close()
    return path


# MARK: Comparing


def same(source, encoding, importance=None, overrides=(), output=None, embedding=None, pure=False, keep_split=False):
    """Whether both write the same files; None where Recast cannot write the types."""
    for old in WORK.glob("quantized*"):
        old.unlink()
    options = ["--encoding", encoding, *(["--pure"] if pure else []), *(["--keep-split"] if keep_split else [])]
    for option, value in (("importance", importance), ("output-encoding", output), ("embedding-encoding", embedding)):
        options += [f"--{option}", value] if value else []
    for pattern, kind in overrides:
        options += ["--override", f"{pattern}={kind}"]
    command = [RECAST, "quantize", source, WORK / "quantized-ours.gguf", "--quiet", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode == NOT_SUPPORTED:
        return None
    target = WORK / ("quantized-theirs" if keep_split else "quantized-theirs.gguf")
    status = quantize(
        source, target, encoding, importance, overrides, output, embedding, pure=pure, keep_split=keep_split)
    if status != 0 or done.returncode != 0:
        raise RuntimeError(f"{encoding}: status {done.returncode} and {status}: {done.stderr.strip()[-200:]}")
    ours, theirs = (sorted(WORK.glob(f"quantized-{whose}*")) for whose in ("ours", "theirs"))
    return len(ours) == len(theirs) and all(a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs))


def compare(name, cases):
    with check(name):
        found = collections.defaultdict(list)
        for label, arguments in cases:
            found[same(**arguments)].append(label)
        detail = f"{len(found[True])} the same, {len(found[None])} not written"
        detail += f", different: {', '.join(found[False])}" if found[False] else ""
        report(name, bool(found[True]) and not found[False], detail)


def every_type(name, source, importance):
    for given in (None, importance):
        cases = [(each, dict(source=source, encoding=each, importance=given)) for each in FILE_TYPES]
        compare(f"quantize-{name}" + ("-importance" if given else ""), cases)


llama_cpp.llama_log_set(quiet, None)
llama_cpp.llama_backend_init()
with check("quantize"):
    usual = model("usual", "llama", 256, 512, 18, 4, 1)
    tiny = convert(TINY, "tiny-bf16.gguf", "--dtype", "bf16")
    every_type("usual", usual, WORK / "usual.imatrix.gguf")
    for path, rest in (
        (model("experts", "llama", 256, 512, 9, 8, 8, experts=8, dtype=numpy.float16), None),
        (model("many-experts", "qwen3moe", 256, 256, 8, 4, 1, experts=16, tied=True), None),
        (model("falcon", "falcon", 256, 512, 17, 4, 2, fused=True, dtype=numpy.float16), None),
        (model("odd", "llama", 96, 80, 8, 3, 3), None),
        (model("seventy", "llama", 256, 256, 80, 8, 2), None),
    ):
        every_type(path.stem, path, WORK / f"{path.stem}.imatrix.gguf")
    split = WORK / "split.gguf"
    convert(usual, split.name, "--max-shard-size", "1MB")
    first = sorted(WORK.glob("split-00001-of-*.gguf"))[0]
    once = convert(tiny, "once.gguf", "--encoding", "q8_0")
    for encoding in ("q4_0", "q4_k_m", "q3_k_l", "q5_k_s", "q2_k"):
        base = dict(encoding=encoding)
        compare(f"quantize-options-{encoding}", [
            ("pure", dict(base, source=tiny, pure=True)),
            ("output", dict(base, source=tiny, output="q8_0", pure=True)),
            ("both", dict(base, source=tiny, output="f16", embedding="q8_0")),
            ("tied-output", dict(base, source=WORK / "many-experts.gguf", output="bf16")),
            ("overrides", dict(base, source=usual, overrides=[(r"blk\.[0-2]\.ATTN_[vk]", "q8_0"), ("ffn_(up|down)", "f16")])),
            ("first", dict(base, source=usual, overrides=[(r"blk\.(0|7)\..*down", "q8_0")])),
            ("fallback", dict(base, source=WORK / "odd.gguf", overrides=[("attn", "q6_k")])),
            ("split", dict(base, source=first, keep_split=True)),
            ("joined", dict(base, source=first)),
            ("again", dict(base, source=once)),
        ])
