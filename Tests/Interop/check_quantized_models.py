"""Programs that run quantized checkpoints compute the logits of the numbers that Recast reads from them."""

import dataclasses

import torch

from dequantizers import installed, quiet
from referee import TINY, check, convert, quantize, report, small_model

IDS = (torch.arange(48) * 37 + 1)[None] % 300
HALF, SINGLE, BRAIN = torch.float16, torch.float32, torch.bfloat16
#: What the logits may differ by, relative to their size, where both sides compute in one type but not in one order.
LIMITS = {HALF: 3e-3, SINGLE: 2e-5, BRAIN: 2e-2}


def load(directory, dtype, **options):
    from transformers import AutoModelForCausalLM

    with quiet():
        return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="eager", **options).eval()


def logits(model):
    with torch.no_grad(), quiet():
        return model(IDS).logits.float()


def dequantizing():
    from transformers import CompressedTensorsConfig

    return {"quantization_config": CompressedTensorsConfig(dequantize=True)}


def by_transformers(directory, dtype, **options):
    return logits(load(directory, dtype, **options))


def by_gptqmodel(directory, dtype):
    with quiet():
        from gptqmodel import BACKEND, GPTQModel

        model = GPTQModel.load(str(directory), device="cpu", dtype=dtype, backend=BACKEND.GPTQ_TORCH)
    return logits(model)


def by_mlx(directory, dtype):
    import mlx.core as mx
    import numpy
    from mlx_lm.utils import load_model

    model, _ = load_model(directory)
    model.set_dtype(mx.float32)
    return torch.from_numpy(numpy.array(model(mx.array(IDS.numpy())).astype(mx.float32)))


@dataclasses.dataclass
class Case:
    name: str
    encoding: str
    options: tuple = ()
    needs: tuple = ()
    dtype: torch.dtype = SINGLE
    run: object = by_transformers
    settings: object = dict
    #: What the program may change in the logits, of what quantizing changes; more where it rounds activations too.
    share: float = 1 / 3


COMPRESSED, BNB, GPTQ, MLX = ("compressed-tensors",), ("bitsandbytes",), ("gptqmodel", "optimum"), ("mlx", "mlx-lm")
ASYMMETRIC = "--asymmetric"
CASES = [
    Case("transformers", "ct-int4", (), COMPRESSED), Case("transformers", "ct-int8", (), COMPRESSED),
    Case("transformers", "int8-absmax", ("--per", "tensor"), COMPRESSED),
    Case("transformers", "int8-absmax", ("--per", "channel"), COMPRESSED),
    Case("transformers", "int8-zero-point", ("--per", "tensor"), COMPRESSED),
    Case("transformers-dequantize", "int8-zero-point", ("--per", "channel"), COMPRESSED, dtype=BRAIN, settings=dequantizing),
    Case("transformers-dequantize", "ct-int4", (ASYMMETRIC,), COMPRESSED, dtype=BRAIN, settings=dequantizing),
    Case("transformers", "ct-fp8", ("--per", "tensor"), COMPRESSED),
    Case("transformers", "ct-fp8", ("--per", "channel"), COMPRESSED),
    Case("transformers", "ct-mxfp4", (), COMPRESSED, BRAIN),
    *(Case("transformers", name, (), BNB, BRAIN) for name in ("nf4", "fp4", "nf4-nested", "fp4-nested")),
    Case("transformers", "llm-int8", (), BNB, BRAIN, share=2),
    *(Case("transformers", f"gptq-int{bits}", (), GPTQ, HALF) for bits in (2, 3, 4, 8)),
    Case("transformers", "gptq-int4", (ASYMMETRIC,), GPTQ, HALF),
    Case("transformers", "awq-int4", (), GPTQ, HALF),
    *(Case("gptqmodel", f"gptq-int{bits}", more, GPTQ[:1], HALF, by_gptqmodel)
      for bits in (2, 3, 4, 8) for more in ((), (ASYMMETRIC,))),
    *(Case("mlx-lm", f"mlx-int{bits}", (), MLX, run=by_mlx) for bits in (2, 3, 4, 5, 6, 8)),
    Case("transformers", "fp8", (), ("accelerate",), BRAIN),
]
#: What a tied head or sizes that do not fill groups must not break.
TIED = ["ct-int4", "int8-absmax", "nf4", "gptq-int4", "awq-int4", "mlx-int4", "fp8", "ct-fp8", "ct-mxfp4"]


def judge(case, source, prefix=""):
    name = "-".join([prefix + case.name, case.encoding, *(option.lstrip("-") for option in case.options)])
    missing = [package for package in case.needs if installed(package) is None]
    if missing:
        print(f"skip {name} {' and '.join(missing)} not installed", flush=True)
        return
    with check(name):
        stored = quantize(source, "model-" + name, case.encoding, *case.options)
        plain = convert(stored, f"model-{name}-plain", "--family", "same", "--dtype", "f32")
        expected = logits(load(plain, case.dtype))
        found = case.run(stored, case.dtype, **case.settings())
        away = ((found - expected).norm() / expected.norm()).item()
        changed = ((expected - logits(load(source, case.dtype))).norm() / expected.norm()).item()
        passed = away <= LIMITS[case.dtype] and away < changed * case.share
        report(name, passed, f"{away:.1e} of the logits, where quantizing changes {changed:.1e}")


if __name__ == "__main__":
    for each in CASES:
        judge(each, TINY)
    tied = small_model("tied", tie_word_embeddings=True)
    for each in CASES:
        if each.encoding in TIED and not each.options and each.name != "gptqmodel":
            judge(each, tied, "tied-")
