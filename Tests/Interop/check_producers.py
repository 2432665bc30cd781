"""Recast reads whole checkpoints that other programs have quantized and saved: the numbers are those that they compute with."""

import json

import torch

from dequantizers import installed, quiet
from referee import GOLDEN, TINY, WORK, check, convert, family, recast, report, tensors


def model(source=TINY, dtype=torch.float32, **options):
    from transformers import AutoModelForCausalLM

    with quiet():
        return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **options).eval()


def compare(name, directory, expected, limit=0.0, *options):
    """Numbers by weight, with what `recast convert` makes of the checkpoint."""
    ours = tensors(convert(directory, name + "-plain", "--dtype", "f32", *options))
    missing = sorted(set(expected) - set(ours))
    worst, where = 0.0, ""
    for weight in set(expected) & set(ours):
        away = ((ours[weight] - expected[weight].float()).norm() / expected[weight].float().norm()).item()
        if not away <= worst:
            worst, where = away, weight
    report(name, bool(expected) and not missing and worst <= limit, f"{len(expected)} weights, relative {worst:.1e} {where}{missing[:2]}")


def producer(package):
    """Whether a program is there; what is not is skipped, by name."""
    if installed(package) is None:
        print(f"skip {package} not installed", flush=True)
        return False
    return True


# --- mlx-lm

