"""The programs that tokenizers come with give the ids that Recast gives: mistral-common, llama-models, qwen-agent, llama.cpp.

RECAST_LLAMA_CPP names a source tree of llama.cpp, whose vocabularies are then read; without it those of the golden data are.
"""

import base64
import functools
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types
import unicodedata

from tokenizers import Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from referee import GOLDEN, RECAST, TINY, WORK, check, convert, report, small_model
from tokenizer_programs import LlamaCpp, comparable, ours, strip
from tokenizer_samples import SAMPLES, all_scripts, hostile, invalid_bytes

TEXTS = [*SAMPLES, *hostile(seed=2, count=600), *all_scripts()]
SPECIAL = ["<|eot_id|>", "<|eot|>", "<|begin_of_text|>", "<|im_start|>", "<|extra_7|>", "<|reserved_special_token_9|>", "<s>", "[INST]"]
SPECIAL_TEXTS = [f"a{name}{other}b {name}\n" for name in SPECIAL for other in SPECIAL]


def compare(name, tokenizer, encode, texts=TEXTS, options=()):
    with check(name):
        found = ours(tokenizer, texts, *options)
        wrong = [text for text, ids in zip(texts, found, strict=True) if ids != encode(text)]
        report(name, not wrong, f"{len(texts) - len(wrong)} of {len(texts)} equal" + "".join(f" {text[:40]!a}" for text in wrong[:3]))


def available(module):
    """Where a package is, without importing it: some import far more than their tokenizer."""
    found = importlib.util.find_spec(module)
    if found is None:
        print(f"skip {module} is not installed", flush=True)
    return found and pathlib.Path(found.submodule_search_locations[0])


def place(name, source, target, **contents):
    path = WORK / name
    path.mkdir(exist_ok=True)
    shutil.copy(source, path / target)
    for file, value in contents.items():
        (path / f"{file}.json").write_text(json.dumps(value))
    return path


def refuses_invalid(name, tokenizer):
    """Texts that are no UTF-8 are refused by name: the owners take str, which has none."""
    with check(name):
        texts = list(invalid_bytes(count=30))
        taken = 0
        for text in texts:
            path = WORK / "invalid.txt"
            path.write_bytes(text)
            done = subprocess.run([RECAST, "tokenize", tokenizer, path], capture_output=True, text=True)
            taken += done.returncode != 65 or "is not UTF-8" not in done.stderr
        report(name, not taken, f"{taken} of {len(texts)} taken")


def through_files(name, source, rows, encode, texts, pre, special, llama_cpp=True):
    """Model to GGUF, with its tokenizer's files and without, and from both to a tokenizer.json."""
    encode = functools.cache(encode)
    with check(f"{name}-gguf"):
        model = small_model(f"{name}-model", vocab_size=rows, hidden_size=32, intermediate_size=32,
            num_hidden_layers=1, bos_token_id=None, eos_token_id=None)
        for path in source.iterdir():
            shutil.copy(path, model)
        made = convert(model, f"{name}.gguf")
        bare = WORK / f"{name}-bare.gguf"
        strip(made, bare)
        said = keys(bare)
        wrong = {key: said.get(key) for key, value in special.items() if said.get(key) != value}
        report(f"{name}-keys", not wrong and said.get("pre") == pre, f"{said.get('pre')} {wrong}")
        compare(f"{name}-gguf", made, encode, texts)
        compare(f"{name}-bare-gguf", bare, encode, texts)
        if llama_cpp:
            compare(f"{name}-llama.cpp", bare, LlamaCpp(bare), [text for text in texts if "<" not in text and "[" not in text])
        for kind, start in (("files", model), ("companions", made), ("keys", bare)):
            back = convert(start, f"{name}-{kind}-back")
            library = Tokenizer.from_file(str(back / "tokenizer.json"))
            compare(f"{name}-json-of-{kind}", back, encode, texts)
            # There special tokens are always found in texts.
            plain = [text for text in texts if "<s>" not in text and "</s>" not in text]
            wrong = sum(library.encode(text, add_special_tokens=False).ids != encode(text) for text in plain)
            report(f"{name}-json-of-{kind}-in-tokenizers", not wrong, f"{len(plain) - wrong} of {len(plain)} equal")


def keys(path):
    import gguf

    fields = gguf.GGUFReader(path).fields.values()
    small = [field for field in fields if len(field.data) < 2 and field.name.startswith("tokenizer.ggml.")]
    return {field.name.removeprefix("tokenizer.ggml."): field.contents() for field in small}


def check_mistral():
    home = available("mistral_common")
    if not home:
        return
    from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    for path in sorted((home / "data").glob("*tekken*.json")):
        owner = Tekkenizer.from_file(path)
        name = path.stem.replace("_", "-")
        source = place(name, path, "tekken.json")
        compare(name, source, lambda text: owner.encode(text, bos=False, eos=False))
        compare(f"{name}-bos", source, lambda text: owner.encode(text, bos=True, eos=False), ["", "a b"], ["--special"])
    refuses_invalid("invalid-utf-8", TINY)
    special = {"bos_token_id": owner.bos_id, "eos_token_id": owner.eos_id, "unknown_token_id": owner.unk_id,
               "padding_token_id": owner.pad_id, "add_bos_token": True}
    # llama.cpp's expression only comes near Mistral's.
    through_files("tekken", source, owner.n_words, lambda text: owner.encode(text, bos=False, eos=False), TEXTS[::3], "tekken", special, llama_cpp=False)
    for path in sorted((home / "data").glob("*.model*")):
        owner = SentencePieceTokenizer(path)
        version = path.name.rpartition(".")[2]
        source = place(f"mistral-{version}", path, f"tokenizer.model.{version}")
        compare(f"mistral-{version}", source, lambda text: owner.encode(text, bos=False, eos=False))
        compare(f"mistral-{version}-bos", source, lambda text: owner.encode(text, bos=True, eos=False), ["", "a b"], ["--special"])
    special = {"bos_token_id": owner.bos_id, "eos_token_id": owner.eos_id, "unknown_token_id": owner.unk_id, "add_bos_token": True}
    through_files("mistral-spm", source, owner.n_words, lambda text: owner.encode(text, bos=False, eos=False), TEXTS[::3], "default", special)


