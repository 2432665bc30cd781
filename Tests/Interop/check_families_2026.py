"""Families of 2024 to 2026: larger random models than those of Fixtures/families, in variants. Recast's pass computes what transformers'
classes compute, of the own layout and of GGUF; transformers loads what Recast writes; llama.cpp's program computes the same from the
file, and its converter and quantizer write the same tensors (RECAST_LLAMA_CPP)."""

import json
import os
import re
import shutil
import warnings
import zlib

import numpy
import torch
import transformers
from safetensors.torch import load_file, save_file

import make_families as small
from family_cases import INEXACT, NO_GGUF, NO_PROGRAM, VARIANTS, layers as layer_cases, routers_and_attention
from likelihoods import compare, likelihood, measured
from referee import WORK, bytes_tokenizer, check, convert, different, quantize, recast, report, tensors

warnings.filterwarnings("ignore")
TEXT = bytes(33 + (7 * i * i + 3 * i) % 90 for i in range(90))
SIZES = dict(vocab_size=256, hidden_size=256, num_hidden_layers=3, num_attention_heads=8, max_position_embeddings=128)
# Larger experts; the rest as in the small models.
WIDE = {
    "moe_intermediate_size": 256, "intermediate_size": 256, "q_lora_rank": 48, "kv_lora_rank": 32, "num_attention_heads": 8,
    "index_head_dim": 64}


# Where the first seed gives a token an expert whose score is next to nothing: llama.cpp divides by 2^-14 at least.
SHIFTED = {"glm_moe_dsa-shared-wide": 1}


def model_and_folder(name, case, unusual, seed):
    kind, own, extra = small.CASES[case] if case else ("DeepseekV3Config", {}, {})
    sizes = SIZES | {key: value for key, value in WIDE.items() if key in own} | layer_cases.SIZES.get(case, {}) | unusual
    if "qk_nope_head_dim" in own:
        sizes = {"num_key_value_heads": 8} | sizes
    if case == "bailing_moe_v2":  # nor heads that do not make the hidden size
        sizes = {"head_dim": 32} | sizes
    if case in ("dots1", "olmoe", "phi"):  # llama.cpp's loader, or converter, knows no fewer key heads
        sizes = {"num_key_value_heads": 8} | sizes
    if case == "phi":  # nor another size
        sizes |= {"intermediate_size": 1024}
    layers = sizes["num_hidden_layers"]
    if "layer_types" in own and "layer_types" not in sizes:
        sizes["layer_types"] = [own["layer_types"][layer % 2] for layer in range(layers)]
    if case in ("olmoe", "granitemoe", "phimoe") and "head_dim" in sizes:
        del sizes["head_dim"]
    if case == "phimoe" and "rope_parameters" not in sizes:
        count = sizes["hidden_size"] // sizes["num_attention_heads"] // 2
        sizes["rope_parameters"] = routers_and_attention.LONGROPE | {
            "short_factor": [1 + i / count for i in range(count)], "long_factor": [1 + i / count for i in range(count)],
            "original_max_position_embeddings": 100}
        extra = extra | {"original_max_position_embeddings": 100}
    torch.manual_seed(seed)
    model = small.model_of(kind, own | sizes, seed, case)
    folder = WORK / name
    model.save_pretrained(folder)
    path = folder / "config.json"
    if case == "bailing_moe_v2":
        made, config = small.bailing(load_file(folder / "model.safetensors"), json.loads(path.read_text()))
        save_file({key: value.contiguous() for key, value in made.items()}, folder / "model.safetensors", metadata={"format": "pt"})
        path.write_text(json.dumps(config, indent=1))
        return model, folder
    extra = extra | {key: sizes[key] for key in ("layer_types",) if key in sizes and key in extra}
    config = {key: value for key, value in (json.loads(path.read_text()) | extra).items() if value is not ...}
    if case == "hunyuan_v1_moe":
        size = config["intermediate_size"]
        config |= {"moe_topk": [2] * layers, "moe_intermediate_size": [size] * layers, "num_shared_expert": [1] * layers}
    if case == "gpt2":
        config["n_ctx"] = config["n_positions"]
    if case == "bamba":
        config["attn_rotary_emb"] = sizes["hidden_size"] // sizes["num_attention_heads"] // 2
    if case == "gpt_neox":
        config["rotary_pct"] = config["rope_parameters"]["partial_rotary_factor"]
    if case == "minimax_m2":
        config["rotary_dim"] = int(16 * config["rope_parameters"].get("partial_rotary_factor", 1))
    if "num_nextn_predict_layers" in config:
        config["num_nextn_predict_layers"] = 0
    if name.endswith("-flat"):  # as published models say it
        config["rope_scaling"] = dict(config.pop("rope_parameters")["full_attention"])
        config["rope_theta"] = config["rope_scaling"].pop("rope_theta")
        del config["layer_types"]
    path.write_text(json.dumps(config, indent=1))
    return model, folder


