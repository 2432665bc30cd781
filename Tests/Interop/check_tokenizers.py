"""sentencepiece, tokenizers, tiktoken and llama.cpp give the ids that Recast gives, for texts that are meant to differ."""

import base64
import itertools
import json
import random
import shutil
import unicodedata

import sentencepiece
import tiktoken
from tokenizers import Tokenizer

from referee import GOLDEN, TINY, WORK, check, convert, golden_or_skip, report, small_model
from tokenizer_programs import LlamaCpp, ours, strip
from tokenizer_samples import SAMPLES, hostile, long_texts

FIXTURES = TINY.parent / "tokenizers"
QWEN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
TEXTS = SAMPLES + list(hostile(seed=1, count=600))
LONG = list(long_texts())


def compare(name, tokenizer, encode, texts=TEXTS, options=()):
    with check(name):
        found = ours(tokenizer, texts, *options)
        wrong = [text for text, ids in zip(texts, found) if ids != encode(text)]
        report(name, not wrong, f"{len(wrong)} of {len(texts)} differ" + "".join(f" {text[:60]!a}" for text in wrong[:3]))


def folder(name, *files, **contents):
    path = WORK / name
    path.mkdir(exist_ok=True)
    for source, target in files:
        shutil.copy(source, path / target)
    for target, value in contents.items():
        (path / f"{target}.json").write_text(json.dumps(value))
    return path


def like_library(tokenizer):
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def through_gguf(name, source, rows, programs=("llama.cpp", "tokenizers")):
    """Model to GGUF, from there to a tokenizer.json, each asked by the program it is for."""
    small_model(name, vocab_size=rows)
    for path in source.iterdir():
        shutil.copy(path, WORK / name)
    made = convert(WORK / name, f"{name}.gguf")
    bare = folder(f"{name}-bare") / "bare.gguf"
    strip(made, bare)
    # llama.cpp makes special tokens of text that happens to be merged into one, and Recast does not.
    texts = [text for text in TEXTS if "<" not in text]
    if "llama.cpp" in programs:
        encode = LlamaCpp(bare)
        compare(f"{name}-gguf-like-llama.cpp", made, encode, texts)
        compare(f"{name}-bare-gguf-like-llama.cpp", bare, encode, texts)
    if "sentencepiece" in programs:
        model = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
        compare(f"{name}-bare-gguf-like-sentencepiece", bare, model.encode, texts)
    if "tokenizers" in programs:
        back = convert(bare, f"{name}-back")
        library = Tokenizer.from_file(str(back / "tokenizer.json"))
        compare(f"{name}-back-like-tokenizers", back, like_library(library), texts)
        compare(f"{name}-bare-gguf-like-tokenizers", bare, like_library(library), texts)


def check_tiktoken():
    """The vocabulary of the small model as the file of Qwen 1: ids in the order of merges are ranks."""
    original = json.loads((TINY / "tokenizer.json").read_text())
    alphabet = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte = {chr(code): code for code in alphabet}
    byte |= {chr(256 + place): code for place, code in enumerate(code for code in range(256) if code not in alphabet)}
    words = {bytes(byte[c] for c in word): rank for word, rank in original["model"]["vocab"].items()}
    name = "qwen1"
    path = folder(name, tokenizer_config={"tokenizer_class": "QWenTokenizer"})
    ranks = dict(sorted(words.items(), key=lambda item: item[1]))
    (path / "qwen.tiktoken").write_bytes(
        b"".join(base64.b64encode(word) + b" %d\n" % rank for word, rank in ranks.items()))
    encoding = tiktoken.Encoding("qwen1", pat_str=QWEN, mergeable_ranks=ranks, special_tokens={})
    compare("tiktoken-qwen", path, lambda text: encoding.encode_ordinary(unicodedata.normalize("NFC", text)))
    long = [text for text in LONG if len(text) < 700_000]
    compare("tiktoken-qwen-long", path, lambda text: encoding.encode_ordinary(unicodedata.normalize("NFC", text)), long)


def check_pre_tokenizers():
    """Text cut as each name says, by the engines of tokenizers and llama.cpp.

    The vocabulary is that of Llama 3, which is large enough to tell the ways apart, or without it the small model's.
    """
    source = GOLDEN and GOLDEN / "tokenizers/ggml-vocab-llama-bpe.gguf"
    results = {}
    for name in (
        "qwen2", "llama-bpe", "gpt-2", "smaug-bpe", "smollm", "deepseek-llm", "deepseek-coder", "deepseek-v3",
        "seed-coder", "tekken", "gpt-4o", "bailingmoe2", "bloom",
    ):  # fmt: skip
        with check(f"pre-{name}"):
            made = convert(TINY, f"pre-{name}.gguf", "--pre-tokenizer", name)
            bare = folder(f"pre-{name}-bare") / "bare.gguf"
            strip(made, bare)
            back = convert(bare, f"pre-{name}-back")
            if source:
                strip(source, bare, pre=name)
                give_vocabulary(source, back / "tokenizer.json")
            library = Tokenizer.from_file(str(back / "tokenizer.json"))
            compare(f"pre-{name}-like-tokenizers", back, like_library(library))
            # llama.cpp composes no text, and its expressions only come near some of the originals.
            plain = [text for text in TEXTS if unicodedata.normalize("NFC", text) == text]
            if name not in ("deepseek-llm", "deepseek-coder", "deepseek-v3", "tekken", "gpt-4o", "bailingmoe2"):
                compare(f"pre-{name}-like-llama.cpp", bare, LlamaCpp(bare), plain)
            results.setdefault(json.dumps(ours(bare, plain)), []).append(name)
    if source:
        same = [names for names in results.values() if len(names) > 1]
        # Bailing's expression is Qwen 2's with possessive quantifiers that change nothing.
        alike = ["llama-bpe", "smaug-bpe"], ["qwen2", "bailingmoe2"]
        report("pre-names-differ", all(names in alike for names in same), f"alike: {same}")


