"""Small random models of families, their logits by transformers, and what llama.cpp's converter and quantizer make
of them: Fixtures/families.

    make_families.py [NAME ...]

RECAST_LLAMA_CPP names a source tree of llama.cpp; without it the tables of GGUF stay as they are.
"""

import copy
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers
from safetensors.torch import load_file, save_file

from family_cases import CASES, NO_GGUF, seed, spelled
from family_cases.common import USUAL

OUT = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/families"
MIXES = ["bf16", "q8_0", "q4_k_m"]
# Of which llama.cpp's converter looks for layers that guess further tokens.
PREDICTING = ("glm4_moe", "glm4_moe_lite", "hy_v3", "qwen3_next", "qwen3_5", "qwen3_5_moe")
# What published checkpoints keep in float32.
SINGLE = (
    "e_score_correction_bias", "expert_bias", "gate.wg.weight", "indexer.k_norm.weight", "indexer.k_norm.bias",
    "indexer.weights_proj.weight")
TOKENS = [[(7 * i * i + 3 * i + 5 * text) % 60 + 3 for i in range(12)] for text in range(2)]


def model_class(kind):
    """By name, as the automatic one does not know all."""
    if kind == "GPT2Config":
        return transformers.GPT2LMHeadModel
    return getattr(transformers, kind.removesuffix("Config").removesuffix("Text") + "ForCausalLM")


def attention(kind):
    """Falcon's own adds the biases by distance twice."""
    return "sdpa" if kind == "FalconConfig" else "eager"


def model_of(kind, unusual, seed, case=None):
    torch.manual_seed(seed)
    # Configurations write into what they are given.
    config = getattr(transformers, kind)(**copy.deepcopy(spelled(case, USUAL | unusual)))
    model = model_class(kind)._from_config(config, attn_implementation=attention(kind)).eval()
    with torch.no_grad():
        for name, values in list(model.named_parameters()) + list(model.named_buffers()):
            fixed = ("inv_freq", "embed_positions", "mup_vector", "embed_scale", "act_fn.beta", "act_fn.eps")
            if name.endswith(fixed) or "inv_freq" in name or not values.is_floating_point():
                continue
            norm = values.ndim == 1 and ("norm" in name or ".ln_" in name) and name.endswith("weight") or name.endswith(
                ("layer_scalar", "router.scale", "per_expert_scale"))
            size = 0.1 if norm or "correction_bias" in name else 0.3 if "gate" in name else 0.2
            values.copy_((torch.randn_like(values) * size + norm).to(torch.bfloat16))
    return model


def logits(model):
    with torch.no_grad():
        return model(torch.tensor(TOKENS)).logits.float()


def bailing(tensors, config):
    """Tensors and configuration of GLM-4.5 under the names of Ling 2.0."""
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in [
            ("model.embed_tokens", "model.word_embeddings"), ("self_attn.o_proj", "attention.dense"),
            ("self_attn.q_norm", "attention.query_layernorm"), ("self_attn.k_norm", "attention.key_layernorm"),
            ("gate.e_score_correction_bias", "gate.expert_bias"),
        ]:
            name = name.replace(old, new)
        renamed[name] = tensor
    for layer in range(config["num_hidden_layers"]):
        parts = [renamed.pop(f"model.layers.{layer}.self_attn.{part}_proj.weight") for part in "qkv"]
        renamed[f"model.layers.{layer}.attention.query_key_value.weight"] = torch.cat(parts)
    own = {key: config[key] for key in USUAL if key in config} | {
        key: config[key] for key in (
            "head_dim", "moe_intermediate_size", "num_experts_per_tok", "n_group", "topk_group", "norm_topk_prob",
            "routed_scaling_factor", "first_k_dense_replace", "rms_norm_eps", "hidden_act", "dtype")}
    return renamed, own | {
        "architectures": ["BailingMoeV2ForCausalLM"], "model_type": "bailing_moe", "num_experts": config["n_routed_experts"],
        "num_shared_experts": config["n_shared_experts"], "score_function": "sigmoid", "partial_rotary_factor": 0.5,
        "moe_router_enable_expert_bias": True, "use_qk_norm": True, "use_bias": False, "use_qkv_bias": False,
        "norm_head": False, "moe_shared_expert_intermediate_size": config["moe_intermediate_size"], "rope_theta": 10000.0,
        "rope_scaling": None}


def make(name, seed):
    kind, unusual, extra = CASES[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = model_of(kind, unusual, seed, name)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        tensors = load_file(pathlib.Path(saved) / "model.safetensors")
        config = json.loads((pathlib.Path(saved) / "config.json").read_text())
    config["dtype"] = "bfloat16"
    config.pop("transformers_version", None)
    if "num_nextn_predict_layers" in config:
        config["num_nextn_predict_layers"] = 0
    expected = logits(model)
    if extra is None:
        tensors, config = bailing(tensors, config)
    else:
        # An ellipsis stands for a key that is not there.
        config = {key: value for key, value in (config | extra).items() if value is not ...}
    tensors = {
        key: (value if key.endswith(SINGLE) else value.to(torch.bfloat16)).contiguous() for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    if extra is not None:
        again = logits(model_class(kind).from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention(kind)).eval())
        assert (again - expected).abs().max() < 2e-6, (name, (again - expected).abs().max())
    save_file({"input_ids": torch.tensor(TOKENS), "logits": expected}, folder / "reference.safetensors")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name}: {size} bytes, logits up to {expected.abs().max():.2f}, {len(tensors)} tensors")