def rotary_factors(path):
    from gguf import GGUFReader

    return numpy.concatenate([numpy.zeros(0)] + [tensor.data for tensor in GGUFReader(path).tensors if tensor.name == "rope_freqs.weight"])


def rows(path):
    # torch's powers are one unit in the last place off where there are as many as a processor has lanes.
    # So are its exponentials, of which the decay of states is made.
    return (row for row in small.gguf_rows(path) if row[0] != "rope_freqs.weight" and not row[0].endswith("ssm_a"))


def all_keys(path):
    from gguf import GGUFReader

    yield from small.gguf_keys(path)
    for name, field in GGUFReader(path).fields.items():
        if name.split(".", 1)[-1] in ("attention.sliding_window_pattern", "attention.head_count_kv", "feed_forward_length") or "xielu" in name:
            yield f"{name} = {field.contents()}"


def gguf_check(name, folder, gguf):
    """The same tensors as llama.cpp's converter and quantizer write."""
    if not os.environ.get("RECAST_LLAMA_CPP"):
        return
    from llama_program import quantized

    theirs = WORK / f"{name}-theirs.gguf"
    predicts = name.startswith(("glm4", "hy_v3", "qwen3_next", "qwen3_5"))
    link = WORK / f"links-{name}" / ("glm4_moe" if predicts else "other")
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(folder)
    small.convert(link, theirs)
    factors = [rotary_factors(path) for path in (gguf, theirs)]
    report(f"{name}-gguf-factors", len(factors[0]) == len(factors[1]) and numpy.allclose(*factors, rtol=1e-6, atol=0))
    ours, other = dict((row[0], row[1:]) for row in rows(gguf)), dict((row[0], row[1:]) for row in rows(theirs))
    # ERNIE's correction bias has a second dimension of one there.
    other = {
        key: (row[0], row[1].removesuffix("x1") if "exp_probs_b" in key else row[1], row[2]) for key, row in other.items()}
    # The converter reorders the rows of heads that turn in part as if they turned whole.
    own_order = ("attn_q.weight", "attn_k.weight") if name.startswith("bamba") else ()
    wrong = sorted(
        key for key in ours.keys() | other.keys() if ours.get(key) != other.get(key) and not key.endswith(own_order))
    report(f"{name}-gguf-tensors", not wrong, ", ".join(wrong[:4]))
    if not (folder / "tokenizer.json").exists():
        missing = sorted(set(all_keys(theirs)) - set(all_keys(gguf)))
        # Of the last two the converter says a context of its own.
        allowed = ("ernie4_5_moe", "phimoe", "exaone4-windows-wide", "granitemoehybrid", "nemotron_h")
        report(f"{name}-gguf-keys", not missing or name.startswith(allowed), "; ".join(missing[:4]))
    for mix in ("q8_0", "q4_k_m"):
        path = quantized(theirs, WORK / f"{name}-theirs-{mix}.gguf", mix)
        found = quantize(folder, f"{name}-{mix}.gguf", mix, *(["--allow-inexact"] if name in INEXACT else []))
        same = [[row for row in rows(file) if not row[0].endswith(own_order)] for file in (found, path)]
        report(f"{name}-gguf-{mix}", same[0] == same[1])


