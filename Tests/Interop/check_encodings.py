"""The libraries that consume each packed encoding read from Recast's files the numbers that Recast reads from them."""

import dataclasses
from collections.abc import Callable

import torch

import dequantizers
from dequantizers import installed
from referee import TINY, check, convert, quantize, report, tensors


@dataclasses.dataclass
class Case:
    encoding: str
    options: tuple = ()
    #: Root-mean-square error of the weights, relative to their own: what the width allows.
    error: float = 0.2

    @property
    def name(self):
        return "-".join([self.encoding, *(str(option).removeprefix("--") for option in self.options)])


@dataclasses.dataclass
class Consumer:
    package: str
    name: str
    numbers: Callable
    cases: list[Case]


def grouped(encoding, sizes, error, *more):
    return [Case(encoding, ("--group-size", size, *more), error) for size in sizes]


SIZES = (32, 64, 128, 256, -1)
ERRORS = {2: 0.75, 3: 0.4, 4: 0.2, 5: 0.1, 6: 0.05, 8: 0.015}

GPTQ = [
    case for bits in (2, 3, 4, 8) for form in ("v1", "v2") for symmetry in ("--symmetric", "--asymmetric")
    for case in grouped(f"gptq-{form}-int{bits}", SIZES, ERRORS[bits], symmetry)]
AWQ = [case for symmetry in ("--symmetric", "--asymmetric") for case in grouped("awq-int4", (32, 64, 128), 0.2, symmetry)]
COMPRESSED = [
    *(Case(name, ("--per", per), 0.06) for name in ("int8-absmax", "int8-zero-point") for per in ("tensor", "channel")),
    *(case for name in ("int8-absmax", "int8-zero-point") for case in grouped(name, SIZES, 0.015)),
    *(case for name, error in (("int4-group", 0.2), ("ct-int4", 0.2), ("ct-int8", 0.015))
      for symmetry in ("--symmetric", "--asymmetric") for case in grouped(name, SIZES, error, symmetry)),
    Case("ct-fp8", ("--per", "tensor"), 0.04), Case("ct-fp8", ("--per", "channel"), 0.04), Case("ct-mxfp4"),
]
BITSANDBYTES = [Case(name) for name in ("nf4", "fp4", "nf4-nested", "fp4-nested")]
MLX = [case for bits in (2, 3, 4, 5, 6, 8) for case in grouped(f"mlx-int{bits}", (32, 64, 128), ERRORS[bits])]

CONSUMERS = [
    Consumer("gptqmodel", "gptqmodel", dequantizers.gptqmodel_gptq, GPTQ),
    Consumer("autoawq", "autoawq", dequantizers.autoawq, AWQ),
    Consumer("gptqmodel", "gptqmodel", dequantizers.gptqmodel_awq, AWQ),
    Consumer("compressed-tensors", "compressed-tensors", dequantizers.compressed_tensors, COMPRESSED),
    Consumer("bitsandbytes", "bitsandbytes", dequantizers.bitsandbytes_4bit, BITSANDBYTES),
    Consumer("mlx", "mlx", dequantizers.mlx_arrays, MLX),
    Consumer("mlx", "mlx-float32", lambda directory: dequantizers.mlx_arrays(directory, "float32"), MLX),
    Consumer("accelerate", "transformers", dequantizers.transformers_weights, [Case("fp8", (), 0.04)]),
]


def distance(ours, theirs, has_minima):
    """How far the library's numbers are from the exact ones: nothing, the rounding of its type, or steps of that type.

    The sum of a product and a minimum may be small where neither is: its steps are those of the greatest number.
    """
    if torch.equal(theirs.float(), ours):
        return 0, "equal"
    kind = str(theirs.dtype).removeprefix("torch.")
    if torch.equal(theirs, ours.to(theirs.dtype)):
        return 0.5, f"equal, rounded to {kind}"
    step = torch.finfo(theirs.dtype).eps * (ours.abs().max() if has_minima else ours.abs().clamp(min=torch.finfo(theirs.dtype).tiny))
    worst = ((theirs.double() - ours.double()).abs() / step).max().item()
    return worst, f"{worst:.2f} steps of {kind}"


original = {name: tensor.float() for name, tensor in tensors(TINY).items()}
made = {}


def written(case):
    """The checkpoint of a case, and its numbers as Recast reads them."""
    if case.name not in made:
        stored = quantize(TINY, case.name, case.encoding, *case.options)
        made[case.name] = stored, tensors(convert(stored, case.name + "-f32", "--family", "same", "--dtype", "f32"))
    return made[case.name]


def judge(consumer, case):
    stored, ours = written(case)
    theirs = consumer.numbers(stored)
    expected = 28 + 2 * ("mlx" in case.encoding)
    worst = max((distance(ours[name], tensor, "mlx" in case.encoding) for name, tensor in theirs.items()), key=lambda found: found[0])
    errors = [((ours[name] - original[name]).norm() / original[name].norm()).item() for name in theirs]
    problems = [] if len(theirs) == expected else [f"{len(theirs)} weights instead of {expected}"]
    problems += [f"{max(errors):.3f} away from the original"] if max(errors) > case.error else []
    # A type that rounds the product and then the sum is one step off at most.
    problems += [worst[1]] if worst[0] > 1 else []
    report(f"{consumer.name}-{case.name}", not problems, "; ".join(problems) or f"{worst[1]}, error {max(errors):.4f}")


for consumer in CONSUMERS:
    version = installed(consumer.package)
    if version is None:
        print(f"skip {consumer.name} {consumer.package} is not installed", flush=True)
        continue
    for case in consumer.cases:
        with check(f"{consumer.name}-{case.name}"):
            judge(consumer, case)
