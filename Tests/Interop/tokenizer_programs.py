"""Recast's and llama.cpp's tokenizers, as functions of texts."""

import json
import subprocess
import unicodedata

import llama_cpp
from transformers.convert_slow_tokenizer import bytes_to_unicode

from referee import RECAST, WORK


def ours(tokenizer, texts, *options):
    folder = WORK / "texts"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{index}.txt" for index in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(text.encode())
    done = subprocess.run(
        [RECAST, "tokenize", tokenizer, *paths, "--json", *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-300:])
    return [entry["ids"] for entry in json.loads(done.stdout)["texts"]]


class LlamaCpp:
    """The vocabulary of a GGUF file, with spelled-out special tokens as text."""

    def __init__(self, path):
        self.model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)

    def __call__(self, text):
        return self.model.tokenize(text.encode(), add_bos=False, special=False)


def strip(source, target, pre=None):
    """A GGUF file without the files that travel in it, or with another pre-tokenizer."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        ours = field.name.startswith(("GGUF.", "recast.", "tokenizer.huggingface")) or field.name == "general.architecture"
        if not ours:
            kind, *elements = field.types
            value = pre if pre and field.name == "tokenizer.ggml.pre" else field.contents()
            writer.add_key_value(field.name, value, kind, elements[-1] if elements else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def comparable(path, texts):
    """The texts of which llama.cpp must give the ids of a GGUF file: it composes no text, calls </s> a control token whatever the file says, and merges nothing across a byte without a
    token, where tokenizers leaves the byte out first."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    lacking = set()
    if fields["tokenizer.ggml.model"].contents() == "gpt2":
        tokens = set(fields["tokenizer.ggml.tokens"].contents())
        lacking = {byte for byte, spelling in bytes_to_unicode().items() if spelling not in tokens}
    texts = [text for text in texts if unicodedata.normalize("NFC", text) == text and "</s>" not in text]
    return [text for text in texts if lacking.isdisjoint(text.encode())]
