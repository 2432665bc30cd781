"""The numbers that other libraries read from quantized checkpoints, each library by its own code.

Each function takes a checkpoint directory and returns {weight name: tensor of numbers as the library computes them}.
"""

import contextlib
import importlib.metadata
import io
import json
import logging
import os

import torch

from referee import tensors

os.environ.setdefault("TORCH_COMPILE_DISABLE", "1")


def installed(package):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)


@contextlib.contextmanager
def quiet():
    """gptqmodel greets on both streams."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def configuration(directory, key="quantization_config"):
    return json.loads((directory / "config.json").read_text())[key]


def modules(found, suffix):
    return sorted(name.removesuffix(suffix) for name in found if name.endswith(suffix))


def overrides(config, module):
    """GPTQ settings of one module: the last of `dynamic` that matches wins."""
    import re

    settings = dict(config)
    for pattern, values in (config.get("dynamic") or {}).items():
        if not pattern.startswith("-:") and re.match(pattern.removeprefix("+:"), module):
            settings.update(values)
    return settings


def gptqmodel_gptq(directory, zeros=None):
    """TorchLinear of gptqmodel, float16. `zeros` says which format the zeros have in place of the configuration."""
    with quiet():
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module
    config, found, numbers = configuration(directory), tensors(directory), {}
    for module in modules(found, ".qweight"):
        settings = overrides(config, module)
        parts = {name: found[f"{module}.{name}"] for name in ("qweight", "qzeros", "scales", "g_idx")}
        with quiet():
            linear = TorchLinear(
                bits=settings["bits"], group_size=settings["group_size"], sym=settings["sym"], desc_act=settings["desc_act"],
                in_features=parts["g_idx"].numel(), out_features=parts["scales"].shape[1], bias=False, register_buffers=True)
            linear.load_state_dict(parts, strict=False)
            if (zeros or config["checkpoint_format"]) == "gptq":
                convert_gptq_v1_to_v2_format_module(linear, settings["bits"], torch.int32)
            linear.eval().post_init()
            numbers[f"{module}.weight"] = linear.dequantize_weight().T.contiguous()
    return numbers


def awq_parts(directory):
    config, found = configuration(directory), tensors(directory)
    for module in modules(found, ".qweight"):
        qweight, qzeros, scales = (found[f"{module}.{name}"] for name in ("qweight", "qzeros", "scales"))
        size = config["group_size"] if config["group_size"] > 0 else qweight.shape[0]
        yield f"{module}.weight", (qweight, qzeros, scales, config["bits"], size)


def autoawq(directory):
    import warnings

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from awq.utils.packing_utils import dequantize_gemm
    return {name: dequantize_gemm(*parts).T.contiguous() for name, parts in awq_parts(directory)}


def gptqmodel_awq(directory):
    with quiet():
        from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm
    return {name: dequantize_gemm(*parts).T.contiguous() for name, parts in awq_parts(directory)}


def compressed_tensors(directory):
    """The compressor of the configured format."""
    with quiet():
        from compressed_tensors.compressors import BaseCompressor
        from compressed_tensors.quantization import QuantizationConfig
    config, found, numbers = configuration(directory), tensors(directory), {}
    (scheme,) = QuantizationConfig.model_validate(config).config_groups.values()
    compressor = BaseCompressor.get_value_from_registry(config["format"])
    for module in modules(found, ".weight_scale"):
        parts = {
            name.removeprefix(module + "."): tensor for name, tensor in found.items()
            if name.startswith(module + ".weight")}
        numbers[f"{module}.weight"] = compressor.decompress(parts, scheme)["weight"]
    return numbers


def bitsandbytes_4bit(directory):
    with quiet():
        from bitsandbytes import functional
    found, numbers = tensors(directory), {}
    for weight in modules(found, ".absmax"):
        parts = {name: found[name] for name in found if name.startswith(weight + ".") and name != weight}
        state = functional.QuantState.from_dict(parts, device="cpu")
        numbers[weight] = functional.dequantize_4bit(found[weight], state)
    return numbers


def bitsandbytes_8bit(directory):
    with quiet():
        from bitsandbytes import functional
    found = tensors(directory)
    return {
        f"{module}.weight": functional.int8_vectorwise_dequant(found[f"{module}.weight"], found[f"{module}.SCB"])
        for module in modules(found, ".SCB")}


def mlx_arrays(directory, dtype=None):
    """mx.dequantize; the scales are widened first where a type is named."""
    import mlx.core as mx
    import numpy

    config, numbers = configuration(directory, "quantization"), {}
    found = {}
    for path in sorted(directory.glob("model*.safetensors")):
        found.update(mx.load(str(path)))
    for module in modules(found, ".scales"):
        settings = config.get(module) or config
        scales, biases = found[f"{module}.scales"], found.get(f"{module}.biases")
        if dtype and biases is not None:
            scales, biases = scales.astype(getattr(mx, dtype)), biases.astype(getattr(mx, dtype))
        weight = mx.dequantize(
            found[f"{module}.weight"], scales, biases, settings["group_size"], settings["bits"],
            mode=settings.get("mode", "affine"))
        kind = {mx.float16: torch.float16, mx.bfloat16: torch.bfloat16, mx.float32: torch.float32}[weight.dtype]
        numbers[f"{module}.weight"] = torch.from_numpy(numpy.array(weight.astype(mx.float32))).to(kind)
    return numbers


def transformers_weights(directory, **options):
    """The weights of the model that transformers makes of a checkpoint, dequantized while it is loaded."""
    from transformers import AutoModelForCausalLM

    with quiet():
        state = AutoModelForCausalLM.from_pretrained(directory, **options).state_dict()
    return {name: tensor for name, tensor in state.items() if name.endswith("proj.weight")}
