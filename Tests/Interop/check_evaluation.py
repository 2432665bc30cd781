"""What compare, probe, generate, infer and tasks say, beside what transformers computes of the same models.

Of every family a second model with other weights is made; divergence, cosine similarities and relative errors of layers and
of linear modules are those of transformers' float32 logits and of hooks on its modules.
"""

import json
import math
import random
import struct

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from referee import GOLDEN, RECAST, TINY, WORK, bytes_tokenizer, check, family, golden_or_skip, recast, report

FAMILIES = (
    "gemma1 gemma2 glm glm4_0414 granite llama3_rope_sharded llama_bias llama_linear_rope mistral_swa mixtral olmo1 olmo2 phi3 "
    "qwen2_moe qwen2_untied qwen3_moe qwen3_tied smollm3 stablelm2 yi"
).split()
CONTEXT = 48
#: How far a number may be from transformers', relatively; of divergences also absolutely, as they are small.
NEAR = 2e-4
MODULES = {
    "query": "q_proj", "key": "k_proj", "value": "v_proj", "attentionOutput": "o_proj", "gate": "gate_proj", "up": "up_proj",
    "down": "down_proj",
}


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


def near(a, b, relative=NEAR, absolute=2e-6):
    return abs(a - b) <= absolute + relative * abs(b)


class Outputs:
    """What layers and linear modules of a model give."""

    def __init__(self, model, windows):
        self.layers, self.linears = {}, {}
        layers = model.model.layers
        handles = []
        for index, layer in enumerate(layers):
            handles.append(layer.register_forward_hook(self.keep(self.layers, index)))
            for name, module in layer.named_modules():
                role = next((role for role, own in MODULES.items() if name.split(".")[-1] == own), None)
                if role and "expert" not in name:
                    handles.append(module.register_forward_hook(self.keep(self.linears, (index, role))))
        with torch.no_grad():
            self.logits = torch.cat([model(window[None]).logits[0, :-1] for window in windows])
        for handle in handles:
            handle.remove()

    @staticmethod
    def keep(place, key):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            place.setdefault(key, []).append(output.reshape(-1, output.shape[-1]).double())

        return hook


def similarity(reference, candidate):
    a, b = torch.cat(reference), torch.cat(candidate)
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1, eps=0).mean().item()
    return cosine, ((a - b).norm() / a.norm()).item()


def disturbed(model, path):
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            parameter.data += 0.03 * parameter.data.std() * torch.randn_like(parameter)
    model.save_pretrained(path)
    return model


def check_compare(name, tokenizer, text):
    with check(f"compare-{name}"):
        reference = load(family(name))
        candidate = disturbed(load(family(name)), WORK / f"disturbed-{name}")
        ids = torch.tensor(list(text.encode()))
        windows = list(ids.split(CONTEXT))
        theirs = Outputs(reference, windows), Outputs(candidate, windows)
        (WORK / "text.txt").write_text(text)
        found = json.loads(
            recast(
                "compare", family(name), WORK / f"disturbed-{name}", "--text", WORK / "text.txt", "--context", CONTEXT,
                "--tokenizer", tokenizer, "--tensors", "--json", "--quiet"))
        p, q = (outputs.logits.double().log_softmax(-1) for outputs in theirs)
        divergence = (p.exp() * (p - q)).sum(-1)
        own = found["total"]["kld"]
        same = (p.argmax(-1) == q.argmax(-1)).double().mean().item()
        good = near(own["mean"], divergence.mean().item()) and near(own["max"], divergence.max().item(), 2e-3)
        report(f"compare-{name}-divergence", good and near(found["total"]["top1"], same, 0, 2 / len(p)),
               f"{own['mean']:.6f}, {divergence.mean().item():.6f} there")
        wrong, count = [], 0
        for layer in found["layers"]:
            cosine, error = similarity(*(outputs.layers[layer["layer"]] for outputs in theirs))
            count += 1
            if not (near(layer["cosine"], cosine, 1e-5) and near(layer["relative_error"], error, 1e-3)):
                wrong.append(f"layer {layer['layer']}: {layer['cosine']:.6f} {layer['relative_error']:.6f}, {cosine:.6f} {error:.6f} there")
        for linear in found["tensors"]:
            key = (linear["layer"], linear["role"])
            if linear["expert"] is not None or key not in theirs[0].linears:
                continue
            cosine, error = similarity(*(outputs.linears[key] for outputs in theirs))
            count += 1
            if not (near(linear["cosine"], cosine, 1e-5) and near(linear["relative_error"], error, 1e-3)):
                wrong.append(f"{key}: {linear['cosine']:.6f} {linear['relative_error']:.6f}, {cosine:.6f} {error:.6f} there")
        report(f"compare-{name}-layers", not wrong and len(found["layers"]) == len(theirs[0].layers),
               "; ".join(wrong[:2]) or f"{count} cosines and errors")


