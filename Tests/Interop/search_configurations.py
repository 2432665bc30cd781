"""Every key of every family's configuration in values it does not usually have: of each that transformers can make and load, Recast
computes the same, of the own layout and of GGUF, or refuses it. Small random models; one line a family, and one for what differs.

    search_configurations.py [CASE ...]
"""

import json
import math
import shutil
import sys
import warnings

import transformers

import make_families as small
from family_cases import CASES
from likelihoods import likelihood, measured
from referee import WORK, bytes_tokenizer, convert, report

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
TEXT = bytes(3 + (7 * i * i + 3 * i) % 60 for i in range(60))
# Of training, of programs, or of what tests change themselves.
OTHERS = {
    "vocab_size", "vocab_size_per_layer_input", "dtype", "architectures", "model_type", "transformers_version", "bos_token_id",
    "eos_token_id", "pad_token_id", "num_hidden_layers", "id2label", "label2id", "chunk_size_feed_forward", "time_step_rank",
    "initializer_range", "initializer_cutoff_factor", "rescale_prenorm_residual", "residual_in_fp32", "use_mambapy", "init_std"}
OTHER_ENDINGS = ("dropout", "drop", "_prob", "_coef", "jitter_noise", "chunk_size", "_logits", "_plan", "use_cache", "return_dict",
                 "output_attentions", "output_hidden_states", "problem_type", "is_encoder_decoder", "original_max_position_embeddings")
ACTIVATIONS = ["gelu", "relu", "silu", "gelu_pytorch_tanh", "relu2", "gelu_new", "quick_gelu"]
# What transformers makes of these contradicts itself, or is its own: frequencies of fewer elements than a head has, tables of positions
# that are shorter than the text.
CONTRADICTIONS = {("mistral4", "head_dim"), ("mpt", "max_seq_len")}
# Which tokens an indexer picks where scores are alike nobody says: it picks all. transformers has no long factors for Phi-3.5-MoE.
BASES = {case: {"index_topk": 64} for case in ("deepseek_v32", "glm_moe_dsa", "glm_moe_dsa-shared")}
ORIGINAL = {"original_max_position_embeddings": 64}
BASES["phimoe"] = ORIGINAL | {"rope_parameters": CASES["phimoe"][1]["rope_parameters"] | ORIGINAL}
BASES["gemma4_text-small"] = {"vocab_size_per_layer_input": 256}


def variants(key, value):
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [other for other in dict.fromkeys((2 * value, value + 1, max(1, value // 2), 0, 1)) if other != value]
    if isinstance(value, float):
        return [other for other in dict.fromkeys((1.5 * value + 0.01, 0.5 * value, 0.0, 1.0)) if other != value]
    if isinstance(value, str):
        return [other for other in ACTIVATIONS if other != value] if "act" in key else []
    if value is None:
        return [True, 8, 0.5]
    if isinstance(value, list):
        return [value[::-1]] if value != value[::-1] else []
    if isinstance(value, dict) and "rope_type" in value:
        return ropes(value)
    return []


def ropes(value):
    kept = {key: value[key] for key in ("rope_theta", "partial_rotary_factor", "mrope_section", "mrope_interleaved") if key in value}
    original = {"original_max_position_embeddings": 32}
    own = [value | {"rope_theta": 3 * value.get("rope_theta", 10000.0)}]
    if "partial_rotary_factor" in value:
        own += [value | {"partial_rotary_factor": share} for share in (0.25, 0.5, 1.0)]
    return own + [kept | other for other in (
        {"rope_type": "linear", "factor": 3.0}, {"rope_type": "dynamic", "factor": 2.0} | original,
        {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0} | original,
        {"rope_type": "yarn", "factor": 4.0} | original, {"rope_type": "proportional"})]


def made(case, unusual):
    """What a model of transformers makes of the text, and a folder with it; nil for one that it does not make, or loads as another."""
    kind, own, extra = CASES[case]
    folder = WORK / f"configuration-{case}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        unusual = BASES.get(case, {}) | unusual
        model = small.model_of(kind, own | {"vocab_size": 256} | unusual, 7, case)
        expected = likelihood(model, list(TEXT))
        model.save_pretrained(folder)
        path = folder / "config.json"
        said = {key: value for key, value in (extra or {}).items() if key not in unusual}
        config = {key: value for key, value in (json.loads(path.read_text()) | said).items() if value is not ...}
        path.write_text(json.dumps(config))
        loaded = small.model_class(kind).from_pretrained(folder, attn_implementation=small.attention(kind)).eval()
        again = likelihood(loaded, list(TEXT))
    except Exception:
        return None
    return (expected, folder) if math.isfinite(expected) and abs(again - expected) < 1e-6 else None


def refused(error):
    """Whether Recast has refused something, which is no crash."""
    return "exit status" in str(error) and not any(word in str(error) for word in ("exit status -", "Backtrac", "Fatal"))


def search(case):
    kind, own, _ = CASES[case]
    base = getattr(transformers, kind)(**small.spelled(case, small.USUAL | own | {"vocab_size": 256} | BASES.get(case, {})))
    keys = set(base.to_dict()) | {key for parent in type(base).__mro__ for key in getattr(parent, "__annotations__", {})}
    counts = dict.fromkeys(("equal", "in GGUF", "refused", "refused in GGUF", "not made by transformers"), 0)
    for key in [None] + sorted(keys - OTHERS):
        if key and (key.startswith("_") or key.endswith(OTHER_ENDINGS) or (case, key) in CONTRADICTIONS):
            continue
        try:
            values = variants(key, getattr(base, key)) if key else [None]
        except Exception:  # what each layer has of its own
            continue
        for value in values:
            name = f"configuration-{case}" + (f"-{key}={json.dumps(value)}" if key else "")
            found = made(case, {key: value} if key else {})
            if found is None:
                counts["not made by transformers"] += 1
                continue
            expected, folder = found
            for place in ("equal", "in GGUF"):
                try:
                    path = folder if place == "equal" else convert(
                        folder, "configuration.gguf", "--dtype", "f32", "--tokenizer", TOKENIZER, "--pre-tokenizer", "gpt-2")
                    off = abs(measured(path, *(["--tokenizer", TOKENIZER] if place == "equal" else [])) - expected)
                except RuntimeError as error:
                    counts["refused" if place == "equal" else "refused in GGUF"] += 1
                    if not refused(error):
                        report(name, False, str(error)[-200:])
                    break
                counts[place] += 1
                if not off < 5e-5:
                    report(name, False, f"{place}: off by {off:.1e}")
                    break
    report(f"configuration-{case}", True, ", ".join(f"{count} {what}" for what, count in counts.items()))


(WORK / "text.txt").write_bytes(TEXT)
TOKENIZER = bytes_tokenizer()
# Another layout of GLM-4.5's class.
for case in sys.argv[1:] or sorted(set(CASES) - {"bailing_moe_v2"}):
    search(case)
