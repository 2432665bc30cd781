"""What the checks share: where things are, running Recast, reading tensors, saying what was found."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import traceback

from safetensors import safe_open

RECAST = os.environ["RECAST"]
WORK = pathlib.Path(os.environ["RECAST_WORK"])
TINY = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/qwen2-tiny"
GOLDEN = pathlib.Path(os.environ["RECAST_GOLDEN"]) if os.environ.get("RECAST_GOLDEN") else None


def recast(*arguments):
    command = [RECAST, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])}: exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def convert(source, name, *options):
    """Converts into the work folder and returns the path."""
    # What chooses among encodings is the other command's.
    command = "quantize" if "--encoding" in options else "convert"
    # Parts use the same names; a directory with files of another model in it is not replaced.
    shutil.rmtree(WORK / name, ignore_errors=True)
    recast(command, source, WORK / name, "--force", "--quiet", *options)
    return WORK / name


def quantize(source, name, encoding, *options):
    """Quantizes into the work folder and returns the path."""
    recast("quantize", source, WORK / name, "--encoding", encoding, "--force", "--quiet", *options)
    return WORK / name


def family(name):
    return GOLDEN / "families" / name


def report(name, passed, detail=""):
    print("ok" if passed else "FAIL", name, detail, flush=True)


@contextlib.contextmanager
def check(name):
    """An error inside is a failed check, and the next check goes on."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        report(name, False, " ".join(f"{type(error).__name__}: {error}".split())[:300])


def tensors(directory):
    """Every tensor of a checkpoint's safetensors files, by name."""
    found = {}
    for path in sorted(directory.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            found.update((name, file.get_tensor(name)) for name in file.keys())
    return found


def bytes_tokenizer():
    """A folder with a vocabulary of the 256 bytes: most architectures of llama.cpp are not loaded without one."""
    import json

    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder = WORK / "bytes-tokenizer"
    folder.mkdir(exist_ok=True)
    vocabulary = {character: byte for byte, character in bytes_to_unicode().items()}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": None, "byte_fallback": False}
    tokenizer = {"version": "1.0", "model": model, "pre_tokenizer": level, "decoder": level, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def different(first, second):
    """The names whose tensors are missing on a side, or differ in type, shape or a bit."""
    import torch

    def same(name):
        if name not in first or name not in second:
            return False
        a, b = first[name], second[name]
        bits = [tensor.reshape(-1).view(torch.uint8) for tensor in (a, b)]  # of tensors without dimensions, too
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)

    return sorted(name for name in first.keys() | second.keys() if not same(name))


def golden_or_skip(what):
    if GOLDEN is None:
        print(f"skip {what} RECAST_GOLDEN is not set", flush=True)
    return GOLDEN is not None


def small_model(name, **settings):
    """A llama model of random numbers, whose sizes settings change."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = dict(
        vocab_size=320, hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.1)
    torch.manual_seed(11)
    LlamaForCausalLM(LlamaConfig(**sizes | settings)).to(torch.bfloat16).save_pretrained(WORK / name)
    return WORK / name