def check_probe():
    model, tokenizer = load(TINY), AutoTokenizer.from_pretrained(TINY)
    prompt = "The night was dark, and the captain of the ship said"
    ids = torch.tensor(tokenizer(prompt).input_ids)
    with torch.no_grad():
        out = model(ids[None], output_hidden_states=True, output_attentions=True)
    states, wrong = [], []
    for index, layer in enumerate(model.model.layers):
        layer.register_forward_hook(lambda _m, _i, output: states.append((output[0] if isinstance(output, tuple) else output)[0]))
    with torch.no_grad():
        model(ids[None])
    for layer in range(len(states)):
        found = json.loads(recast(
            "probe", TINY, "--prompt", prompt, "--layers", "--attention", layer, "--top", 8, "--position", "-1",
            "--position", "3", "--json", "--quiet"))
        own = found["layers"][layer]
        before = out.hidden_states[0][0] if layer == 0 else states[layer - 1]
        distance = 1 - torch.nn.functional.cosine_similarity(before.double(), states[layer].double(), dim=-1)
        if max(abs(a - b) for a, b in zip(own["cosine_distances"], distance.tolist())) > 1e-5:
            wrong.append(f"distances of layer {layer}")
        if max(abs(a - b) for a, b in zip(own["norms"], states[layer].norm(dim=-1).tolist())) > 1e-3:
            wrong.append(f"norms of layer {layer}")
        with torch.no_grad():
            lens = model.lm_head(model.model.norm(states[layer])).softmax(-1)
        for next_tokens, position in zip(own["next"], (len(ids) - 1, 3)):
            values, tokens = lens[position].topk(8)
            if [entry["id"] for entry in next_tokens] != tokens.tolist():
                wrong.append(f"tokens read off layer {layer} at {position}")
            if max(abs(entry["probability"] - value) for entry, value in zip(next_tokens, values.tolist())) > 1e-5:
                wrong.append(f"probabilities read off layer {layer} at {position}")
        attention = torch.tensor(found["attention"]["heads"])
        if (attention - out.attentions[layer][0]).abs().max() > 1e-5:
            wrong.append(f"attention of layer {layer}")
    report("probe-qwen2-tiny", not wrong, "; ".join(wrong) or f"{len(states)} layers, {len(ids)} tokens")