def program_check(name, model, gguf):
    """llama.cpp's program on Recast's file."""
    try:
        from llama_program import Model
    except ImportError:
        return
    ids = list(TEXT)
    if model.config.model_type == "nemotron_h":
        # It has no least time step there, of which Recast warns.
        for module in model.modules():
            if hasattr(module, "time_step_limit"):
                module.time_step_limit = (0.0, float("inf"))
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].float().numpy()
    off = float(abs(Model(gguf).logits(ids) - expected).max())
    # It takes GELU from a table of float16.
    takes_table = "gelu" in str(vars(model.config)) or model.config.model_type in ("bloom", "mpt") or "gemma4" in name
    most = 2e-2 if takes_table else 2e-3
    report(f"{name}-llama.cpp", off <= most, f"{off:.1e} (at most {most:.0e}), logits up to {abs(expected).max():.1f}")


def memory_check(name, model, folder):
    """As transformers 5 has it in memory, saved so: the same model, and what Recast writes of it is loaded."""
    saved = WORK / f"{name}-memory"
    model.save_pretrained(saved, save_original_format=False)
    # Which keys there are is the case's affair.
    shutil.copy(folder / "config.json", saved)
    same = recast("diff", folder, saved).strip().splitlines()[-1]
    report(f"{name}-memory-same", re.fullmatch(r"(\d+) of \1 tensors are equal", same), same)
    again = convert(saved, f"{name}-memory-own", "--family", "same")
    loaded = type(model).from_pretrained(again, dtype=torch.float32).state_dict()
    wrong = [key for key, tensor in model.state_dict().items() if not torch.equal(loaded[key], tensor)]
    report(f"{name}-memory-loaded", not wrong, ", ".join(wrong[:3]))


def divergence(folder, candidate, tokenizer):
    """Mean KL divergence from a model's predictions on the text that a calibration has seen."""
    done = recast(
        "compare", folder, candidate, "--text", WORK / "calibration.txt", "--context", 100, "--tokenizer", tokenizer, "--json")
    return json.loads(done)["total"]["kld"]["mean"]


def calibrated_check(name, folder, tokenizer):
    """Codes that are chosen by a text are nearer to the model than rounded ones, in packed weights, or where programs take none in blocks."""
    own = ["gptq-int4", "--group-size", 32]
    target, encoding = (f"{name}-codes.gguf", ["q4_0", "--pre-tokenizer", "gpt-2"]) if name == "gpt2-wide" else (f"{name}-codes", own)
    more = ["--tokenizer", tokenizer, "--calibration", WORK / "calibration.txt", "--calibration-context", 100]
    chosen = divergence(folder, quantize(folder, f"calibrated-{target}", *encoding, *more), tokenizer)
    rounded = divergence(folder, quantize(folder, f"rounded-{target}", *encoding, "--tokenizer", tokenizer), tokenizer)
    report(f"{name}-calibrated", chosen < rounded, f"{chosen:.2e} after calibration, {rounded:.2e} rounded")


def kept_layers_check(label, folder):
    """Layers that guess further tokens, kept in the own layout and as the converter takes them."""
    own = convert(folder, f"{label}-own", "--family", "same", "--mtp", "keep")
    report(f"{label}-own-bits", not different(tensors(own), tensors(folder)))
    if not os.environ.get("RECAST_LLAMA_CPP"):
        return
    theirs, ours = WORK / f"{label}-theirs.gguf", convert(folder, f"{label}.gguf", "--dtype", "f32", "--mtp", "keep")
    small.convert(folder, theirs, without=[])
    wrong = set(small.gguf_rows(ours)) ^ set(small.gguf_rows(theirs))
    report(f"{label}-gguf-tensors", not wrong, " ".join(str(row) for row in list(wrong)[:2]))


