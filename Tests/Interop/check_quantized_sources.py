"""Recast reads from checkpoints that other libraries have packed the numbers that those libraries read from them."""

import json

import torch
from safetensors.torch import save_file

import dequantizers
from dequantizers import installed, quiet
from referee import RECAST, WORK, check, convert, report, small_model, tensors

SOURCE = small_model("packed-source", num_hidden_layers=1, hidden_size=256, intermediate_size=512)
LINEAR = {name: tensor.float() for name, tensor in tensors(SOURCE).items() if name.endswith("proj.weight")}
PLAIN = {name: tensor for name, tensor in tensors(SOURCE).items() if name not in LINEAR}
SAID = {}


def checkpoint(name, parts, key="quantization_config", **quantization):
    """A checkpoint of the source's plain tensors and these parts, with this configuration of its quantization."""
    directory = WORK / ("packed-" + name)
    directory.mkdir(exist_ok=True)
    config = json.loads((SOURCE / "config.json").read_text()) | {key: quantization}
    (directory / "config.json").write_text(json.dumps(config))
    parts = {name: tensor.contiguous().clone() for name, tensor in (PLAIN | parts).items()}
    save_file(parts, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


def read(directory):
    import subprocess

    target = WORK / (directory.name + "-f32")
    command = [RECAST, "convert", str(directory), str(target), "--force", "--family", "same", "--dtype", "f32"]
    done = subprocess.run(command, capture_output=True, text=True)
    SAID[directory] = done.stderr
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return tensors(target)


def compare(name, directory, *references, exact=True):
    """References are numbers by weight; those that are not float32 are rounded once."""
    with check(name):
        ours = read(directory)
        wrong = []
        for expected in references:
            assert set(expected) == set(LINEAR), sorted(set(expected) ^ set(LINEAR))
            wrong += [key for key, numbers in expected.items() if not same(numbers, ours[key], exact)]
        kinds = {str(numbers.dtype).removeprefix("torch.") for expected in references for numbers in expected.values()}
        report(name, not wrong, ", ".join(wrong[:2]) or "equal as " + " and ".join(sorted(kinds)))


def same(theirs, ours, exact):
    if exact or theirs.dtype != torch.float32:
        return torch.equal(theirs.to(ours.device), ours.to(theirs.dtype))
    return torch.allclose(theirs, ours, rtol=3e-7, atol=0)


def refused(name, directory, *words):
    with check(name):
        try:
            read(directory)
            report(name, False, "it was read")
        except RuntimeError as error:
            report(name, all(word in str(error) for word in words), str(error).splitlines()[-1][-200:])


# --- GPTQ: layers of random codes, packed by gptqmodel

def gptq_layers(bits, size, symmetric, permuted, version, rows_of=None):
    with quiet():
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.quantization import QuantizeConfig
        from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module
    parts, numbers = {}, {}
    random = torch.Generator().manual_seed(bits * 1000 + size)
    for name, weight in LINEAR.items():
        rows, columns = weight.shape
        width = columns if size == -1 else size
        count = -(-columns // width)
        codes = torch.randint(0, 2**bits, (rows, columns), generator=random)
        scales = (torch.rand(rows, count, generator=random) * 0.02 + 0.001).half()
        # The first format has no zero of 0.
        zeros = torch.full((rows, count), 2 ** (bits - 1)) if symmetric else torch.randint(
            1 if version == 1 else 0, 2**bits, (rows, count), generator=random)
        groups = torch.arange(columns) // width
        if permuted:
            groups = groups[torch.randperm(columns, generator=random)]
        numbers[name] = scales.float()[:, groups] * (codes - zeros[:, groups]).float()
        with quiet(), torch.inference_mode():
            layer = TorchLinear(
                bits=bits, group_size=size, sym=symmetric, desc_act=permuted, in_features=columns, out_features=rows,
                bias=False, register_buffers=False)
            linear = torch.nn.Linear(columns, rows, bias=False)
            linear.weight.data = numbers[name]
            layer.pack_original(linear, scales.float(), zeros.float(), groups.to(torch.int32))
            if version == 1:
                convert_gptq_v2_to_v1_format_module(layer, QuantizeConfig(bits=bits, group_size=size))
        for part in ("qweight", "qzeros", "scales", "g_idx"):
            parts[name.removesuffix("weight") + part] = getattr(layer, part)
    return parts, numbers


def gptq_settings(bits, size, symmetric, permuted, version):
    return dict(
        quant_method="gptq", bits=bits, group_size=size, sym=symmetric, desc_act=permuted,
        checkpoint_format="gptq" if version == 1 else "gptq_v2", pack_dtype="int32")


def check_gptq():
    for bits in (2, 3, 4, 8):
        for size in (32, 64, 128, 256, -1):
            for symmetric, permuted, version in (
                    (True, False, 1), (True, True, 2), (False, False, 1), (False, True, 1), (False, False, 2), (False, True, 2)):
                if permuted and size == -1:
                    continue
                kind = ("sym" if symmetric else "asym") + ("-act-order" if permuted else "") + f"-v{version}"
                name = f"gptqmodel-int{bits}-g{size}-{kind}"
                parts, numbers = gptq_layers(bits, size, symmetric, permuted, version)
                directory = checkpoint(name, parts, **gptq_settings(bits, size, symmetric, permuted, version))
                compare(name, directory, numbers, dequantizers.gptqmodel_gptq(directory))
    # What the configuration says of the zeros is wrong; the file is believed, and the user told.
    for version in (1, 2):
        parts, numbers = gptq_layers(4, 128, True, False, version)
        directory = checkpoint(f"lying-v{version}", parts, **gptq_settings(4, 128, True, False, 3 - version))
        compare(f"gptqmodel-lying-v{version}", directory, numbers)
        report(f"gptqmodel-lying-v{version}-warning", "the file is believed" in SAID.get(directory, ""))
    # No g_idx, as some exporters leave it out.
    parts, numbers = gptq_layers(4, 64, False, False, 2)
    parts = {name: part for name, part in parts.items() if not name.endswith("g_idx")}
    compare("gptqmodel-no-g_idx", checkpoint("no-g_idx", parts, **gptq_settings(4, 64, False, False, 2)), numbers)
    # Other widths and groups for some modules.
    parts, numbers = gptq_layers(4, 128, True, False, 2)
    wider, more = gptq_layers(8, 32, True, False, 2)
    parts |= {name: part for name, part in wider.items() if "down_proj" in name}
    numbers |= {name: part for name, part in more.items() if "down_proj" in name}
    settings = gptq_settings(4, 128, True, False, 2) | {"dynamic": {r"+:.*\.down_proj": {"bits": 8, "group_size": 32}}}
    directory = checkpoint("dynamic", parts, **settings)
    compare("gptqmodel-dynamic", directory, numbers, dequantizers.gptqmodel_gptq(directory))
    # Widths that are stored in planes.
    parts, _ = gptq_layers(6, 128, True, False, 2)
    settings = gptq_settings(6, 128, True, False, 2)
    refused("gptqmodel-int6-refused", checkpoint("int6", parts, **settings), "of 6 bits cannot be read")
    settings |= {"checkpoint_format": "gptq_p"}
    refused("gptqmodel-planes-refused", checkpoint("planes", parts, **settings), 'layout "gptq_p" cannot be read')


# --- AWQ

def check_awq():
    import warnings

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from awq.modules.linear.gemm import WQLinear_GEMM
    random = torch.Generator().manual_seed(5)
    for size in (32, 64, 128, -1):
        for symmetric in (False, True):
            parts, numbers = {}, {}
            for name, weight in LINEAR.items():
                rows, columns = weight.shape
                width = columns if size == -1 else size
                codes = torch.randint(0, 16, (rows, columns), generator=random)
                scales = (torch.rand(rows, columns // width, generator=random) * 0.02 + 0.001).half()
                zeros = torch.full(scales.shape, 8) if symmetric else torch.randint(0, 16, scales.shape, generator=random)
                wide = [part.repeat_interleave(width, dim=1) for part in (scales.float(), zeros.float())]
                numbers[name] = wide[0] * (codes - wide[1])
                linear = torch.nn.Linear(columns, rows, bias=False)
                linear.weight.data = numbers[name]
                layer = WQLinear_GEMM.from_linear(
                    linear, 4, width, scales=scales.T.contiguous().float(), zeros=zeros.T.contiguous().float())
                for part in ("qweight", "qzeros", "scales"):
                    parts[name.removesuffix("weight") + part] = getattr(layer, part)
            name = f"autoawq-g{size}-" + ("sym" if symmetric else "asym")
            directory = checkpoint(
                name, parts, quant_method="awq", bits=4, group_size=size, zero_point=not symmetric, version="gemm")
            compare(name, directory, numbers, dequantizers.autoawq(directory))


# --- compressed-tensors

def check_compressed_tensors():
    with quiet():
        from compressed_tensors.compressors import BaseCompressor
        from compressed_tensors.quantization import QuantizationConfig
        from compressed_tensors.quantization.utils import calculate_qparams

    def case(form, bits, strategy, size=None, symmetric=True, kind="int", dtype=torch.float32, block=None, activations=None):
        weights = dict(num_bits=bits, type=kind, symmetric=symmetric, strategy=strategy, dynamic=False)
        weights |= {"group_size": size} if size else {}
        weights |= {"block_structure": block} if block else {}
        weights |= {"scale_dtype": "torch.uint8"} if form.startswith("mxfp4") else {}
        settings = dict(
            quant_method="compressed-tensors", format=form, quantization_status="compressed", ignore=["lm_head"],
            config_groups={"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": activations}})
        (scheme,) = QuantizationConfig.model_validate(settings).config_groups.values()
        compressor = BaseCompressor.get_value_from_registry(form)
        parts = {}
        for name, weight in LINEAR.items():
            rows, columns = weight.shape
            if strategy == "tensor":
                blocks = weight.reshape(1, 1, -1)
            elif strategy == "block":
                across, down = -(-columns // block[1]), -(-rows // block[0])
                padded = torch.zeros(down * block[0], across * block[1])
                padded[:rows, :columns] = weight
                blocks = padded.reshape(down, block[0], across, block[1]).transpose(1, 2).flatten(2)
            else:
                blocks = weight.reshape(rows, -1, size or columns)
            low, high = blocks.amin(-1), blocks.amax(-1)
            scale, zero = calculate_qparams(low, high, scheme.weights)
            if strategy == "tensor":
                scale, zero = scale.reshape(1), zero.reshape(1)
            state = {"weight": weight.to(dtype), "weight_scale": scale.to(dtype)}
            if not symmetric:
                state["weight_zero_point"] = zero
            for part, tensor in compressor.compress(state, scheme).items():
                parts[name.removesuffix("weight") + part] = tensor
        name = "-".join(
            ["compressed-tensors", form, f"{kind}{bits}", strategy + (str(size) if size else ""),
             "sym" if symmetric else "asym", str(dtype).removeprefix("torch.")])
        directory = checkpoint(name, parts, **settings)
        with check(name):
            compare(name, directory, dequantizers.compressed_tensors(directory))

    for bits in range(2, 9):
        for symmetric in (True, False):
            for size in (32, 128):
                case("pack-quantized", bits, "group", size, symmetric)
            case("pack-quantized", bits, "channel", None, symmetric)
    for dtype in (torch.bfloat16, torch.float16):
        for symmetric in (True, False):
            case("pack-quantized", 4, "group", 64, symmetric, dtype=dtype)
    for symmetric in (True, False):
        case("pack-quantized", 8, "tensor", None, symmetric)
        case("naive-quantized", 8, "channel", None, symmetric)
        case("naive-quantized", 8, "tensor", None, symmetric)
        case("naive-quantized", 8, "group", 64, symmetric)
    tokens = dict(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
    case("int-quantized", 8, "channel", activations=tokens)
    case("int-quantized", 8, "channel", symmetric=False, activations=tokens)
    tokens = tokens | {"type": "float"}
    for strategy, block in (("channel", None), ("tensor", None), ("block", [128, 128]), ("block", [96, 160])):
        case("float-quantized", 8, strategy, kind="float", block=block, activations=tokens)
    case("mxfp4-pack-quantized", 4, "group", 32, kind="float", dtype=torch.bfloat16)


# --- bitsandbytes

def check_bitsandbytes():
    with quiet():
        from bitsandbytes import functional
    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            for dtype in (torch.float32, torch.bfloat16, torch.float16):
                parts = {}
                for name, weight in LINEAR.items():
                    codes, state = functional.quantize_4bit(
                        weight.to(dtype), quant_type=kind, compress_statistics=nested, blocksize=64)
                    parts |= {name: codes} | {f"{name}.{key}": part for key, part in state.as_dict(packed=True).items()}
                name = f"bitsandbytes-{kind}{'-nested' if nested else ''}-{str(dtype).removeprefix('torch.')}"
                directory = checkpoint(
                    name, parts, quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type=kind,
                    bnb_4bit_use_double_quant=nested)
                compare(name, directory, dequantizers.bitsandbytes_4bit(directory))
    parts = {}
    for name, weight in LINEAR.items():
        codes, absmax, _ = functional.int8_vectorwise_quant(weight.half())
        stem = name.removesuffix("weight")
        parts |= {name: codes, stem + "SCB": absmax, stem + "weight_format": torch.tensor(0, dtype=torch.uint8)}
    directory = checkpoint("bitsandbytes-int8", parts, quant_method="bitsandbytes", load_in_8bit=True)
    compare("bitsandbytes-int8", directory, dequantizers.bitsandbytes_8bit(directory), exact=False)


# --- MLX

def check_mlx():
    import mlx.core as mx
    import numpy

    def quantized(size, bits, mode, dtype, **more):
        parts = {}
        for name, weight in LINEAR.items():
            pieces = mx.quantize(mx.array(weight.numpy()).astype(dtype), size, bits, mode=mode)
            for part, piece in zip(("weight", "scales", "biases"), pieces):
                kind = {mx.bfloat16: torch.bfloat16}.get(piece.dtype)
                tensor = torch.from_numpy(numpy.array(piece.astype(mx.float32) if kind else piece))
                parts[name.removesuffix("weight") + part] = tensor.to(kind) if kind else tensor
        return parts

    def case(size, bits, mode="affine", dtype=mx.float32):
        name = f"mlx-{mode}-int{bits}-g{size}-{str(dtype).removeprefix('mlx.core.')}"
        settings = dict(group_size=size, bits=bits, mode=mode)
        directory = checkpoint(name, quantized(size, bits, mode, dtype), "quantization", **settings)
        with check(name):
            compare(name, directory, dequantizers.mlx_arrays(directory, "float32"))

    for bits in (2, 3, 4, 5, 6, 8):
        for size in (32, 64, 128):
            case(size, bits)
    for dtype in (mx.float16, mx.bfloat16):
        case(64, 4, dtype=dtype)
    case(32, 4, "mxfp4", mx.bfloat16)
    parts = quantized(64, 4, "affine", mx.float32)
    wide = quantized(32, 6, "affine", mx.float32)
    module = "model.layers.0.mlp.down_proj"
    parts |= {name: part for name, part in wide.items() if name.startswith(module)}
    directory = checkpoint(
        "mlx-mixed", parts, "quantization", group_size=64, bits=4, **{module: dict(group_size=32, bits=6)})
    compare("mlx-mixed", directory, dequantizers.mlx_arrays(directory))
    case(16, 4, "nvfp4", mx.bfloat16)
    case(32, 8, "mxfp8", mx.bfloat16)


# --- FP8

def check_fp8():
    with quiet():
        from transformers import FineGrainedFP8Config
        from transformers.integrations.finegrained_fp8 import Fp8Quantize

    class Quantizer:
        def __init__(self, config):
            self.quantization_config = config

    for size in ([128, 128], [64, 32]):
        for form in (None, "ue8m0"):
            config = FineGrainedFP8Config(weight_block_size=size)
            config.scale_fmt = form
            parts, numbers = {}, {}
            for name, weight in LINEAR.items():
                made = Fp8Quantize(Quantizer(config)).convert({name: weight})
                parts |= made
                codes, scale = made[name].float(), made[name.replace(".weight", ".weight_scale_inv")].float()
                wide = scale.repeat_interleave(size[0], 0).repeat_interleave(size[1], 1)
                numbers[name] = codes * wide[:codes.shape[0], :codes.shape[1]]
            name = f"transformers-fp8-{size[0]}x{size[1]}" + (f"-{form}" if form else "")
            settings = dict(quant_method="fp8", activation_scheme="dynamic", weight_block_size=size)
            directory = checkpoint(name, parts, **settings | ({"scale_fmt": form} if form else {}))
            compare(name, directory, numbers, dequantizers.transformers_weights(directory))
    # Partial blocks at the edges: the last one is cut, not stretched.
    parts, numbers = {}, {}
    for name, weight in LINEAR.items():
        down, across = -(-weight.shape[0] // 96), -(-weight.shape[1] // 160)
        scale = torch.rand(down, across) * 0.01 + 0.001
        wide = scale.repeat_interleave(96, 0).repeat_interleave(160, 1)[:weight.shape[0], :weight.shape[1]]
        codes = (weight / wide).clamp(-448, 448).to(torch.float8_e4m3fn)
        parts |= {name: codes, name + "_scale_inv": scale}
        numbers[name] = codes.float() * wide
    settings = dict(quant_method="fp8", activation_scheme="dynamic", weight_block_size=[96, 160])
    compare("fp8-partial-blocks", checkpoint("fp8-partial", parts, **settings), numbers)


GROUPS = [
    ("gptqmodel", check_gptq, ["gptqmodel"]), ("autoawq", check_awq, ["autoawq"]),
    ("compressed-tensors", check_compressed_tensors, ["compressed-tensors"]),
    ("bitsandbytes", check_bitsandbytes, ["bitsandbytes"]), ("mlx", check_mlx, ["mlx"]), ("fp8", check_fp8, ["accelerate"]),
]
for title, run, packages in GROUPS:
    missing = [package for package in packages if installed(package) is None]
    if missing:
        print(f"skip {title}-sources {' and '.join(missing)} not installed", flush=True)
        continue
    with check(f"{title}-sources"):
        run()