def check_generation():
    model, tokenizer = load(TINY), AutoTokenizer.from_pretrained(TINY)
    prompts = ["The night was", "def main(", "He said unto them,", "import", "In the beginning", "O my"]
    for beams in (1, 2, 3, 5, 8):
        wrong = []
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt")
            with torch.no_grad():
                theirs = model.generate(
                    **ids, max_new_tokens=24, num_beams=beams, do_sample=False, pad_token_id=0)[0][ids.input_ids.shape[1]:].tolist()
            option = ["--beams", beams] if beams > 1 else []
            own = json.loads(recast(
                "generate", TINY, "--prompt", prompt, "--max-tokens", 24, "--json", "--quiet", *option))["ids"]
            eos = model.generation_config.eos_token_id
            eos = [eos] if isinstance(eos, int) else eos or []
            if own != [token for token in theirs if token not in eos]:
                wrong.append(prompt)
        report(f"generate-beams-{beams}", not wrong, ", ".join(wrong) or f"{len(prompts)} texts of transformers")
    wrong = []
    for penalty in (1.2, 2.0):
        for prompt in prompts:
            ids = tokenizer(prompt, return_tensors="pt")
            with torch.no_grad():
                theirs = model.generate(
                    **ids, max_new_tokens=24, do_sample=False, repetition_penalty=penalty, pad_token_id=0)[0][ids.input_ids.shape[1]:].tolist()
            own = json.loads(recast(
                "generate", TINY, "--prompt", prompt, "--max-tokens", 24, "--repeat-penalty", penalty, "--json", "--quiet"))["ids"]
            if own != theirs[:len(own)]:
                wrong.append(f"{prompt} {penalty}")
    report("generate-repeat-penalty", not wrong, ", ".join(wrong) or f"{2 * len(prompts)} texts of transformers")
    lines = [json.dumps({"prompt": prompt}) for prompt in prompts * 3]
    (WORK / "prompts.jsonl").write_text("\n".join(lines))
    recast("infer", TINY, WORK / "prompts.jsonl", WORK / "answers.jsonl", "--max-tokens", 24, "--workers", 2, "--batch", 4,
           "--force", "--quiet")
    answers = [json.loads(line)["text"] for line in (WORK / "answers.jsonl").read_text().splitlines()]
    expected = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")
        with torch.no_grad():
            new = model.generate(**ids, max_new_tokens=24, do_sample=False, pad_token_id=0)[0][ids.input_ids.shape[1]:]
        expected.append(tokenizer.decode(new, skip_special_tokens=True))
    report("infer-batches", answers == expected * 3, f"{sum(a == b for a, b in zip(answers, expected * 3))} of {len(answers)}")


def task_items(count):
    words = (TINY / "text" / "prose.txt").read_text().split()
    chance = random.Random(5)

    def piece(low, high):
        first = chance.randrange(len(words) - high)
        return " ".join(words[first:first + chance.randint(low, high)])

    hella = [dict(activity_label=piece(1, 3), ctx_a=piece(8, 20), ctx_b=piece(1, 4), ctx="", label=str(chance.randrange(4)),
                  endings=[piece(3, 12) for _ in range(4)]) for _ in range(count)]
    arc = [dict(question=piece(5, 20), choices=dict(text=[piece(1, 5) for _ in range(4)], label=list("ABCD")),
                answerKey=chance.choice("ABCD")) for _ in range(count)]
    mmlu = [dict(question=piece(5, 20), subject=chance.choice(["high_school_physics", "anatomy"]),
                 choices=[piece(1, 5) for _ in range(4)], answer=chance.randrange(4)) for _ in range(count)]
    return dict(hellaswag=hella, arc=arc, mmlu=mmlu)


def asked(kind, item):
    """Context, answers, and which is right: lm-evaluation-harness's templates without examples."""
    if kind == "hellaswag":
        return (f"{item['activity_label']}: {item['ctx_a']} {item['ctx_b'].capitalize()}", item["endings"], int(item["label"]))
    if kind == "arc":
        return f"Question: {item['question']}\nAnswer:", item["choices"]["text"], "ABCD".index(item["answerKey"])
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", item["choices"]))
    about = item["subject"].replace("_", " ")
    return (f"The following are multiple choice questions (with answers) about {about}.\n\n{item['question'].strip()}\n{lines}\nAnswer:",
            list("ABCD"), item["answer"])


def check_tasks():
    model, tokenizer = load(TINY), AutoTokenizer.from_pretrained(TINY)
    for kind, items in task_items(100).items():
        (WORK / f"{kind}.jsonl").write_text("\n".join(map(json.dumps, items)))
        found = json.loads(recast("perplexity", TINY, "--task", WORK / f"{kind}.jsonl", "--json", "--quiet"))["tasks"][0]
        right = normalized = 0
        furthest = 0.0
        for item, own in zip(items, found["answers"]):
            context, choices, answer = asked(kind, item)
            scores = []
            for choice in choices:
                before = tokenizer(context).input_ids
                ids = tokenizer(f"{context} {choice}").input_ids
                with torch.no_grad():
                    logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
                scores.append(sum(logs[place - 1, ids[place]].item() for place in range(len(before), len(ids))))
            furthest = max(furthest, max(abs(a - b) for a, b in zip(own["log_likelihoods"], scores)))
            right += max(range(len(scores)), key=scores.__getitem__) == answer
            normalized += max(range(len(scores)), key=lambda i: scores[i] / len(choices[i])) == answer
        good = math.isclose(found["accuracy"], right / 100) and math.isclose(found["normalized_accuracy"], normalized / 100)
        p = right / 100
        good = good and math.isclose(found["error"], math.sqrt(p * (1 - p) / 99))
        report(f"task-{kind}", good and furthest < 1e-3,
               f"accuracy {found['accuracy']:.2f} and {found['normalized_accuracy']:.2f}, {p:.2f} and {normalized / 100:.2f} there; "
               f"likelihoods within {furthest:.1e}")


