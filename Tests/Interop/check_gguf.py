"""gguf-py reads what Recast writes, with the metadata of llama.cpp's converter; its quantizer makes the same bytes."""

import ast
import re

import llama_cpp
import numpy
from gguf import GGUFReader

from referee import GOLDEN, TINY, WORK, check, convert, family, golden_or_skip, report

FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "q6_k": 18, "bf16": 32}
FAMILIES = ["llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "yi", "qwen2_untied", "qwen3_tied"]


def metadata(path):
    """Values by key, less what only Recast writes and what the reader adds."""
    fields = GGUFReader(path).fields.items()
    ours = re.compile(r"GGUF\.|recast\.|tokenizer\.huggingface\.json$")
    return {key: (int(field.types[0]), field.contents()) for key, field in fields if not ours.match(key)}


def expected_tiny():
    """Lines `key [type] value`, where arrays are only counted; then the tensors."""
    for line in (GOLDEN / "gguf/qwen2-tiny.metadata.txt").read_text().splitlines():
        found = re.fullmatch(r"([a-z0-9_.]+) \[(\d+)(?:, \d+)?\] (.*)", line)
        if found:
            array = re.match(r"array\[(\d+)\]", found[3])
            yield found[1], int(found[2]), int(array[1]) if array else ast.literal_eval(found[3])


def expected_family(name):
    """The lines `  key = value   (type N)` below `[name]`."""
    section = None
    for line in (GOLDEN / "gguf/families.metadata.txt").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif section == name:
            found = re.fullmatch(r"  (\S+) = (.*)   \(type (\d+)\)", line)
            yield found[1], int(found[3]), ast.literal_eval(found[2])


def same(found, expected):
    if isinstance(found, list) and isinstance(expected, int):
        return len(found) == expected
    if isinstance(found, float) and isinstance(expected, float):
        return abs(found - expected) <= 1e-6 * abs(expected)
    return found == expected


def compare_metadata(name, path, expected, file_type):
    found = metadata(path)
    wrong, keys = [], set()
    for key, kind, value in expected:
        keys.add(key)
        if key == "general.file_type":
            value = file_type
        if key not in found:
            wrong.append(f"{key} is missing")
        elif found[key][0] != kind or not same(found[key][1], value):
            wrong.append(f"{key}: {str(found[key])[:60]} for {kind, value}")
    extra = sorted(found.keys() - keys)
    detail = "; ".join(wrong) or f"{len(keys)} keys" + (f", and {', '.join(extra)}" if extra else "")
    report(name, not wrong and bool(keys), detail)


def tensors(path):
    return {tensor.name: tensor for tensor in GGUFReader(path).tensors}


def compare_tensors(name, ours, theirs):
    first, second = tensors(ours), tensors(theirs)
    wrong = [
        key for key in sorted(first.keys() | second.keys())
        if key not in first or key not in second
        or first[key].tensor_type != second[key].tensor_type
        or first[key].shape.tolist() != second[key].shape.tolist()
        or not numpy.array_equal(first[key].data.view(numpy.uint8), second[key].data.view(numpy.uint8))
    ]  # fmt: skip
    order = list(first) == list(second)
    kinds = ", ".join(sorted({tensor.tensor_type.name for tensor in first.values()}))
    report(name, not wrong, ", ".join(wrong[:4]) or f"{len(first)} tensors ({kinds}), order {'equal' if order else 'differs'}")


def quantized_by_llama_cpp(source, name):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = FILE_TYPES[name], 2
    made = WORK / f"llama-cpp-{name}.gguf"
    if llama_cpp.llama_model_quantize(str(source).encode(), str(made).encode(), params) != 0:
        raise RuntimeError(f"llama.cpp did not quantize {source.name} to {name}")
    return made


@llama_cpp.llama_log_callback
def quiet(level, text, data):
    pass


llama_cpp.llama_log_set(quiet, None)
golden = golden_or_skip("gguf-metadata")
with check("gguf-sources"):
    sources = {name: convert(TINY, f"source-{name}.gguf", "--dtype", name) for name in ("bf16", "f32")}
for encoding in ("q8_0", "q4_0", "q6_k", "f16", "bf16", "f32"):
    with check(f"gguf-{encoding}"):
        path = convert(TINY, f"qwen2-tiny-{encoding}.gguf", "--encoding", encoding)
        report(f"gguf-{encoding}-reads", len(tensors(path)) == 51, f"{len(tensors(path))} tensors")
        if golden:
            compare_metadata(f"gguf-{encoding}-metadata", path, expected_tiny(), FILE_TYPES[encoding])
        if encoding.startswith("q"):
            for kind, source in sources.items():
                compare_tensors(f"gguf-{encoding}-like-llama.cpp-from-{kind}", path, quantized_by_llama_cpp(source, encoding))
if golden:
    for each in FAMILIES:
        with check(f"gguf-{each}"):
            path = convert(family(each), f"{each}-f32.gguf", "--dtype", "f32")
            compare_metadata(f"gguf-{each}-metadata", path, expected_family(each), FILE_TYPES["f32"])
            for encoding in ("q8_0", "q4_0"):
                quantized = convert(family(each), f"{each}-{encoding}.gguf", "--encoding", encoding)
                compare_tensors(f"gguf-{each}-{encoding}-like-llama.cpp", quantized, quantized_by_llama_cpp(path, encoding))
