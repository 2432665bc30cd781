"""Back in its own layout, by way of llama layout or GGUF, a checkpoint is the one that left: every bit and every key."""

import json

from transformers import AutoConfig

from referee import TINY, check, convert, different, family, golden_or_skip, report, tensors


def loaded(directory):
    """The configuration as transformers reads it, less the version that wrote it."""
    config = AutoConfig.from_pretrained(directory).to_dict()
    return {key: value for key, value in config.items() if key not in ("transformers_version", "_name_or_path", "recast_source")}


def compare(name, original, back):
    wrong = different(tensors(original), tensors(back))
    report(f"{name}-tensors", not wrong, ", ".join(wrong[:3]) or f"{len(tensors(original))} bit-identical")
    before, after = (json.loads((path / "config.json").read_text()) for path in (original, back))
    changed = [key for key in before if key not in after or after[key] != before[key]]
    report(f"{name}-config", not changed, ", ".join(f"{key}: {before[key]} → {after.get(key)}" for key in changed[:4]))
    first, second = loaded(original), loaded(back)
    changed = [key for key in first | second if first.get(key) != second.get(key)]
    report(f"{name}-autoconfig", not changed, ", ".join(f"{key}: {first.get(key)} → {second.get(key)}" for key in changed[:4]))


def round_trips(name, original, layout):
    with check(f"{name}-by-llama"):
        llama = convert(original, f"{name}-llama", "--family", "llama")
        compare(f"{name}-by-llama", original, convert(llama, f"{name}-back", "--family", layout))
    with check(f"{name}-by-gguf"):
        gguf = convert(original, f"{name}.gguf")
        compare(f"{name}-by-gguf", original, convert(gguf, f"{name}-back-gguf"))


round_trips("qwen2-tiny", TINY, "qwen2")
if golden_or_skip("families"):
    for each in ("llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "yi"):
        round_trips(each, family(each), "llama")
    round_trips("qwen2_untied", family("qwen2_untied"), "qwen2")
