"""What every encoding of `recast quantize` costs, beside what the same grid costs where its own library chooses the codes.

Of each file: the perplexity, and the mean KL divergence from the original, in nats per token, by llama.cpp's method: the
texts one after the other, windows of 256 tokens, the second half of each scored. The numbers are those of transformers in
float32 with the weights decoded; the perplexity that Recast computes of the file as it is must be the same. What a library
makes of the weights is put into the same model and judged by the same function. All rows are over a sixteenth of each text,
or all of it if RECAST_QUALITY_WHOLE=1.

What llama-perplexity says of its own files is over the whole texts, and so are the rows beside it: Recast's own perplexity,
and the divergence with the inputs of each layer rounded to 8 bits, as llama.cpp rounds them for its integer products. (It
adds 0.0001 or 0.00026, which is more than the weights of q8_0 lose.)

The table goes to quality.md in the work folder, or where RECAST_QUALITY says.
"""

import csv
import dataclasses
import functools
import hashlib
import json
import math
import os
import pathlib
import re
from collections.abc import Callable
from types import SimpleNamespace

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from dequantizers import installed, quiet
from referee import GOLDEN, TINY, WORK, check, convert, quantize, recast, report, tensors

CONTEXT, BATCH, PART = 256, 8, 1 if os.environ.get("RECAST_QUALITY_WHOLE") == "1" else 16
#: How far from the reference a perplexity may be, how much greater a divergence, and how far Recast's own perplexity from
#: that of transformers.
LIMIT, DIVERGENCE_LIMIT, SAME = 0.02, 0.1, 1e-3

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
ORIGINAL = {name: tensor.float() for name, tensor in tensors(TINY).items()}
LINEAR = [name for name in ORIGINAL if name.endswith("proj.weight")]


# MARK: Measuring


@dataclasses.dataclass
class Score:
    perplexity: float
    divergence: float = 0.0