def check_mlx():
    import mlx.core as mx
    import numpy
    from mlx_lm.convert import convert as mlx_convert

    def number(array):
        return torch.from_numpy(numpy.array(array.astype(mx.float32)))

    def dequantized(directory):
        said = json.loads((directory / "config.json").read_text())["quantization"]
        settings, found = {"mode": "affine", **said}, {}
        for path in directory.glob("*.safetensors"):
            found.update(mx.load(str(path)))
        weights = {}
        for key, value in found.items():
            module = key.removesuffix(".weight")
            if not key.endswith(".weight") or module + ".scales" not in found:
                continue
            # What is said of a module alone has no mode but the usual one.
            own = {"mode": "affine", **said[module]} if module in said else settings
            full = number(mx.dequantize(
                value, found[module + ".scales"], found.get(module + ".biases"), group_size=own["group_size"], bits=own["bits"],
                mode=own["mode"]))
            if ".switch_mlp." in key:
                before, after = module.split(".switch_mlp.")
                weights |= {f"{before}.experts.{index}.{after}.weight": matrix for index, matrix in enumerate(full)}
            else:
                weights[key] = full
        return weights

    # Configurations that transformers 5 alone reads say more once they are written again.
    experts = [("qwen3_moe", convert(family("qwen3_moe"), "experts"))] if GOLDEN else []
    sources = [("tiny", TINY), *experts]
    for label, source in sources:
        for mode, bits, size in [("affine", 4, 32), ("affine", 8, 32), ("affine", 3, 32), ("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]:
            name = f"mlx-lm-{label}-{mode}-{bits}"
            with check(name):
                directory = WORK / name
                with quiet():
                    mlx_convert(str(source), str(directory), quantize=True, q_bits=bits, q_group_size=size, q_mode=mode, dtype="float32")
                # MLX multiplies and adds in float32, fused; one rounding more or less is all that may differ.
                compare(name, directory, dequantized(directory), 1e-7)


# --- bitsandbytes, as transformers saves it

def check_bitsandbytes():
    import bitsandbytes.functional as functional
    from transformers import BitsAndBytesConfig

    for kind in ("nf4", "fp4"):
        for nested in (False, True):
            for storage in (torch.uint8, torch.bfloat16):
                name = f"bitsandbytes-{kind}" + "-nested" * nested + "-bf16-storage" * (storage == torch.bfloat16)
                with check(name):
                    settings = BitsAndBytesConfig(
                        load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=nested,
                        bnb_4bit_quant_storage=storage, bnb_4bit_compute_dtype=torch.float32)
                    loaded = model(quantization_config=settings, device_map="cpu")
                    expected = {
                        key + ".weight": functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
                        for key, module in loaded.named_modules() if type(module).__name__ == "Linear4bit"}
                    with quiet():
                        loaded.save_pretrained(WORK / name)
                    compare(name, WORK / name, expected, 1e-7)
    with check("bitsandbytes-int8"):
        loaded = model(quantization_config=BitsAndBytesConfig(load_in_8bit=True), device_map="cpu", dtype=torch.bfloat16)
        expected = {
            key + ".weight": module.weight.CB.float() * module.weight.SCB.float()[:, None] / 127
            for key, module in loaded.named_modules() if type(module).__name__ == "Linear8bitLt"}
        with quiet():
            loaded.save_pretrained(WORK / "bitsandbytes-int8")
        compare("bitsandbytes-int8", WORK / "bitsandbytes-int8", expected, 1e-7)


# --- AutoRound

def check_auto_round():
    from auto_round import AutoRound
    from transformers import AutoTokenizer

    cases = [("W4A16", "auto_round"), ("W4A16", "auto_gptq"), ("W4A16", "auto_awq"), ("W8A16", "auto_round"), ("W2A16", "auto_round")]
    for scheme, form in cases:
        name = f"auto-round-{scheme}-{form}"
        with check(name):
            with quiet():
                rounder = AutoRound(
                    model(dtype=torch.float16), AutoTokenizer.from_pretrained(TINY), scheme=scheme, group_size=32, iters=0,
                    disable_opt_rtn=True, device_map="cpu")
                rounder.quantize_and_save(str(WORK / name), format=form)
            directory = next(path.parent for path in (WORK / name).rglob("config.json"))
            source, ours = tensors(TINY), tensors(convert(directory, name + "-plain", "--dtype", "f32"))
            # The numbers themselves: those of its own reader of the same folder, a linear layer at a time.
            logits = [run(path) for path in (directory, convert(directory, name + "-plain", "--dtype", "f32"))]
            away = ((logits[0] - logits[1]).norm() / logits[1].norm()).item()
            changed = max(((ours[key] - source[key].float()).norm() / source[key].float().norm()).item() for key in source)
            report(name, away < 3e-3 and 0 < changed < 0.8, f"logits {away:.1e} away, weights changed by up to {changed:.2f}")


def run(directory):
    ids = (torch.arange(48) * 37 + 1)[None] % 300
    with torch.no_grad(), quiet():
        return model(directory, dtype=torch.float16, device_map="cpu")(ids).logits.float()


# --- ModelOpt

E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def check_modelopt():
    import modelopt.torch.quantization as quantization
    from modelopt.torch.export import export_hf_checkpoint

    ids = (torch.arange(64) * 37 + 1)[None] % 300
    for label, loop in (("FP8_DEFAULT_CFG", lambda model: model(ids)), ("W4A16_NVFP4_CFG", None)):
        name = "modelopt-" + label.removesuffix("_CFG").lower()
        with check(name):
            with quiet():
                quantized = quantization.quantize(model(dtype=torch.bfloat16), getattr(quantization, label), loop)
                export_hf_checkpoint(quantized, export_dir=str(WORK / name))
            # By the formulas of its documentation, as its own numbers on a CPU are rounded to bfloat16 on the way.
            stored, expected = tensors(WORK / name), {}
            for key in stored:
                module = key.removesuffix(".weight")
                if key.endswith(".weight") and module + ".weight_scale" in stored:
                    weight, scale = stored[key], stored[module + ".weight_scale"].float()
                    if module + ".weight_scale_2" in stored:
                        codes = torch.stack([weight & 15, weight >> 4], dim=-1).flatten(1).long()
                        numbers = E2M1[codes & 7] * torch.where(codes > 7, -1.0, 1.0)
                        factor = stored[module + ".weight_scale_2"].float()
                        expected[key] = numbers * scale.repeat_interleave(16, dim=1) * factor
                    else:
                        expected[key] = weight.float() * scale
            compare(name, WORK / name, expected, 1e-7)
            source = tensors(TINY)
            changed = max(((expected[key] - source[key].float()).norm() / source[key].float().norm()).item() for key in expected)
            report(name + "-is-near", 0.01 < changed < 0.2, f"changed by {changed:.3f}")
            if "NVFP4" in label:
                recast("convert", WORK / name, WORK / (name + ".gguf"), "--force")
                equal = recast("diff", WORK / name, WORK / (name + ".gguf")).strip().splitlines()[-1]
                report(name + "-gguf", equal.split()[0] == equal.split()[2], equal)


for package, judge in [
        ("mlx-lm", check_mlx), ("bitsandbytes", check_bitsandbytes), ("auto-round", check_auto_round), ("nvidia-modelopt", check_modelopt)]:
    if producer(package):
        judge()
