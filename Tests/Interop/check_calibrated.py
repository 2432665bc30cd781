"""Calibrated checkpoints in the programs that run them: the divergence that these compute is the one that Recast states. And
GPTQModel's own quantization of the same model, on the same text, is not better."""

import dataclasses
import json
import os
import time

import torch
from transformers import AutoTokenizer

from check_quantized_models import BNB, COMPRESSED, GPTQ, HALF, MLX, SINGLE, load
from dequantizers import installed, quiet
from referee import TINY, WORK, check, quantize, recast, report

# With two cores GPTQModel asks itself for one worker, and of that for two.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
CONTEXT, TOKENS = 256, 16384
CALIBRATION = TINY / "text" / "calibration.txt"
TEXT = WORK / "calibrated.txt"
TEXT.write_text((TINY / "text" / "poetry.txt").read_text()[:12000])
IDS = AutoTokenizer.from_pretrained(TINY)(TEXT.read_text(), return_tensors="pt").input_ids[0]
WINDOWS = [window[None] for window in IDS.split(CONTEXT) if len(window) > 1]
#: How far the two divergences may be from each other, relative: programs compute in their own type and order.
LIMITS = {SINGLE: 0.01, HALF: 0.05}


def predictions(run):
    """Log-probabilities at all places but each window's last."""
    with torch.no_grad(), quiet():
        return [torch.log_softmax(run(window)[0, :-1].double(), -1) for window in WINDOWS]


ORIGINAL = load(TINY, SINGLE)
REFERENCE = predictions(lambda window: ORIGINAL(window).logits)


def divergence(run):
    sums, count = 0.0, 0
    for reference, found in zip(REFERENCE, predictions(run), strict=True):
        sums += (reference.exp() * (reference - found)).sum().item()
        count += len(reference)
    return sums / count


def stated(path):
    told = recast("compare", TINY, path, "--text", TEXT, "--context", CONTEXT, "--json", "--quiet")
    return json.loads(told)["total"]["kld"]["mean"]


def in_transformers(path, dtype):
    model = load(path, dtype)
    return lambda window: model(window).logits


def in_bitsandbytes(path, dtype):
    """With the numbers that bitsandbytes reads, multiplied in the type asked for: its own layers take the file's, bfloat16."""
    from bitsandbytes.functional import dequantize_4bit

    model = load(path, dtype)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            state = getattr(getattr(layer, "weight", None), "quant_state", None)
            if state is None:
                continue
            state.dtype = dtype
            plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
            plain.weight.data, plain.bias = dequantize_4bit(layer.weight.data, state), layer.bias
            setattr(parent, name, plain)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return lambda window: model(window).logits


def in_gptqmodel(path, dtype):
    with quiet():
        from gptqmodel import BACKEND, GPTQModel

        model = GPTQModel.load(str(path), device="cpu", dtype=dtype, backend=BACKEND.GPTQ_TORCH)
    return lambda window: model(window).logits


def in_mlx(path, _):
    import mlx.core as mx
    import numpy
    from mlx_lm.utils import load_model

    model, _ = load_model(path)
    model.set_dtype(mx.float32)
    return lambda window: torch.from_numpy(numpy.array(model(mx.array(window.numpy())).astype(mx.float32)))


@dataclasses.dataclass
class Case:
    program: str
    encoding: str
    options: tuple
    needs: tuple
    dtype: torch.dtype
    run: object


def mixed(*overrides):
    return tuple(word for override in overrides for word in ("--override", override))