def further_layers_check(case):
    """A layer that guesses further tokens, behind the model's own, as the converter takes it."""
    source, folder = small.OUT / case, WORK / f"{case}-further" / case
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    count, hidden = config["num_hidden_layers"], config["hidden_size"]
    own = load_file(source / "model.safetensors")
    made = dict(own)
    torch.manual_seed(3)
    for name, tensor in own.items():
        if name.startswith(f"model.layers.{count - 1}."):
            made[name.replace(f"layers.{count - 1}.", f"layers.{count}.")] = tensor * 0.5
    last = "final_layernorm" if case in ("hy_v3", "bailing_moe_v2") else "shared_head.norm"
    for name, shape in [("eh_proj", (hidden, 2 * hidden)), ("enorm", (hidden,)), ("hnorm", (hidden,)), (last, (hidden,))]:
        made[f"model.layers.{count}.{name}.weight"] = torch.randn(shape).to(torch.bfloat16)
    save_file(made, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config | {"num_nextn_predict_layers": 1}))
    kept_layers_check(f"further-{case}", folder)


def layers_beside_check(case):
    """The layer that guesses further tokens of Qwen3-Next and Qwen3.5, which stands beside the model's own."""
    source, folder = small.OUT / case, WORK / f"{case}-beside" / f"{case}-beside"
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((source / "config.json").read_text())
    hidden, layer = config["hidden_size"], config["layer_types"].index("full_attention")
    own = load_file(source / "model.safetensors")
    made = dict(own)
    torch.manual_seed(4)
    for name, tensor in own.items():
        if name.startswith(f"model.layers.{layer}."):
            made[name.replace(f"model.layers.{layer}.", "mtp.layers.0.")] = tensor * 0.5
    made["mtp.fc.weight"] = torch.randn(hidden, 2 * hidden).to(torch.bfloat16)
    for name in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
        made[f"mtp.{name}.weight"] = torch.randn(hidden).to(torch.bfloat16)
    save_file(made, folder / "model.safetensors", metadata={"format": "pt"})
    said = {} if case == "qwen3_next" else {"mtp_num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config | said))
    kept_layers_check(f"beside-{case}", folder)


def mxfp4(weights):
    """Codes and exponents of matrices `[experts, in, out]`, and what they stand for: the nearest code under the largest exponent that
    keeps the largest number."""
    values = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])
    groups = weights.float().transpose(1, 2).reshape(weights.shape[0], weights.shape[2], -1, 32)
    exponents = torch.floor(torch.log2(groups.abs().amax(-1).clamp(min=1e-30))) - 2
    codes = (groups[..., None] / torch.exp2(exponents)[..., None, None] - values).abs().argmin(-1).to(torch.uint8)
    decoded = (values[codes.long()] * torch.exp2(exponents)[..., None]).reshape(groups.shape[:2] + (-1,)).transpose(1, 2)
    return codes[..., ::2] | codes[..., 1::2] << 4, (exponents + 127).to(torch.uint8), decoded