def check_llama_base():
    """A file as llama-perplexity writes one with --kl-divergence-base, of transformers' logits."""
    model, tokenizer = load(TINY), AutoTokenizer.from_pretrained(TINY)
    context, chunks = 128, 6
    ids = tokenizer((TINY / "text" / "prose.txt").read_text()).input_ids[:context * chunks]
    vocabulary = model.config.vocab_size
    out = b"_logits_" + struct.pack("<iii", context, vocabulary, chunks) + struct.pack(f"<{len(ids)}i", *ids)
    divergences = []
    other = disturbed(load(TINY), WORK / "disturbed-tiny")
    tokenizer.save_pretrained(WORK / "disturbed-tiny")
    for chunk in range(chunks):
        window = torch.tensor([ids[chunk * context:(chunk + 1) * context]])
        with torch.no_grad():
            p = model(window).logits[0, context // 2:context - 1].double().log_softmax(-1)
            q = other(window).logits[0, context // 2:context - 1].double().log_softmax(-1)
        divergences.append((p.exp() * (p - q)).sum(-1))
        for row in p:
            top, bottom = row.max().item(), max(row.min().item(), row.max().item() - 16)
            scale = (top - bottom) / 65535
            codes = ((row - bottom) / scale).round().clamp(0, 65535).long().tolist()
            out += struct.pack("<ff", scale, bottom) + struct.pack(f"<{vocabulary}H", *codes)
            out += b"\0\0" * (vocabulary % 2)
    (WORK / "base").write_bytes(out)
    found = json.loads(recast("compare", WORK / "base", WORK / "disturbed-tiny", "--json", "--quiet"))["total"]["kld"]["mean"]
    expected = torch.cat(divergences).mean().item()
    report("compare-llama-base", near(found, expected, 1e-3, 1e-5), f"{found:.6f}, {expected:.6f} there")


def check_fast():
    """Divergences of quantized files with --fast beside llama-perplexity's, whose reference is the float32 file."""
    text, reference = WORK / "all.txt", WORK / "f32.gguf"
    text.write_text("".join((TINY / "text" / f"{name}.txt").read_text() for name in ("prose", "code", "poetry")).removesuffix("\n"))
    recast("convert", TINY, reference, "--dtype", "f32", "--quiet", "--force")
    for line in (GOLDEN / "gguf" / "qwen2-tiny.quality.tsv").read_text().splitlines():
        fields = line.split("\t")
        if line.startswith("#") or fields[1] != "no":
            continue
        encoding, file, expected = fields[0], WORK / "fast.gguf", float(fields[4])
        recast("quantize", TINY, file, "--encoding", encoding, "--quiet", "--force")
        options = ["--text", text, "--context", 256, "--window", "second-half", "--fast", "--json", "--quiet"]
        found = json.loads(recast("compare", reference, file, *options))["total"]["kld"]["mean"]
        report(f"fast-{encoding}", near(found, expected, 5e-3, 1e-6), f"{found:.6f}, {expected:.6f} with llama.cpp")


def main():
    torch.set_num_threads(1)
    with check("probe-qwen2-tiny"):
        check_probe()
    with check("generate"):
        check_generation()
    with check("tasks"):
        check_tasks()
    with check("compare-llama-base"):
        check_llama_base()
    if not golden_or_skip("compare"):
        return
    with check("fast"):
        check_fast()
    tokenizer = bytes_tokenizer()
    text = (TINY / "text" / "prose.txt").read_text().encode("ascii", "ignore").decode()[:400]
    for name in FAMILIES:
        check_compare(name, tokenizer, text)


main()
