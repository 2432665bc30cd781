"""Codes that move from one packed format to another stand for the same numbers there, by the word of other libraries."""

import json

import gguf
import numpy
import torch

import dequantizers
from dequantizers import installed
from referee import WORK, check, convert, quantize, recast, report, small_model, tensors

SOURCE = small_model("repacked-source", num_hidden_layers=1, hidden_size=256, intermediate_size=512)
HEADS, KEY_HEADS = 4, 2
NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def numbers(directory):
    """What Recast reads, of the linear layers."""
    plain = convert(directory, directory.name + "-f32", "--family", "same", "--dtype", "f32")
    return {name: tensor for name, tensor in tensors(plain).items() if name.endswith("proj.weight")}


def packed(source, name, encoding, *options):
    return quantize(source, name, encoding, *options)


def exactness(source, target, encoding, *options):
    """What the plan says of each quantized tensor."""
    options = ("--encoding", encoding, "--dry-run", "--json", "--force", *options)
    plan = json.loads(recast("quantize", source, WORK / ("plan-" + target), *options))
    return {
        tensor["name"]: tensor["exactness"] for tensor in plan["tensors"] if tensor["name"].endswith(".weight")
        and any(part in tensor["name"] for part in [*NAMES, "proj"])}


def in_rows_of_pairs(weight, heads):
    """llama.cpp's order of the rows of q and k: the halves of each head interleaved."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def by_gguf(path):
    """The linear layers of a GGUF file by gguf-py, under their names and in their order in llama layout; and their types."""
    found, types = {}, {}
    for tensor in gguf.GGUFReader(path).tensors:
        key = tensor.name.removeprefix("blk.0.").removesuffix(".weight")
        if key in NAMES:
            name = f"model.layers.0.{NAMES[key]}.weight"
            found[name] = torch.from_numpy(numpy.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type)))
            types[name] = tensor.tensor_type.name
    return found, types


def to_gguf(name, source, encoding, kind, limit=0.0):
    """`limit`: what the rounding of minima to half precision may move a number by, relative to its group's scale."""
    with check(name):
        target = quantize(source, f"{name}.gguf", encoding, "--pure")
        found, types = by_gguf(target)
        expected = numbers(source)
        for key, heads in (("q_proj", HEADS), ("k_proj", KEY_HEADS)):
            full = f"model.layers.0.self_attn.{key}.weight"
            expected[full] = in_rows_of_pairs(expected[full], heads)
        worst = max(((found[key] - expected[key]).abs().max() / expected[key].abs().max()).item() for key in expected)
        said = set(exactness(source, f"{name}.gguf", encoding, "--pure").values())
        problems = [] if set(types.values()) == {kind} else [f"types {set(types.values())}"]
        problems += [] if said == {"bit-exact" if limit == 0 else "rounded"} else [f"the plan says {said}"]
        problems += [] if worst <= limit else [f"{worst:.1e} away"]
        report(name, not problems and len(found) == 7, "; ".join(problems) or ("equal" if worst == 0 else f"{worst:.1e} away"))
        return target


def move(name, source, encoding, *options, limit=0.0, library=None, promise="bit-exact"):
    """From one packed format to another: the plan's promise, the numbers, and the library's word for them."""
    with check(name):
        target = packed(source, name, encoding, *options)
        before, after = numbers(source), numbers(target)
        said = set(exactness(source, name, encoding, *options).values())
        worst = max(((after[key] - before[key]).abs().max() / before[key].abs().max()).item() for key in before)
        problems = [] if said == {promise} else [f"the plan says {said}"]
        problems += [] if worst <= limit else [f"{worst:.1e} away"]
        if library:
            theirs = library(target)
            problems += [f"{key} is read otherwise" for key in after if not torch.equal(theirs[key], after[key].to(theirs[key].dtype))][:2]
        report(name, not problems, "; ".join(problems) or ("equal" if worst == 0 else f"{worst:.1e} away"))
        return target


def library(package, function):
    return function if installed(package) else None