def gguf_rows(path):
    from gguf import GGUFReader

    for tensor in GGUFReader(path).tensors:
        shape = "x".join(str(int(size)) for size in tensor.shape)
        yield tensor.name, tensor.tensor_type.name, shape, hashlib.sha256(tensor.data.tobytes()).hexdigest()[:32]


def gguf_keys(path):
    from gguf import GGUFReader, GGUFValueType

    for field in GGUFReader(path).fields.values():
        kind = field.types[0]
        own = ("GGUF.", "general.name", "general.size_label", "general.quant", "general.type", "tokenizer.", "general.sampling")
        if field.name.startswith(own) or kind == GGUFValueType.ARRAY:
            continue
        value = field.contents()
        yield f"  {field.name} = {value!r}   (type {int(kind)})"


CONVERT = """
import json
import sys
sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[0]] + sys.argv[2:]
import convert_hf_to_gguf as program
from conversion import ModelBase
from conversion.base import TextModel
own = program.get_model_class
def without_vocabulary(*arguments, **options):
    found = own(*arguments, **options)
    # That of Mistral's newer models is one of two inside another.
    for own_class in [found] + [value for value in vars(found).values() if isinstance(value, type)]:
        own_class.set_vocab = lambda self: self.gguf_writer.add_tokenizer_model("no_vocab")
    return found
program.get_model_class = without_vocabulary
own_load = ModelBase.load_hparams
def with_raw_keys(folder, *arguments, **options):
    raw = json.loads((folder / "config.json").read_text())
    # As it is published: what transformers 5 makes of it has all keys of a model with experts.
    if raw["model_type"] == "nemotron_h":
        return raw
    # transformers 5 takes it out of what it gives back.
    return own_load(folder, *arguments, **options) | {key: raw[key] for key in ("rotary_pct",) if key in raw}
ModelBase.load_hparams = staticmethod(with_raw_keys)
program.main()
"""


def convert(folder, path, without=None, outtype="f32"):
    """llama.cpp's converter, told that there is no vocabulary."""
    source = os.environ["RECAST_LLAMA_CPP"]
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] == "mistral4":
        # It knows the type of this model alone, under the name of the smaller ones.
        with tempfile.TemporaryDirectory() as work:
            for name in ("model.safetensors", "config.json"):
                shutil.copy(folder / name, work)
            config |= {"architectures": ["Ministral3ForCausalLM"]}
            (pathlib.Path(work) / "config.json").write_text(json.dumps(config))
            run_converter(source, work, path, without or [], outtype)
        return
    if config["model_type"] in ("gemma4_text", "gemma4_unified_text"):
        # It counts tokens, so that rows of the embedding behind the last are left out, and knows one of them wrapped alone.
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(folder / "model.safetensors", work)
            names = [name.replace("UnifiedForCausalLM", "UnifiedForConditionalGeneration") for name in config["architectures"]]
            (pathlib.Path(work) / "config.json").write_text(json.dumps(config | {
                "architectures": names, "moe_intermediate_size": config.get("moe_intermediate_size")}))
            vocabulary = {str(token): token for token in range(config["vocab_size"])}
            (pathlib.Path(work) / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
            run_converter(source, work, path, without or [], outtype)
        return
    # Of layers that guess further tokens transformers counts one where the configuration says nothing.
    if without is None:
        without = ["--no-mtp"] if folder.name in PREDICTING else []
    run_converter(source, folder, path, without, outtype)


def run_converter(source, folder, path, options, outtype):
    subprocess.run(
        [sys.executable, "-c", CONVERT, source, str(folder), "--outtype", outtype, "--outfile", str(path), *options],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def referee(names):
    from llama_program import quantized

    table, metadata = OUT / "gguf.tsv", OUT / "gguf.metadata.txt"
    header = "# model\tmix\ttensor (in file order)\ttype\tshape (ne order)\tsha256[:32] of the tensor bytes\n"
    old = [line for line in table.read_text().splitlines() if line[0] != "#"] if table.exists() else []
    lines = [line for line in old if line.split("\t")[0] not in names]
    sections = {}
    if metadata.exists():
        for section in metadata.read_text().split("\n[")[0:]:
            sections[section.lstrip("[").split("]")[0]] = section.lstrip("[").rstrip()
    for name in (name for name in names if name not in NO_GGUF):
        with tempfile.TemporaryDirectory() as work:
            first = pathlib.Path(work) / "f32.gguf"
            convert(OUT / name, first)
            sections[name] = "\n".join([f"{name}]"] + list(gguf_keys(first)))
            for mix in ["f32"] + MIXES:
                path = first
                if mix != "f32":
                    path = quantized(first, pathlib.Path(work) / f"{mix}.gguf", mix)
                lines += ["\t".join([name, mix, *row]) for row in gguf_rows(path)]
        print(f"{name}: converted")
    table.write_text(header + "".join(line + "\n" for line in sorted(lines, key=lambda line: line.split("\t")[:1])))
    metadata.write_text("".join(f"[{sections[name]}\n" for name in sorted(sections)))


if __name__ == "__main__":
    names = sys.argv[1:] or list(CASES)
    for name in names:
        make(name, seed(name))
    if os.environ.get("RECAST_LLAMA_CPP"):
        referee(names)
