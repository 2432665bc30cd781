"""Makes Fixtures/templates: what transformers and jinja2 make of small templates, and of the .jinja files that lie there.

    make_templates.py DIRECTORY
"""

import json
import pathlib
import sys

from transformers.utils.chat_template_utils import render_jinja_template

from chat_samples import conversations
from template_expressions import ERRORS, EXPRESSIONS, LINES, TEMPLATES, VARIABLES

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def outcome(template, line, prompt, **variables):
    messages = [{key: value for key, value in message.items() if value is not None} for message in line["messages"]]
    try:
        texts, _ = render_jinja_template(
            conversations=[messages], tools=line.get("tools"), documents=line.get("documents"), chat_template=template,
            add_generation_prompt=prompt, **(variables | line.get("chat_template_kwargs", {})),
        )  # fmt: skip
        return {"text": texts[0]}
    except Exception as error:
        # What a template raises itself is what its reader is told; jinja2's own words are not.
        return {"error": str(error) if type(error).__name__ == "TemplateError" else ""}


def write(path, values):
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8", newline="\n")


folder = pathlib.Path(sys.argv[1])
line = {"messages": [{"role": "user", "content": "x"}], "chat_template_kwargs": VARIABLES}
templates = ["{{ " + expression + " }}" for expression in EXPRESSIONS] + TEMPLATES.split("\n") + LINES + ERRORS
(folder / "variables.json").write_text(json.dumps(VARIABLES, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
write(folder / "language.jsonl", [{"template": template} | outcome(template, line, False) for template in templates])

# Enough to take each template everywhere, and small enough to lie in the repository.
samples = [sample for index, sample in enumerate(conversations()) if index % 4 == 0 or sample[0] in ("calls, 2 tools", "reasoning, turns")]
write(folder / "conversations.jsonl", [{"name": name, "prompt": prompt} | line for name, line, prompt in samples])
rendered = {}
for path in sorted(folder.glob("*.jinja")):
    rendered[path.stem] = [outcome(path.read_text(encoding="utf-8"), line, prompt, **TOKENS) for _, line, prompt in samples]
write(folder / "rendered.jsonl", [{"template": name, "outcomes": outcomes} for name, outcomes in rendered.items()])
for name, outcomes in rendered.items():
    print(name, sum("text" in outcome for outcome in outcomes), "of", len(outcomes))