GPTQ = library("gptqmodel", dequantizers.gptqmodel_gptq)
AWQ = library("autoawq", dequantizers.autoawq)
COMPRESSED = library("compressed-tensors", dequantizers.compressed_tensors)
MLX = library("mlx", lambda directory: dequantizers.mlx_arrays(directory, "float32"))

for size in (32, 64, 128, -1):
    for form in ("v1", "v2"):
        source = packed(SOURCE, f"from-gptq-{form}-g{size}", f"gptq-{form}-int4", f"--group-size={size}")
        to_gguf(f"gptq-{form}-g{size}-to-q4_0", source, "q4_0", "Q4_0")
    source = packed(SOURCE, f"from-gptq-int8-g{size}", "gptq-int8", f"--group-size={size}")
    to_gguf(f"gptq-int8-g{size}-to-q8_0", source, "q8_0", "Q8_0")
    source = packed(SOURCE, f"from-gptq-asym-g{size}", "gptq-int4", f"--group-size={size}", "--asymmetric")
    to_gguf(f"gptq-asym-g{size}-to-q4_1", source, "q4_1", "Q4_1", 2**-11)
for size in (32, 64):
    source = packed(SOURCE, f"from-awq-g{size}", "awq-int4", f"--group-size={size}")
    to_gguf(f"awq-g{size}-to-q4_1", source, "q4_1", "Q4_1", 2**-11)

# A chain through every format of 4-bit integers, symmetric and not.
start = packed(SOURCE, "chain-gptq", "gptq-int4", "--group-size=64")
at_ct = move("gptq-to-ct", start, "ct-int4", "--group-size=64", library=COMPRESSED)
at_awq = move("ct-to-awq", at_ct, "awq-int4", "--group-size=64", library=AWQ)
at_mlx = move("awq-to-mlx", at_awq, "mlx-int4", "--group-size=64", library=MLX)
back = move("mlx-to-gptq", at_mlx, "gptq-int4", "--group-size=64", "--asymmetric", library=GPTQ, promise="rounded")
finer = move("gptq-to-finer-ct", start, "ct-int4", "--group-size=32", library=COMPRESSED)
start = packed(SOURCE, "chain-asym", "gptq-int4", "--group-size=64", "--asymmetric")
at_awq = move("asym-gptq-to-awq", start, "awq-int4", "--group-size=64", library=AWQ)
at_ct = move("asym-awq-to-ct", at_awq, "ct-int4", "--group-size=64", "--asymmetric", library=COMPRESSED)
at_mlx = move("asym-ct-to-mlx", at_ct, "mlx-int4", "--group-size=64", library=MLX, limit=2**-11, promise="rounded")
back = move(
    "asym-mlx-to-gptq", at_mlx, "gptq-int4", "--group-size=64", "--asymmetric", library=GPTQ, limit=2**-11, promise="rounded")
with check("chain-comes-back"):
    first, last = numbers(start), numbers(back)
    report("chain-comes-back", all(torch.equal(first[name], last[name]) for name in first), "whole zeros are found again")
for bits in (2, 3, 8):
    start = packed(SOURCE, f"chain-gptq{bits}", f"gptq-int{bits}", "--group-size=128")
    at_mlx = move(f"gptq-int{bits}-to-mlx", start, f"mlx-int{bits}", "--group-size=128", library=MLX)
start = packed(SOURCE, "chain-gptq8", "gptq-int8", "--group-size=128")
move("gptq-int8-to-ct", start, "ct-int8", "--group-size=128", library=COMPRESSED)

# Microscaling floats keep their bytes both ways.
start = packed(SOURCE, "from-mxfp4", "ct-mxfp4")
with check("mxfp4-to-gguf"):
    there = to_gguf("mxfp4-to-gguf", start, "mxfp4_moe", "MXFP4")
    back = move("mxfp4-from-gguf", there, "ct-mxfp4", library=COMPRESSED)
    first, last = tensors(start), tensors(back)
    same = all(torch.equal(first[name], last[name]) for name in first if "proj.weight" in name)
    report("mxfp4-bytes-come-back", same)