def check_expressions():
    """Text cut by expressions that nobody has written: the vocabulary has every word of up to four letters, and merges for them."""
    source = random.Random(5)
    words = ["".join(letters) for count in range(1, 5) for letters in itertools.product("abĠ", repeat=count)]
    merges = [[word[:-1], word[-1]] for word in words if len(word) > 1]
    atoms = ["a", "b", " ", ".", r"\s", r"\S", "[ab]", "[^a]", "(?:ab|a)", "(?:b|)", "^", "$", r"\b", "(?=a)", "(?!b)", "(?<=b)", "(?<!a)", "(?i:A)"]
    ends = ["", "", "", "*", "+", "?", "*?", "++", "{2}", "{1,2}"]
    texts = ["".join(source.choices("ab ", k=source.randrange(1, 24))) for _ in range(60)] + ["a" * 300, " " * 300 + "a"]
    wrong, tried = [], 0
    for _ in range(40):
        parts = []
        for _ in range(source.randrange(1, 4)):
            part = ""
            for atom in source.choices(atoms, k=source.randrange(1, 4)):
                is_anchor = atom.startswith(("^", "$", r"\b", "(?=", "(?!", "(?<"))
                part += atom + ("" if is_anchor else source.choice(ends))
            parts.append(part)
        pattern = "|".join(parts)
        made = {
            "version": "1.0", "added_tokens": [], "decoder": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
            "model": {"type": "BPE", "vocab": {word: id for id, word in enumerate(words)}, "merges": merges},
        }  # fmt: skip
        path = folder("expression", tokenizer=made)
        library = Tokenizer.from_file(str(path / "tokenizer.json"))
        tried += 1
        if ours(path, texts) != [library.encode(text).ids for text in texts]:
            wrong.append(pattern)
    report("expressions-like-tokenizers", tried and not wrong, f"{len(wrong)} of {tried} differ {wrong[:3]}")


def give_vocabulary(source, path):
    """Puts the tokens and merges of a GGUF file into a tokenizer.json."""
    import gguf

    fields = gguf.GGUFReader(source).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    made = json.loads(path.read_text())
    made["added_tokens"] = []
    made["model"]["vocab"] = {token: id for id, token in enumerate(tokens) if kinds[id] == 1}
    made["model"]["merges"] = [merge.split(" ") for merge in fields["tokenizer.ggml.merges"].contents()]
    path.write_text(json.dumps(made))


def check_sentencepiece():
    for path in sorted(FIXTURES.glob("*.model")):
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        place = folder(f"sp-{path.stem}", (path, "tokenizer.model"), tokenizer_config={"legacy": False})
        compare(f"sentencepiece-{path.stem}", place, model.encode)
        compare(f"sentencepiece-{path.stem}-long", place, model.encode, LONG)


def check_llama2():
    model = GOLDEN / "tokenizers/llama2.tokenizer.model"
    place = folder("llama2-sp", (model, "tokenizer.model"))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    compare("llama2-like-sentencepiece", place, processor.encode)
    compare("llama2-like-sentencepiece-long", place, processor.encode, LONG)
    through_gguf("llama2", place, 32000)
    # The styles of tokenizer.json that there are for it.
    original = json.loads((WORK / "llama2-back/tokenizer.json").read_text())
    for name, normalizer, before in (
        ("prepend", original["normalizer"], None),
        ("first", None, metaspace("first", False)),
        ("always", None, metaspace("always", False)),
        ("never", None, metaspace("never", False)),
        ("split", None, metaspace("always", True)),
        ("old", None, {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}),
        (
            "gemma", {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
            {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        ),
    ):
        made = original | {"normalizer": normalizer, "pre_tokenizer": before}
        made["added_tokens"] = made["added_tokens"] + [
            {"id": 32000, "content": "<own>", "single_word": False, "lstrip": False, "rstrip": True, "normalized": True, "special": False},
            {"id": made["model"]["vocab"]["the"], "content": "the", "single_word": True, "lstrip": True, "rstrip": False, "normalized": False, "special": False},
        ]
        path = folder(f"llama2-{name}", tokenizer=made)
        library = Tokenizer.from_file(str(path / "tokenizer.json"))
        compare(f"llama2-json-{name}", path, like_library(library), options=["--special"])


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


check_sentencepiece()
check_tiktoken()
check_pre_tokenizers()
with check("expressions"):
    check_expressions()
through_gguf("bpe", folder("bpe-files", (FIXTURES / "bpe.model", "tokenizer.model")), 1300)
# llama.cpp's unigram tokenizer knows no bytes and drops other spaces; tokenizers replaces characters in another way.
for model, program in (("unigram", "sentencepiece"), ("unigram-bytes", "tokenizers")):
    with check(model):
        through_gguf(model, folder(f"{model}-files", (FIXTURES / f"{model}.model", "tokenizer.model")), 1000, [program])
if golden_or_skip("tokenizers-llama2"):
    check_llama2()
