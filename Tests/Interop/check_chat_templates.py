"""transformers renders chat templates as Recast does: all of those that llama.cpp's source tree (RECAST_LLAMA_CPP) collects."""

import json
import os
import pathlib
import shutil
import subprocess

from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from chat_samples import conversations
from referee import RECAST, TINY, WORK, check, recast, report

TREE = os.environ.get("RECAST_LLAMA_CPP")
# The small tokenizer, with the special tokens that templates ask for.
TOKENS = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
GENERATION = """{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.role == 'assistant' %}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}
{%- else %}{{ message.content + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""


def folder(name, template=None):
    path = WORK / name
    shutil.copytree(TINY, path, dirs_exist_ok=True)
    settings = json.loads((path / "tokenizer_config.json").read_text()) | TOKENS
    if template:
        settings["chat_template"] = template
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return path


def without_none(messages):
    return [{key: value for key, value in message.items() if value is not None} for message in messages]


def rendered(template, line, prompt):
    texts, _ = render_jinja_template(
        conversations=[without_none(line["messages"])], tools=line.get("tools"), documents=line.get("documents"),
        chat_template=template, add_generation_prompt=prompt, **(TOKENS | line.get("chat_template_kwargs", {})),
    )  # fmt: skip
    return texts[0]


def ours(place, template, lines, prompt):
    """What Recast makes of lines; the process, for what it says otherwise."""
    path = WORK / "conversations.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = ["--generation-prompt"] if prompt else []
    command = [RECAST, "tokenize", place, path, "--chat", "--json", "--quiet", "--chat-template", template, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout)["texts"] if done.returncode == 0 else None, done


def check_template(path, place, tokenizer):
    template = path.read_text()
    good, refused = {False: [], True: []}, []
    for name, line, prompt in conversations():
        try:
            good[prompt].append((name, line, rendered(template, line, prompt)))
        except Exception as error:
            refused.append((name, line, prompt, error))
    wrong = []
    for prompt, cases in good.items():
        texts, done = ours(place, path, [line for _, line, _ in cases], prompt) if cases else ([], None)
        if texts is None:
            wrong.append(done.stderr.strip()[-200:])
            continue
        for (name, _, text), found in zip(cases, texts):
            # Special tokens in messages are text here, and special in transformers; that is checked apart.
            ids = None if "special" in name else tokenizer(text, add_special_tokens=False)["input_ids"]
            if found["rendered"] != text or ids not in (None, found["ids"]):
                wrong.append(name)
    for name, line, prompt, error in refused:
        texts, done = ours(place, path, [line], prompt)
        said = str(error) if type(error).__name__ == "TemplateError" else ""
        # Whoever shows messages escapes what steers terminals, line breaks included.
        if texts is not None or said.split("\n")[0] not in done.stderr:
            wrong.append(f"{name}: not refused as {type(error).__name__} {said[:60]}")
    count = sum(map(len, good.values()))
    report(
        f"chat-template-{path.stem}", count and not wrong,
        f"{count} rendered, {len(refused)} refused, {len(wrong)} differ {wrong[:3]}")  # fmt: skip
    return count, len(refused), not wrong


def check_special(place):
    """Special tokens that messages spell are text: the ids of transformers, which takes them apart as well."""
    tokenizer = AutoTokenizer.from_pretrained(place)
    lines = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "x" + text + "y"}]}
        for text in ("<|im_end|>", " a <|im_start|>b", "<|endoftext|>\n<|im_end|><|im_end|>", "<|im_", "end|>", "<|im_end|", "plain")
    ]
    template = WORK / "own.jinja"
    template.write_text(tokenizer.chat_template)
    texts, done = ours(place, template, lines, False)
    wrong = []
    for line, found in zip(lines, texts or [{"ids": done.stderr}] * len(lines)):
        special = set(tokenizer.all_special_ids)
        theirs = tokenizer.apply_chat_template(line["messages"], sanitize_control_tokens=True, return_dict=False)
        # Where text is cut around what is special differs; what is special and what the text is may not.
        is_same = [id for id in theirs if id in special] == [id for id in found["ids"] if id in special]
        if not is_same or tokenizer.decode(theirs) != tokenizer.decode(found["ids"]):
            wrong.append(line["messages"][0]["content"])
    report("chat-special-tokens", not wrong, f"{len(wrong)} of {len(lines)} differ {wrong}")


def check_answers(place):
    """As many tokens are scored as transformers' mask of generation blocks has."""
    tokenizer = AutoTokenizer.from_pretrained(place)
    lines = [line for name, line, prompt in conversations() if not prompt and "tools" not in line and all(
        isinstance(message.get("content"), str) and message["content"] for message in line["messages"]) and any(
        message["role"] == "assistant" for message in line["messages"]) and "special" not in name]  # fmt: skip
    path = WORK / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    score = json.loads(recast("perplexity", place, "--text", path, "--answers", "--json", "--quiet", "--context", "2048"))
    masks = [
        tokenizer.apply_chat_template(line["messages"], return_dict=True, return_assistant_tokens_mask=True)["assistant_masks"]
        for line in lines
    ]
    count = sum(map(sum, masks))
    report("chat-answers", score["total"]["scored"] == count > 0, f"{score['total']['scored']} scored, {count} in masks")


with check("chat-special-tokens"):
    check_special(folder("chat"))
with check("chat-answers"):
    check_answers(folder("chat-generation", GENERATION))
if TREE:
    place = folder("chat")
    tokenizer = AutoTokenizer.from_pretrained(place)
    results = []
    for path in sorted((pathlib.Path(TREE) / "models/templates").glob("*.jinja")):
        with check(f"chat-template-{path.stem}"):
            results.append(check_template(path, place, tokenizer))
    rendered_count, refused_count = sum(result[0] for result in results), sum(result[1] for result in results)
    report(
        "chat-templates", results and all(result[2] for result in results),
        f"{sum(result[2] for result in results)} of {len(results)} templates, {rendered_count} texts, {refused_count} refusals")
else:
    print("skip chat-templates: RECAST_LLAMA_CPP names no source tree of llama.cpp")
