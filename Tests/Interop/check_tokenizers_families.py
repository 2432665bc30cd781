"""Tokenizers of families, as their published tokenizer.json cuts text, over vocabularies of llama.cpp's source tree (RECAST_LLAMA_CPP):
Recast gives the ids of tokenizers, and the GGUF file the name of llama.cpp's converter and llama.cpp's ids."""

import functools
import json
import os
import pathlib
import shutil

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn.functional import pad

from referee import WORK, check, convert, report
from tokenizer_programs import LlamaCpp, comparable, ours, strip
from tokenizer_samples import SAMPLES, hostile

TREE = os.environ.get("RECAST_LLAMA_CPP")
FAMILIES = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/families"
TEXTS = [*SAMPLES, *hostile(seed=4, count=300)]
ROWS = ("embed_tokens", "wte", "word_embeddings", "embed_in", "embed_out", "lm_head", "embeddings", "embed_tokens_per_layer")

ADDED = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
LEVEL = GPT2 | {"use_regex": False}
NFC = {"type": "NFC"}
DIGITS = {"type": "Digits", "individual_digits": True}
NUMBERS = {"type": "Digits", "individual_digits": False}
PUNCTUATION = {"type": "Punctuation", "behavior": "Contiguous"}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


CASED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s|"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
ENDS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = split(SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + ENDS)
QWEN2 = split(SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + ENDS)
QWEN35 = split(SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + ENDS)
O200K = split(CASED % (SHORT + "?", SHORT + "?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS)
TEKKEN = split(CASED % ("", "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS)
BAILING = split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
BLOOM = split(r" ?[^(\s|[.,!?…。，、।۔،])]+")
DEEPSEEK = [
    split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
    split(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + ENDS)]
AYA = [split(r"\d{1,3}(?=(?:\d{3})*\b)"), O200K]

# Family, vocabulary, normalizer, pre-tokenizers, whether tokens are taken as they stand, and the name that the converter gives.
# Where llama.cpp has no architecture there is no name.
CASES = [
    ("gpt2", "gpt-2", None, [GPT2], False, "gpt-2"),
    ("gptj", "gpt-2", None, [GPT2], False, None),
    ("codegen", "gpt-2", None, [GPT2], False, None),
    ("gpt_neox", "gpt-neox", NFC, [GPT2], False, "olmo"),
    ("mpt", "mpt", NFC, [GPT2], False, "mpt"),
    ("mamba", "gpt-neox", NFC, [GPT2], False, "olmo"),
    ("mamba2", "gpt-neox", NFC, [GPT2], False, "olmo"),
    ("olmoe", "gpt-neox", NFC, [GPT2], False, "olmo"),
    ("falcon", "falcon", None, [PUNCTUATION, GPT2, NUMBERS, split("[0-9][0-9][0-9]")], False, "falcon"),
    ("falcon_mamba", "falcon", None, [PUNCTUATION, GPT2, NUMBERS, split("[0-9][0-9][0-9]")], False, "falcon"),
    ("bloom", "llama-bpe", None, [BLOOM, LEVEL], False, "bloom"),
    ("gpt_bigcode", "refact", None, [DIGITS, GPT2], False, "refact"),
    ("starcoder2", "starcoder", None, [DIGITS, GPT2], False, "starcoder"),
    ("granitemoe", "refact", None, [DIGITS, GPT2], False, "refact"),
    ("cohere", "command-r", NFC, [DIGITS, GPT2], False, "command-r"),
    ("cohere2", "command-r", NFC, [DIGITS, GPT2], False, "command-r"),
    ("cohere2", "llama-bpe", None, [*AYA, LEVEL], False, "tiny_aya"),
    ("phi", "gpt-2", None, [GPT2], False, "phi-2"),
    ("exaone4", "gpt-2", None, [GPT2], False, "exaone4"),
    ("qwen3_next", "qwen2", NFC, [QWEN2, LEVEL], False, "qwen2"),
    ("qwen3_5", "qwen2", NFC, [QWEN35, LEVEL], False, "qwen35"),
    ("qwen3_5_moe", "qwen2", NFC, [QWEN35, LEVEL], False, "qwen35"),
    ("dots1", "qwen2", NFC, [QWEN2, LEVEL], False, "qwen2"),
    ("lfm2", "llama-bpe", None, [LLAMA3, LEVEL], True, "lfm2"),
    ("lfm2_moe", "llama-bpe", None, [LLAMA3, LEVEL], True, "lfm2"),
    ("falcon_h1", "llama-bpe", None, [LLAMA3, LEVEL], True, "falcon-h1"),
    ("arcee", "llama-bpe", None, [LLAMA3, LEVEL], True, "llama-bpe"),
    ("bamba", "llama-bpe", None, [LLAMA3, LEVEL], True, "llama-bpe"),
    ("granitemoehybrid", "llama-bpe", None, [LLAMA3, LEVEL], False, "smaug-bpe"),
    ("olmo3", "llama-bpe", None, [LLAMA3, LEVEL], False, "smaug-bpe"),
    ("glm4_moe", "llama-bpe", None, [LLAMA3, LEVEL], True, "glm4"),
    ("glm_moe_dsa", "llama-bpe", None, [LLAMA3, LEVEL], True, "glm5"),
    ("nemotron_h", "llama-bpe", None, [TEKKEN, LEVEL], True, "tekken"),
    ("apertus", "llama-bpe", None, [TEKKEN, LEVEL], True, "tekken"),
    ("ministral3", "llama-bpe", None, [TEKKEN, LEVEL], True, "tekken"),
    ("mistral4", "llama-bpe", None, [TEKKEN, LEVEL], True, "tekken"),
    ("gpt_oss", "llama-bpe", None, [O200K, LEVEL], False, "gpt-4o"),
    ("llama4_text", "llama-bpe", None, [O200K, LEVEL], False, "llama4"),
    ("minimax_m2", "llama-bpe", None, [O200K, LEVEL], False, "minimax-m2"),
    ("deepseek_v32", "llama-bpe", None, [*DEEPSEEK, LEVEL], False, "deepseek-v3"),
    ("hunyuan_v1_moe", "llama-bpe", None, [QWEN2, LEVEL], False, "hunyuan"),
    ("hunyuan_v1_dense", "llama-bpe", None, [*DEEPSEEK, LEVEL], False, "hunyuan-dense"),
    ("bailing_moe_v2", "llama-bpe", None, [BAILING, LEVEL], False, "bailingmoe2"),
]  # fmt: skip
# Expressions that llama.cpp only comes near, for want of classes of letters with cases or of possessive quantifiers.
APPROXIMATED = {"tekken", "gpt-4o", "llama4", "minimax-m2", "deepseek-v3", "hunyuan-dense", "bailingmoe2", "tiny_aya"}


@functools.cache
def vocabulary(name):
    import gguf

    fields = gguf.GGUFReader(pathlib.Path(TREE) / f"models/ggml-vocab-{name}.gguf").fields
    tokens, kinds, merges = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type", "merges"))
    added = [
        ADDED | {"id": id, "content": token, "special": kinds[id] == 3}
        for id, token in enumerate(tokens) if kinds[id] in (3, 4)]
    words = {token: id for id, token in enumerate(tokens) if kinds[id] in (1, 3, 4)}
    return words, [merge.split(" ") for merge in merges], added, len(tokens)


def widened(family, name, rows):
    """The small model of a family, with rows for all tokens."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = json.loads((FAMILIES / family / "config.json").read_text())
    config |= {key: rows for key in config if key.startswith("vocab_size")}
    for key in [key for key in config if key.endswith("_token_id")]:
        config[key] = None
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(FAMILIES / family / "model.safetensors")
    for key, value in tensors.items():
        if value.shape[:1] == (64,) and any(part in ROWS for part in key.split(".")):
            tensors[key] = pad(value, (0, 0) * (value.ndim - 1) + (0, rows - 64))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def compare(name, tokenizer, encode, texts):
    with check(name):
        found = ours(tokenizer, texts)
        wrong = [text for text, ids in zip(texts, found, strict=True) if ids != encode(text)]
        report(name, not wrong, f"{len(wrong)} of {len(texts)} differ" + "".join(f" {text[:60]!a}" for text in wrong[:3]))


def check_family(family, source, normalizer, steps, takes_whole, expected):
    name = f"tokenizer-{family}-{expected}"
    words, merges, added, rows = vocabulary(source)
    folder = widened(family, name, rows)
    level = GPT2 | {"add_prefix_space": True}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": added, "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "vocab": words, "merges": merges, "ignore_merges": takes_whole}}))
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    compare(f"{name}-like-tokenizers", folder, lambda text: library.encode(text, add_special_tokens=False).ids, TEXTS)
    if expected is None:
        return
    made = convert(folder, f"{name}.gguf", "--allow-inexact")
    bare = WORK / f"{name}-bare.gguf"
    strip(made, bare)
    import gguf

    found = gguf.GGUFReader(bare).fields["tokenizer.ggml.pre"].contents()
    report(f"{name}-name", found == expected, found)
    # It takes what looks like a special token for one.
    texts = [text for text in comparable(bare, TEXTS) if "<" not in text]
    if expected not in APPROXIMATED:
        compare(f"{name}-like-llama.cpp", bare, LlamaCpp(bare), texts)
    for path in (made, bare):
        path.unlink()
    shutil.rmtree(folder)


def check_gemma4():
    """The keys of its real tokenizer, which its converter wrote, back into a GGUF file by way of a tokenizer.json."""
    import gguf

    source = pathlib.Path(TREE) / "models/ggml-vocab-gemma-4.gguf"
    keys = gguf.GGUFReader(source).fields
    rows = len(keys["tokenizer.ggml.tokens"].contents())
    model = widened("gemma4_text-small", "tokenizer-gemma4", rows)
    key = lambda name: keys[f"tokenizer.ggml.{name}"].contents()
    tokens, kinds = key("tokens"), key("token_type")
    (model / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "post_processor": None,
        "added_tokens": [ADDED | {"id": id, "content": tokens[id], "special": True} for id in range(rows) if kinds[id] in (3, 4)],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)}, "merges": [merge.split(" ") for merge in key("merges")]}}))
    (model / "tokenizer_config.json").write_text(json.dumps({
        f"{short}_token": tokens[key(f"{long}_token_id")]
        for short, long in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"), ("mask", "mask"))
    } | {"chat_template": keys["tokenizer.chat_template"].contents()}))
    library = Tokenizer.from_file(str(model / "tokenizer.json"))
    # Special tokens in texts are for those who ask for them (--special).
    special = [token for token, kind in zip(tokens, kinds) if kind in (3, 4)]
    plain = [text for text in TEXTS if not any(token in text for token in special)]
    compare("tokenizer-gemma4-like-tokenizers", model, lambda text: library.encode(text, add_special_tokens=False).ids, plain)
    bare = WORK / "tokenizer-gemma4-bare.gguf"
    strip(convert(model, "tokenizer-gemma4.gguf"), bare)
    made = gguf.GGUFReader(bare).fields
    names = {name for fields in (keys, made) for name in fields if name.startswith("tokenizer.")}
    wrong = [name for name in names if name not in keys or name not in made or keys[name].contents() != made[name].contents()]
    report("tokenizer-gemma4-keys-like-converter", len(names) > 8 and not wrong, f"{len(names)} keys, {sorted(wrong)} differ")
    texts = [text for text in TEXTS if "<" not in text]
    compare("tokenizer-gemma4-like-llama.cpp", bare, LlamaCpp(bare), texts)


if TREE is None:
    print("skip tokenizers of families: RECAST_LLAMA_CPP names no source tree of llama.cpp", flush=True)
else:
    for case in CASES:
        with check(f"tokenizer-{case[0]}"):
            check_family(*case)
    with check("tokenizer-gemma4"):
        check_gemma4()