def check_llama():
    home = available("llama_models")
    if not home:
        return
    for version, pre, turn, padding in (("3", "llama-bpe", "eot_id", "finetune_right_pad_id"), ("4", "llama4", "eot", "finetune_right_pad")):
        owner = importlib.import_module(f"llama_models.llama{version}.tokenizer").Tokenizer.get_instance()
        name = f"llama{version}"
        source = place(name, home / name / "tokenizer.model", "tokenizer.model")
        plain = lambda text: owner.encode(text, bos=False, eos=False)
        compare(name, source, plain)
        compare(f"{name}-special", source, lambda text: owner.encode(text, bos=True, eos=False, allowed_special="all"), SPECIAL_TEXTS, ["--special"])
        ids = owner.special_tokens
        special = {"bos_token_id": owner.bos_id, "eos_token_id": owner.eos_id, "eot_token_id": ids[f"<|{turn}|>"],
                   "padding_token_id": ids[f"<|{padding}|>"], "add_bos_token": True}
        through_files(name, source, owner.n_words, plain, TEXTS[::3], pre, special, llama_cpp=version == "3")
        with check(f"{name}-names"):
            said = json.loads((WORK / f"{name}-files-back/tokenizer.json").read_text())["added_tokens"]
            report(f"{name}-names", {token["content"]: token["id"] for token in said} == ids, f"{len(said)} special tokens")


def check_qwen():
    home = available("qwen_agent")
    if not home:
        return
    # Importing the package imports all of its agents.
    log = types.ModuleType("qwen_agent.log")
    log.logger = None
    sys.modules.update({"qwen_agent": types.ModuleType("qwen_agent"), "qwen_agent.log": log})
    found = importlib.util.spec_from_file_location("tokenization_qwen", home / "utils/tokenization_qwen.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    owner = module.tokenizer
    source = place("qwen", home / "utils/qwen.tiktoken", "qwen.tiktoken")
    plain = lambda text: owner.convert_tokens_to_ids(owner.tokenize(text, allowed_special=set()))
    compare("qwen", source, plain)
    compare("qwen-special", source, owner.encode, SPECIAL_TEXTS, ["--special"])
    special = {"bos_token_id": owner.eod_id, "eos_token_id": owner.eod_id, "unknown_token_id": owner.eod_id}
    # llama.cpp composes no text, and GGUF cannot say that one must.
    plain_texts = [text for text in TEXTS[::3] if unicodedata.normalize("NFC", text) == text]
    through_files("qwen", source, 151936, plain, plain_texts, "qwen2", special)


KIMI = "|".join([
    r"[\p{Han}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
])  # fmt: skip


def check_kimi():
    """Kimi's way to cut text and to number special tokens, over Llama 4's tokens: its own are in no package."""
    home = available("llama_models")
    if not home:
        return
    import tiktoken

    source = place("kimi", home / "llama4/tokenizer.model", "tiktoken.model", tokenizer_config={"tokenizer_class": "TikTokenTokenizer"})
    lines = [line.split() for line in (source / "tiktoken.model").read_bytes().splitlines()]
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    special = {f"<|reserved_token_{id}|>": id for id in range(len(ranks), len(ranks) + 256)}
    owner = tiktoken.Encoding("kimi", pat_str=KIMI, mergeable_ranks=ranks, special_tokens=special)
    compare("kimi", source, owner.encode_ordinary)
    texts = [f"a {name}b" for name in list(special)[::50]]
    compare("kimi-special", source, lambda text: owner.encode(text, allowed_special="all"), texts, ["--special"])


def check_vocabularies():
    tree = os.environ.get("RECAST_LLAMA_CPP")
    home = pathlib.Path(tree) / "models" if tree else GOLDEN and GOLDEN / "tokenizers"
    if not home:
        print("skip llama.cpp's vocabularies: neither RECAST_LLAMA_CPP nor RECAST_GOLDEN is set", flush=True)
        return
    for path in sorted(home.glob("ggml-vocab-*.gguf")):
        name = path.stem.removeprefix("ggml-")
        with check(name):
            expected = path.with_name(path.name + ".out")
            if subprocess.run([RECAST, "tokenize", path, "--quiet", __file__], capture_output=True).returncode == 69:
                print(f"skip {name} is of a kind that is not supported", flush=True)
                continue
            if expected.exists():
                texts = path.with_name(path.name + ".inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
                lines = expected.read_text().split("\n")
                table = {text: [int(id) for id in line.split()] for text, line in zip(texts, lines)}
                compare(f"{name}-tests", path, table.get, texts)
            if name not in APPROXIMATED:
                compare(f"{name}-llama.cpp", path, LlamaCpp(path), comparable(path, TEXTS))


# llama.cpp's engine has other ends of lines than the one that DeepSeek's expressions were written for.
APPROXIMATED = ["vocab-deepseek-llm", "vocab-deepseek-coder"]


check_mistral()
check_llama()
check_qwen()
check_kimi()
check_vocabularies()
