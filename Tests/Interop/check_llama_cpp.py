"""llama.cpp computes from a GGUF of Recast's what transformers computes from its source, and the same perplexity."""

import json

import torch
from gguf import GGUFReader
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from llama_program import CONTEXT, Model
from referee import TINY, WORK, bytes_tokenizer, check, convert, family, golden_or_skip, recast, report


def torch_logits(directory, ids):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model.eval()(torch.tensor([ids])).logits[0].numpy()


def distance(path, ids, expected):
    return float(abs(Model(path).logits(ids) - expected).max())


def compare_logits(name, directory, ids):
    with check(name):
        gguf = convert(directory, f"{name}.gguf", "--dtype", "f32")
        expected = torch_logits(directory, ids)
        found = distance(gguf, ids, expected)
        report(f"{name}-logits", found <= 1e-3, f"{found:.1e} (at most 1e-03), logits up to {abs(expected).max():.1f}")
        architecture = GGUFReader(gguf).fields["general.architecture"].contents()
        if architecture == "llama":
            wrong = WORK / f"{name}-wrong.gguf"
            wrong.write_bytes(gguf.read_bytes())
            undo_rotary_order(wrong)
            found = distance(wrong, ids, expected)
            report(f"{name}-wrong-rotary-order-shows", found > 0.1, f"{found:.1e} (more than 1e-01)")


def undo_rotary_order(path):
    """Puts the rows of q and k back in the order of Hugging Face: what a converter writes that forgets the permutation."""
    reader = GGUFReader(path, "r+")
    for tensor in reader.tensors:
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            key = "head_count" if ".attn_q." in tensor.name else "head_count_kv"
            heads = reader.fields[f"llama.attention.{key}"].contents()
            rows = tensor.data.reshape(heads, -1, 2, *tensor.data.shape[1:])
            tensor.data[...] = rows.swapaxes(1, 2).reshape(tensor.data.shape).copy()
    reader.data.flush()


# What GGUF has no key for, and llama.cpp computes otherwise than these models do; their heads or layers are no real model's.
OTHERWISE = {
    "baichuan1_7b": "a model of 32 layers has rotary positions, one of 40 biases, others neither",
    "baichuan2_7b": "likewise",
    "chatglm3": "the heads of this architecture are as long as the hidden size allows",
    "glm": "likewise",
    "gemma1": "gelu comes from a table of half precision",
    "gemma2": "attention is scaled by the length of heads, not by query_pre_attn_scalar",
    "smollm3": "every fourth layer does not turn, whatever no_rope_layers says",
    "mistral_swa": "sliding windows of the llama architecture are ignored",
}


def compare_family(name, tokenizer):
    """An architecture's file against the reference's logits."""
    with check(f"llama.cpp-{name}"):
        # Whatever llama.cpp is told of the pre-tokenizer, it is given ids.
        # A file that is called phi3 must have Phi-3's tokens.
        source = WORK / f"case{len(list(WORK.glob('case*')))}"
        source.symlink_to(family(name))
        inexact = ["--allow-inexact"] if name in ("gemma2", "smollm3") else []
        path = convert(
            source, f"{name}.gguf", "--dtype", "f32", "--tokenizer", tokenizer, "--pre-tokenizer", "gpt-2", *inexact)
        found = load_file(family(name) / "reference.safetensors")
        try:
            # Longrope turns by the length of the context, at least 256 tokens, not by that of the text.
            length = "_long" if "input_ids_long" in found else ""
            off = distance(path, found[f"input_ids{length}"][0].tolist(), found[f"logits{length}"][0])
        except RuntimeError as error:
            off = error
            if name not in OTHERWISE:
                raise
        if name in OTHERWISE:
            print("skip", f"llama.cpp-{name}: {OTHERWISE[name]} ({off})", flush=True)
        else:
            report(f"llama.cpp-{name}-architecture", off <= 1e-3, f"{off:.1e} (at most 1e-03)")


text = (TINY / "text/prose.txt").read_bytes()
ids = json.loads((TINY / "reference.ids.json").read_text())
with check("tiny"):
    compare_logits("llama.cpp-qwen2", TINY, ids["prose"][:CONTEXT])
    compare_logits("llama.cpp-llama-of-qwen2", convert(TINY, "tiny-llama", "--family", "llama"), ids["prose"][:CONTEXT])
if golden_or_skip("llama.cpp-families"):
    for each in ("llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "yi"):
        sample = json.loads((family(each) / "reference.json").read_text())["input_ids"][0]
        compare_logits(f"llama.cpp-{each}", family(each), sample)
    tokenizer = bytes_tokenizer()
    for path in sorted(family("").glob("*/reference.json")):
        if path.parent.name not in ("baichuan1_13b", "internlm1"):  # refused: llama.cpp has no such architecture
            compare_family(path.parent.name, tokenizer)
for channel in ("prose", "code", "poetry"):
    with check(f"perplexity-{channel}"):
        path = TINY / "text" / f"{channel}.txt"
        gguf = convert(TINY, "perplexity-f32.gguf", "--dtype", "f32")
        model = Model(gguf)
        found = model.tokens(path.read_bytes())
        report(f"llama.cpp-tokens-{channel}", found == ids[channel], f"{len(found)} ids, transformers {len(ids[channel])}")
        theirs, scored = model.perplexity(path.read_bytes())
        options = ["--context", CONTEXT, "--window", "second-half", "--json"]
        ours = json.loads(recast("perplexity", gguf, "--text", path, *options))["total"]
        off = abs(ours["perplexity"] / theirs - 1)
        detail = f"{ours['perplexity']:.4f}, llama.cpp {theirs:.4f}, off by {off:.1e}; {ours['scored']} and {scored} tokens"
        report(f"perplexity-{channel}", off <= 1e-3 and ours["scored"] == scored, detail)
for encoding in ("bf16", "q8_0", "q4_0", "q6_k"):
    with check(f"perplexity-{encoding}"):
        gguf = convert(TINY, f"perplexity-{encoding}.gguf", "--encoding", encoding)
        theirs, _ = Model(gguf).perplexity(text)
        ours = json.loads(recast("perplexity", gguf, "--text", TINY / "text/prose.txt", *options))["total"]["perplexity"]
        off = abs(ours / theirs - 1)
        report(f"perplexity-{encoding}", off <= 1e-3, f"{ours:.4f}, llama.cpp {theirs:.4f}, off by {off:.1e}")