class Judge:
    """The original's predictions of a text, and how far those of other weights are from them."""

    model = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32, attn_implementation="sdpa").eval()
    tokenizer = AutoTokenizer.from_pretrained(TINY)

    def __init__(self, name, part):
        """Of each text, the first of this many parts."""
        texts = [(TINY / "text" / f"{channel}.txt").read_text() for channel in ("prose", "code", "poetry")]
        self.path = WORK / f"{name}.txt"
        self.path.write_text("".join(text[: len(text) // part] for text in texts))
        # llama.cpp takes the last line break off.
        ids = self.tokenizer(self.path.read_text().removesuffix("\n"))["input_ids"]
        self.windows = torch.tensor(ids[: len(ids) // CONTEXT * CONTEXT]).view(-1, CONTEXT)
        self.scored = len(self.windows) * (CONTEXT // 2 - 1)
        self.expected, self.found = [], {}
        self.original = self.score(ORIGINAL)

    @torch.inference_mode()
    def score(self, weights, inputs=None):
        """Of the original with these weights in place of its own; of the same weights only once.

        `inputs` makes of the name of a layer the function that rounds what goes into it.
        """
        weights = ORIGINAL | weights
        digest = hashlib.sha256(b"rounded" if inputs else b"")
        for name in sorted(weights):
            digest.update(weights[name].contiguous().numpy())
        if digest.digest() not in self.found:
            self.model.load_state_dict(weights)
            layers = [pair for pair in self.model.named_modules() if inputs and isinstance(pair[1], torch.nn.Linear)]
            hooks = [
                layer.register_forward_pre_hook(lambda _, given, name=name: inputs(name)(*given)) for name, layer in layers]
            self.found[digest.digest()] = self.compute()
            for hook in hooks:
                hook.remove()
        return self.found[digest.digest()]

    def compute(self):
        loss = divergence = 0.0
        is_first = not self.expected
        for index, batch in enumerate(self.windows.split(BATCH)):
            logits = self.model(batch, logits_to_keep=CONTEXT // 2).logits[:, :-1]
            found = logits.log_softmax(-1)
            loss -= found.gather(-1, batch[:, CONTEXT // 2 + 1 :, None]).double().sum().item()
            if is_first:
                self.expected.append(found)
            expected = self.expected[index]
            divergence += (expected.exp() * (expected - found)).sum(-1).double().sum().item()
        return Score(math.exp(loss / self.scored), divergence / self.scored)

    def native(self, path):
        """The perplexity that Recast computes of a file as it is."""
        options = ["--context", CONTEXT, "--window", "second-half", "--jobs", 1, "--json", "--quiet"]
        return json.loads(recast("perplexity", path, "--text", self.path, *options))["total"]["perplexity"]


def q8_0(numbers):
    """Blocks of 32 with a scale of float16, as llama.cpp rounds what is multiplied by Q4_0, Q8_0, IQ4_NL."""
    blocks = numbers.unflatten(-1, (-1, 32))
    scale = blocks.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
    return ((blocks / scale).round() * scale.half()).flatten(-2)


def q8_k(numbers):
    """Blocks of 256, whose extreme becomes -127, as llama.cpp rounds what is multiplied by K types and IQ types."""
    blocks = numbers.unflatten(-1, (-1, 256))
    extreme = blocks.gather(-1, blocks.abs().argmax(-1, keepdim=True))
    scale = torch.where(extreme == 0, 1, extreme) / -127
    return ((blocks / scale).round().clamp(max=127) * scale).flatten(-2)


# MARK: References: the numbers that a library makes of a weight


def gptq(bits, size, symmetric):
    """gptqmodel's RTN, which is its Quantizer without a Hessian, packed and unpacked by its layer (float16)."""
    with quiet():
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.quantization.config import RTNConfig
        from gptqmodel.quantization.rtn import RTN

    def numbers(weight):
        rows, columns = weight.shape
        with quiet(), torch.inference_mode():
            linear = as_linear(weight)
            settings = RTNConfig(bits=bits, group_size=size, sym=symmetric, smooth=None)
            _, scale, zero, groups, *_ = RTN(linear, settings).quantize()
            layer = TorchLinear(
                bits=bits, group_size=size, sym=symmetric, desc_act=False, in_features=columns, out_features=rows,
                bias=False, register_buffers=False)
            layer.pack_original(linear, scale, zero, groups)
            layer.eval().post_init()
            return layer.dequantize_weight().T
    return numbers


def awq(size, symmetric):
    """autoawq's pseudo_quantize_tensor without activation scales, packed and unpacked by its layer (float16)."""
    import warnings

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from awq.modules.linear.gemm import WQLinear_GEMM
        from awq.quantize.quantizer import AwqQuantizer
        from awq.utils.packing_utils import dequantize_gemm
    settings = SimpleNamespace(group_size=size, w_bit=4, zero_point=not symmetric)

    def numbers(weight):
        number, scales, zeros = AwqQuantizer.pseudo_quantize_tensor(settings, weight)
        zeros = torch.full_like(scales, 8) if symmetric else zeros
        scales, zeros = scales.T.contiguous(), zeros.T.contiguous()
        layer = WQLinear_GEMM.from_linear(as_linear(number), 4, size, scales=scales, zeros=zeros)
        return dequantize_gemm(layer.qweight, layer.qzeros, layer.scales, 4, size).T
    return numbers


def compressed(bits, strategy, size=None, symmetric=True, kind="int"):
    """compressed-tensors' calculate_qparams of the extremes, its quantize and dequantize; scales as bfloat16 holds them."""
    with quiet():
        from compressed_tensors.quantization import QuantizationArgs
        from compressed_tensors.quantization.lifecycle.forward import fake_quantize
        from compressed_tensors.quantization.utils import calculate_qparams
    scales = {"scale_dtype": torch.uint8} if (bits, kind) == (4, "float") else {}
    settings = QuantizationArgs(
        num_bits=bits, type=kind, symmetric=symmetric, strategy=strategy, group_size=size, dynamic=False, **scales)

    def numbers(weight):
        rows, columns = weight.shape
        blocks = weight.reshape(1, 1, -1) if strategy == "tensor" else weight.reshape(rows, -1, size or columns)
        scale, zero = calculate_qparams(blocks.amin(-1), blocks.amax(-1), settings)
        return fake_quantize(weight, scale.bfloat16().float(), zero, settings)
    return numbers


def absmax(strategy, size=None):
    """The formula: s = max|w| / 127, q = w / s to the nearest; scales as bfloat16 holds them."""
    def numbers(weight):
        blocks = weight.reshape(1, -1) if strategy == "tensor" else weight.reshape(-1, size or weight.shape[1])
        scale = (blocks.abs().amax(-1, keepdim=True) / 127).bfloat16().float()
        return ((blocks / scale).round().clamp(-127, 127) * scale).view_as(weight)
    return numbers


def bitsandbytes(kind, nested=False):
    """bitsandbytes' quantize_4bit and int8_vectorwise_quant, and their opposites (float32)."""
    with quiet():
        from bitsandbytes import functional

    def numbers(weight):
        if kind == "int8":
            codes, absmax, _ = functional.int8_vectorwise_quant(weight.half())
            return functional.int8_vectorwise_dequant(codes, absmax)
        codes, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type=kind)
        return functional.dequantize_4bit(codes, state)
    return numbers


def mlx(bits, size):
    """mx.quantize of bfloat16, and mx.dequantize with the scales and minima widened to float32."""
    import mlx.core as mx
    import numpy

    def numbers(weight):
        codes, scales, biases = mx.quantize(mx.array(weight.numpy()).astype(mx.bfloat16), size, bits)
        scales, biases = scales.astype(mx.float32), biases.astype(mx.float32)
        return torch.from_numpy(numpy.array(mx.dequantize(codes, scales, biases, size, bits)))
    return numbers


def fp8():
    """transformers' quantizer, which is the formula of DeepSeek's kernel: amax / 448 of 128 × 128.

    It leaves weights alone that are not made of whole blocks; the zeros added here change no extreme.
    """
    with quiet():
        from transformers import FineGrainedFP8Config
        from transformers.integrations.finegrained_fp8 import Fp8Quantize
    settings = FineGrainedFP8Config(weight_block_size=[128, 128])

    def numbers(weight):
        rows, columns = weight.shape
        padded = torch.nn.functional.pad(weight, (0, -columns % 128, 0, -rows % 128))
        made = Fp8Quantize(SimpleNamespace(quantization_config=settings)).convert({"x.weight": padded})
        scale = made["x.weight_scale_inv"].repeat_interleave(128, 0).repeat_interleave(128, 1)
        return (made["x.weight"].float() * scale)[:rows, :columns]
    return numbers


def as_linear(weight):
    linear = torch.nn.Linear(*reversed(weight.shape), bias=False)
    linear.weight.data = weight.clone()
    return linear


# MARK: Encodings of Hugging Face targets


@dataclasses.dataclass
class Case:
    encoding: str
    options: tuple = ()
    #: The package, the function of its weights, and the arguments of that.
    package: str = ""
    reference: Callable | None = None
    arguments: tuple = ()
    #: What the reference is, where it is not just the package.
    label: str = ""

    @property
    def choices(self):
        return " ".join(str(option).removeprefix("--") for option in self.options)

    @property
    def name(self):
        return "-".join([self.encoding, *self.choices.split()])

    @property
    def weights(self):
        """What this format's software quantizes."""
        return (*LINEAR, *("model.embed_tokens.weight", "lm_head.weight") * ("mlx" in self.encoding))


def reach(name, size):
    return ("--per", name) if size is None else ("--group-size", size)


def cases():
    sides = (("--symmetric", True), ("--asymmetric", False))
    ct, bnb = ("compressed-tensors", compressed), ("bitsandbytes", bitsandbytes)
    for per, size in (("tensor", None), ("channel", None), ("group", 128)):
        yield Case("int8-absmax", reach(per, size), "torch", absmax, (per, size), "formula: absmax / 127")
        yield Case("int8-zero-point", reach(per, size), *ct, (8, per, size, False))
    for encoding, bits, sizes in (("int4-group", 4, (32, 128)), ("ct-int4", 4, (32, 128)), ("ct-int8", 8, (None, 128))):
        for side, symmetric in sides:
            for size in sizes:
                per = "group" if size else "channel"
                yield Case(encoding, (side, *reach(per, size)), *ct, (bits, per, size, symmetric))
    for per in ("tensor", "channel"):
        yield Case("ct-fp8", ("--per", per), *ct, (8, per, None, True, "float"))
    yield Case("ct-mxfp4", (), *ct, (4, "group", 32, True, "float"))
    for side, symmetric in sides:
        for size in (32, 128):
            yield Case("awq-int4", (side, "--group-size", size), "autoawq", awq, (size, symmetric))
    yield Case("fp8", (), "accelerate", fp8, (), "transformers (DeepSeek's formula: amax / 448)")
    for kind in ("nf4", "fp4"):
        yield Case(kind, (), *bnb, (kind,))
        yield Case(f"{kind}-nested", (), *bnb, (kind, True))
    yield Case("llm-int8", (), *bnb, ("int8",))
    for bits in (2, 3, 4, 8):
        for form in ("", "v1-", "v2-"):
            for side, symmetric in sides:
                for size in (32, 128) if form == "" else (128,):
                    choices = (side, "--group-size", size)
                    yield Case(f"gptq-{form}int{bits}", choices, "gptqmodel", gptq, (bits, size, symmetric))
    for bits in (2, 3, 4, 5, 6, 8):
        for size in (32, 64):
            yield Case(f"mlx-int{bits}", ("--group-size", size), "mlx", mlx, (bits, size))
    # No library searches like this: the rows are there to be compared with those above.
    for encoding in ("int8-absmax", "int8-zero-point", "ct-int8", "ct-mxfp4", "nf4", "fp4", "llm-int8"):
        yield Case(encoding, ("--method", "search"))
    for bits in (2, 3, 4, 8):
        for side, _ in sides:
            yield Case(f"gptq-int{bits}", (side, "--method", "search"))
    for encoding in ("ct-int4", "awq-int4"):
        for side, _ in sides:
            yield Case(encoding, (side, "--method", "search"))
    for bits in (2, 3, 4, 5, 6, 8):
        yield Case(f"mlx-int{bits}", ("--method", "search"))


# MARK: The table


@dataclasses.dataclass
class Row:
    encoding: str
    choices: str
    size: int
    found: Score
    #: Where it is to be compared with the perplexity found.
    native: float | None
    reference: Score | None = None
    source: str = "—"

    @property
    def ratios(self):
        theirs = self.reference
        kld = self.found.divergence / theirs.divergence if theirs.divergence else float(self.found.divergence == 0)
        return self.found.perplexity / theirs.perplexity, kld

    @property
    def text(self):
        cells = [self.encoding, self.choices, str(self.size), f"{self.found.perplexity:.4f}", "—", "—"]
        cells += [f"{self.found.divergence:.6f}", "—", "—", self.source]
        if self.reference:
            perplexity, divergence = self.ratios
            cells[4:6] = [f"{self.reference.perplexity:.4f}", f"{perplexity:.4f}"]
            cells[7:9] = [f"{self.reference.divergence:.6f}", f"{divergence:.3f}"]
        return "| " + " | ".join(cells) + " |"

    def judge(self, name):
        off = abs(self.native / self.found.perplexity - 1) if self.native else 0
        passed, detail = off <= SAME, f"perplexity {self.found.perplexity:.4f}, KL {self.found.divergence:.6f}"
        detail += f", Recast's own off by {off:.0e}" if self.native else ""
        if self.reference:
            perplexity, divergence = self.ratios
            passed = passed and abs(perplexity - 1) <= LIMIT and divergence <= 1 + DIVERGENCE_LIMIT
            detail += f"; {perplexity:.4f} and {divergence:.3f} times those of {self.source}"
        report(name, passed, detail)


HEADER = ("encoding", "choices", "bytes", "perplexity", "reference", "ratio", "KL", "reference", "ratio", "reference is")


def section(judge, title, rows):
    lines = [f"{title}: {judge.scored} tokens scored; the original's perplexity is {judge.original.perplexity:.4f}", ""]
    lines += ["| " + " | ".join(HEADER) + " |", "|---|---|" + "---:|" * 7 + "---|"]
    return "\n".join(lines + [row.text for row in rows]) + "\n"


def size(path):
    return sum(each.stat().st_size for each in path.glob("*.safetensors")) if path.is_dir() else path.stat().st_size


def decoded(path):
    return tensors(convert(path, "quality-f32", "--family", "same", "--dtype", "f32"))


def judge_packed(judge, case):
    path = quantize(TINY, "quality-packed", case.encoding, *case.options)
    row = Row(case.encoding, case.choices, size(path), judge.score(decoded(path)), judge.native(path))
    if case.reference and installed(case.package) is None:
        row.source = f"({case.package} is not installed)"
    elif case.reference:
        row.reference = judge.score(referee(case.reference, case.arguments, case.weights))
        row.source = case.label or case.package
    return row


@functools.lru_cache(maxsize=2)
def referee(reference, arguments, names):
    numbers = reference(*arguments)
    return {name: numbers(ORIGINAL[name]).float() for name in names}


def golden(name):
    """The rows of a golden table, by file type and importance."""
    found = {}
    for row in csv.reader((GOLDEN / "gguf" / name).open(), delimiter="\t") if GOLDEN else ():
        if not row[0].startswith("#"):
            found.setdefault((row[0], row[1]), []).append(row[2:])
    return found


def is_same(path, expected):
    """Whether the tensors are, bit for bit, those of llama.cpp's file."""
    found = {each.name: hashlib.sha256(each.data.tobytes()).hexdigest()[:32] for each in GGUFReader(path).tensors}
    return found == {name: digest for name, _, _, digest in expected}


def judge_gguf(judge, encoding, importance, expected):
    path = quantize(TINY, "quality.gguf", encoding, *(("--importance", importance) if importance else ()))
    found = judge.score(decoded(path))
    row = Row(encoding, "importance" * bool(importance), size(path), found, judge.native(path), None, "(check_quantize)")
    if expected:
        same = is_same(path, expected)
        row.reference, row.source = (found, "llama.cpp: the same bytes") if same else (None, "llama.cpp: OTHER BYTES")
    return row


def judge_beside_llama(judge, encoding, importance, perplexity, divergence):
    path = quantize(TINY, "quality.gguf", encoding, *(("--importance", importance) if importance else ()))
    types = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(path).tensors}

    def inputs(layer):
        name = "output.weight" if layer == "lm_head" else "blk.0.attn_q.weight"
        return q8_k if types[name].endswith("_K") or types[name][:2] == "IQ" and types[name] != "IQ4_NL" else q8_0
    found = Score(judge.native(path), judge.score(decoded(path), inputs).divergence)
    theirs = Score(float(perplexity), float(divergence))
    return Row(encoding, "importance" * bool(importance), size(path), found, None, theirs, "llama-perplexity")


def listed():
    """The encodings that `quantize --help` says are written: those of GGUF targets, and the others."""
    text = recast("quantize", "--help")
    files, others = (
        re.search(rf"ENCODINGS OF {kind} TARGETS[^\n]*:\n((?:.+\n)+)", text)[1] for kind in ("GGUF", "HUGGING FACE"))
    names = []
    for line in others.splitlines():
        # Names, two spaces or more, and what they are; `gptq-int2|3` stands for two of them.
        if found := re.match(r" *((?:[a-z][a-z0-9|-]* )*[a-z][a-z0-9|-]*)  +\S", line):
            for name in found[1].split():
                stem, first, *rest = re.match(r"(.*?)(\d?)((?:\|\d)*)$", name).groups()
                names += [stem + width for width in [first, *rest[0].split("|")[1:]]]
    return files.splitlines()[0].split(), names


#: File types that importance makes no difference to.
UNWEIGHED = ("f32", "f16", "bf16", "q8_0", "tq1_0", "tq2_0", "mxfp4_moe", "q1_0", "q2_0")
#: Those that are garbage without.
COARSE = ("q2_k_s", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m", "iq3_xxs", "iq3_xs")
files, packings = listed()
sections, rows = [], []
part, all_cases = Judge("quality", PART), list(cases())
missing = set(packings) - {case.encoding for case in all_cases}
detail = " ".join(sorted(missing)) or f"{len(files)} of GGUF targets, {len(packings)} others"
report("quality-every-encoding", not missing, detail)
for package in sorted({case.package for case in all_cases if case.package and installed(case.package) is None}):
    print(f"skip quality-references {package} is not installed", flush=True)
for case in all_cases:
    with check(f"quality-{case.name}"):
        rows.append(judge_packed(part, case))
        rows[-1].judge(f"quality-{case.name}")
importance, hashes = GOLDEN and GOLDEN / "gguf/qwen2-tiny.imatrix.gguf", golden("qwen2-tiny.tsv")
for encoding in files:
    for given in (None, importance) if importance and encoding not in UNWEIGHED else (None,):
        name = f"quality-{encoding}" + "-importance" * bool(given)
        with check(name):
            if encoding in COARSE and not given:
                print(f"skip {name} llama-quantize and Recast want importance for it", flush=True)
                continue
            rows.append(judge_gguf(part, encoding, given, hashes.get((encoding, "yes" if given else "no"))))
            rows[-1].judge(name)
            if "OTHER" in rows[-1].source:
                report(f"{name}-bytes", False, rows[-1].source)
sections.append(section(part, "Every encoding" + f", over 1/{PART} of each text" * (PART > 1), rows))

if not GOLDEN:
    print("skip quality-llama.cpp RECAST_GOLDEN is not set", flush=True)
else:
    whole, rows = part if PART == 1 else Judge("quality-whole", 1), []
    for (encoding, given), ((_, perplexity, divergence, _),) in golden("qwen2-tiny.quality.tsv").items():
        name = f"quality-llama.cpp-{encoding}" + "-importance" * (given == "yes")
        with check(name):
            rows.append(judge_beside_llama(whole, encoding, importance if given == "yes" else None, perplexity, divergence))
            rows[-1].judge(name)
    sections.append(section(whole, "The same files as llama.cpp's, over the whole texts", rows))

target = pathlib.Path(os.environ.get("RECAST_QUALITY") or WORK / "quality.md")
target.write_text("\n".join(sections))