def packed_experts_check():
    """gpt-oss as it is published: experts in MXFP4."""
    name, case = "gpt_oss-mxfp4", "gpt_oss"
    model, folder = model_and_folder(name, case, {}, 77)
    stored = load_file(folder / "model.safetensors")
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith(("experts.gate_up_proj", "experts.down_proj")):
                del stored[key]
                stored[key + "_blocks"], stored[key + "_scales"], decoded = mxfp4(parameter)
                parameter.copy_(decoded)
    save_file(
        {key: (value if value.dtype == torch.uint8 else value.to(torch.bfloat16)).contiguous() for key, value in stored.items()},
        folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    expected = likelihood(model, list(TEXT))
    compare(f"{name}", measured(folder, "--tokenizer", tokenizer), expected)
    own = convert(folder, f"{name}-own", "--family", "same")
    loaded = transformers.AutoModelForCausalLM.from_pretrained(own, dtype=torch.float32, attn_implementation="eager")
    compare(f"{name}-own", likelihood(loaded, list(TEXT)), expected)
    gguf = convert(folder, f"{name}.gguf", "--tokenizer", tokenizer, "--pre-tokenizer", "gpt-2", "--allow-inexact")
    compare(f"{name}-gguf", measured(gguf), expected)
    if os.environ.get("RECAST_LLAMA_CPP"):
        theirs = WORK / f"{name}-theirs.gguf"
        small.convert(folder, theirs, outtype="bf16")
        wrong = set(small.gguf_rows(gguf)) ^ set(small.gguf_rows(theirs))
        report(f"{name}-gguf-tensors", not wrong, " ".join(str(row) for row in list(wrong)[:3]))


(WORK / "text.txt").write_bytes(TEXT)
(WORK / "calibration.txt").write_bytes((small.OUT.parents[1] / "README.md").read_bytes()[:1000].decode("ascii", "ignore").encode())
for case in ("glm4_moe", "glm4_moe_lite", "hy_v3", "bailing_moe_v2", "deepseek_v32", "glm_moe_dsa", "glm_moe_dsa-shared"):
    with check(f"further-{case}"):
        further_layers_check(case)
for case in ("qwen3_next", "qwen3_5", "qwen3_5_moe"):
    with check(f"beside-{case}"):
        layers_beside_check(case)
tokenizer = bytes_tokenizer()
only = os.environ.get("RECAST_ONLY", "")
if not only or only in "gpt_oss-mxfp4":
    with check("gpt_oss-mxfp4"):
        packed_experts_check()
for name, case, unusual in VARIANTS:
    if only and not re.search(only, name):
        continue
    with check(f"variant-{name}"):
        model, folder = model_and_folder(name, case, unusual, zlib.crc32(name.encode()) % 10_000 + SHIFTED.get(name, 0))
        expected = likelihood(model, list(TEXT))
        # transformers' own logits are 4e-4 away from those in float64 in the first, and in the hundreds in the second.
        at_most = 1e-4 if name in ("qwen3_5-equal-heads", "opt-no-last-norm") else 2e-5
        compare(f"variant-{name}", measured(folder, "--tokenizer", tokenizer), expected, at_most)
        own = convert(folder, f"{name}-own", "--family", "same")
        wrong = different(tensors(own), tensors(folder))
        report(f"variant-{name}-own-bits", not wrong, ", ".join(wrong[:3]))
        has_class = case != "bailing_moe_v2"
        kind = small.CASES[case][0] if case else "DeepseekV3Config"
        kind, attention = small.model_class(kind), small.attention(kind)
        if has_class:
            loaded = kind.from_pretrained(own, dtype=torch.float32, attn_implementation=attention)
            compare(f"variant-{name}-own", likelihood(loaded, list(TEXT)), expected)
        if name.endswith("-wide"):
            calibrated_check(name, folder, tokenizer)
            if has_class:
                memory_check(name, model, folder)
        if name in NO_GGUF:
            continue
        inexact = ["--allow-inexact"] if name in INEXACT else []
        gguf = convert(folder, f"{name}.gguf", "--dtype", "f32", "--tokenizer", tokenizer, "--pre-tokenizer", "gpt-2", *inexact)
        compare(f"variant-{name}-gguf", measured(gguf), expected, at_most)
        back = convert(gguf, f"{name}-back", "--family", "same")
        if has_class:
            loaded = kind.from_pretrained(back, dtype=torch.float32, attn_implementation=attention)
            compare(f"variant-{name}-back", likelihood(loaded, list(TEXT)), expected)
        if name not in NO_PROGRAM:
            program_check(f"variant-{name}", model, gguf)
        if (name.endswith("-wide") or name == "exaone4-64") and case not in ("phimoe",):
            gguf_check(name, folder, convert(folder, f"{name}-ours.gguf", "--dtype", "f32", *inexact))
