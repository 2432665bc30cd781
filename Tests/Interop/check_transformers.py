"""transformers loads what Recast writes in llama layout, and computes the same logits: of every family that has one."""

import json

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from referee import TINY, check, convert, different, family, golden_or_skip, report, tensors



def logits(directory, ids):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return type(model).__name__, model.eval()(ids).logits


def reference(directory):
    found = load_file(directory / "reference.safetensors")
    ids, expected = found["input_ids"], found["logits"]
    return (ids[None], expected[None]) if ids.ndim == 1 else (ids, expected)


def report_logits(name, found, expected, limit):
    distance = (found - expected).abs().max().item()
    report(name, distance <= limit, f"{distance:.1e} (at most {limit:.0e})")


def check_tiny():
    llama = convert(TINY, "tiny-llama", "--family", "llama")
    ids, expected = reference(TINY)
    with check("qwen2-tiny-logits"):
        name, found = logits(llama, ids)
        report("qwen2-tiny-class", name == "LlamaForCausalLM", name)
        report_logits("qwen2-tiny-logits-stored", found, expected, 1e-5)
        report_logits("qwen2-tiny-logits-original", found, logits(TINY, ids)[1], 1e-5)
    with check("qwen2-tiny-tokenizer"):
        text = "\n".join((TINY / "text" / f"{channel}.txt").read_text() for channel in ("prose", "code", "poetry"))
        text += "<|im_start|>user\nIt's 12345 naïve 东风 🙂\u200d\r\n\t<|im_end|>"
        ours, theirs = (AutoTokenizer.from_pretrained(path) for path in (llama, TINY))
        report("qwen2-tiny-tokenizer", ours(text).input_ids == theirs(text).input_ids, f"{len(ours(text).input_ids)} ids")
        messages = [{"role": "user", "content": "Hello"}]
        chats = [tokenizer.apply_chat_template(messages, tokenize=False) for tokenizer in (ours, theirs)]
        report("qwen2-tiny-chat-template", chats[0] == chats[1])


def check_family(name):
    with check(f"{name}-llama"):
        known = json.loads((family(name) / "reference.json").read_text())["llama"]
        rounded = known.get("exactness") == "rounded"
        llama = convert(family(name), f"{name}-llama", "--family", "llama", *(["--dtype", "f32"] if rounded else []))
        if not rounded:
            wrong = different(tensors(llama), tensors(family(name) / "llama"))
            report(f"{name}-tensors", not wrong, ", ".join(wrong[:3]))
        ids, expected = reference(family(name))
        found = logits(llama, ids)[1]
        if name == "mistral_swa":  # llama sees what lies before the window, too
            found, expected = found[:, :10], expected[:, :10]
        report_logits(f"{name}-logits", found, expected, 1e-4 if expected.abs().max() > 10 else 5e-5)


# What a llama can be written as, and transformers has a class for.
OTHERS = ["mistral", "qwen2", "phi3", "glm", "granite", "smollm3", "mixtral", "gemma", "seed_oss", "ernie4_5", "helium"]


def check_reverse(name, other):
    with check(f"{name}-as-{other}"):
        written = convert(family(name), f"{name}-as-{other}", "--family", other)
        ids, expected = reference(family(name))
        kind, found = logits(written, ids)
        report_logits(f"{name}-as-{other}-logits", found, expected, 5e-5)
        report(f"{name}-as-{other}-class", kind.lower().replace("_", "").startswith(other.replace("_", "")), kind)


check_tiny()
if golden_or_skip("families"):
    for each in sorted(path.parent.name for path in family("").glob("*/llama")):
        check_family(each)
    for other in OTHERS:
        if hasattr(transformers, "GlmForCausalLM") or other != "glm":
            check_reverse("llama_mha", other)