GROUPS = ("--group-size", "32")
ACT_ORDER = (*GROUPS, "--act-order")
CASES = [
    Case("transformers", "ct-int4", GROUPS, COMPRESSED, SINGLE, in_transformers),
    Case("transformers", "ct-int4", (*GROUPS, "--reorder"), COMPRESSED, SINGLE, in_transformers),
    Case("gptqmodel", "gptq-int4", GROUPS, GPTQ[:1], HALF, in_gptqmodel),
    Case("gptqmodel", "gptq-int4", (*GROUPS, "--asymmetric"), GPTQ[:1], HALF, in_gptqmodel),
    Case("gptqmodel", "gptq-int4", ACT_ORDER, GPTQ[:1], HALF, in_gptqmodel),
    Case("gptqmodel", "gptq-int3", ("--group-size", "64"), GPTQ[:1], HALF, in_gptqmodel),
    Case("transformers", "awq-int4", (*GROUPS, "--method", "awq"), GPTQ, HALF, in_transformers),
    Case("mlx-lm", "mlx-int4", GROUPS, MLX, SINGLE, in_mlx),
    # Scales that several rows have a part in, and numbers that are cut regardless of rows.
    *(Case("bitsandbytes", name, (), BNB, SINGLE, in_bitsandbytes) for name in ("nf4", "fp4-nested")),
    Case("transformers", "int8-absmax", ("--per", "tensor"), COMPRESSED, SINGLE, in_transformers),
    # Weights that are not all stored alike.
    Case("transformers", "ct-int4", (*GROUPS, *mixed("down_proj=ct-int8", "o_proj=f32")), COMPRESSED, SINGLE, in_transformers),
    Case("transformers", "ct-int4", mixed("v_proj=ct-int8", "layers.[02].mlp.*=ct-fp8"), COMPRESSED, SINGLE, in_transformers),
    Case("gptqmodel", "gptq-int4", (*GROUPS, *mixed("down_proj=gptq-int8", "o_proj=f16")), GPTQ[:1], HALF, in_gptqmodel),
    Case("transformers", "awq-int4", (*GROUPS, *mixed("o_proj=f16")), GPTQ, HALF, in_transformers),
    Case("mlx-lm", "mlx-int4", (*GROUPS, *mixed("down_proj=mlx-int6", "embed=mlx-int8", "o_proj=f32")), MLX, SINGLE, in_mlx),
    Case("mlx-lm", "mlx-int4", ("--target-bits-per-weight", "5"), MLX, SINGLE, in_mlx),
]


def judge(case):
    name = "-".join(["calibrated", case.program, case.encoding, *(option.lstrip("-") for option in case.options)])
    missing = [package for package in case.needs if installed(package) is None]
    if missing:
        print(f"skip {name} {' and '.join(missing)} not installed", flush=True)
        return
    with check(name):
        texts = ("--calibration", CALIBRATION, "--calibration-tokens", str(TOKENS))
        path = quantize(TINY, name, case.encoding, *case.options, *texts)
        found, told = divergence(case.run(path, case.dtype)), stated(path)
        report(name, abs(found - told) <= LIMITS[case.dtype] * told, f"KL {found:.6f} there, {told:.6f} by recast compare")


def judge_peer():
    """GPTQModel's own quantization, and Recast's in the same format on the same tokens."""
    name = "calibrated-beside-gptqmodel"
    if installed("gptqmodel") is None:
        print(f"skip {name} gptqmodel not installed", flush=True)
        return
    with check(name):
        from gptqmodel import GPTQModel, QuantizeConfig

        ids = AutoTokenizer.from_pretrained(TINY)(CALIBRATION.read_text()).input_ids
        step = len(ids) // (TOKENS // 512)
        windows = [ids[first : first + 512] for first in range(0, step * (TOKENS // 512), step)]
        samples = [{"input_ids": window, "attention_mask": [1] * len(window)} for window in windows]
        start = time.monotonic()
        with quiet():
            model = GPTQModel.load(str(TINY), QuantizeConfig(bits=4, group_size=32, desc_act=False, sym=True), device="cpu")
            model.quantize(samples, batch_size=1)
            model.save(str(WORK / "gptqmodel-own"))
        theirs = time.monotonic() - start
        start = time.monotonic()
        texts = ("--calibration", CALIBRATION, "--calibration-tokens", str(TOKENS))
        own = quantize(TINY, "beside-gptqmodel", "gptq-int4", *GROUPS, *texts)
        ours = time.monotonic() - start
        peer, told = stated(WORK / "gptqmodel-own"), stated(own)
        report(name, told <= peer, f"KL {told:.6f} in {ours:.1f} s, GPTQModel's {peer:.6f} in {theirs:.1f} s")


if __name__ == "__main__":
    for each in CASES:
        judge(each)
    judge_peer()
