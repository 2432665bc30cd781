"""Makes Fixtures/tokenizers: models that sentencepiece trains on the texts of the fixture, and the ids that it gives.

    make_tokenizers.py      needs sentencepiece
"""

import io
import json
import pathlib
import tempfile

import sentencepiece

from tokenizer_samples import SAMPLES

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Fixtures"
FOLDER = FIXTURES / "tokenizers"
# Some replacements: ligatures, wide letters, wide spaces; two characters by one, one by none.
RULES = "FB01\t66 69\nFF21\t41\n3000\t20\nA0\t20\n41 30A\tC5\n61 30A\tE5\nAD\t\n9\t20\n"
MODELS = {
    "bpe": dict(
        model_type="bpe", vocab_size=1200, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, character_coverage=0.98),
    "own": dict(
        model_type="bpe", vocab_size=600, user_defined_symbols=["<own>", "\u2581\u2581", "own"], rules=True,
        character_coverage=0.98),
    "unigram": dict(
        model_type="unigram", vocab_size=600, user_defined_symbols=["<own>"], rules=True, character_coverage=0.98),
    "unigram-bytes": dict(
        model_type="unigram", vocab_size=900, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=False, character_coverage=0.98),
}  # fmt: skip


def train(name, settings):
    lines = [
        line[:2000]
        for channel in ("prose", "code", "poetry")
        for line in (FIXTURES / f"qwen2-tiny/text/{channel}.txt").read_text().splitlines()
    ]
    if settings.pop("rules", False):
        rules = pathlib.Path(tempfile.mkdtemp()) / "rules.tsv"
        rules.write_text(RULES)
        settings["normalization_rule_tsv"] = str(rules)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, num_threads=1, minloglevel=2, **settings)
    (FOLDER / f"{name}.model").write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


FOLDER.mkdir(exist_ok=True)
models = {name: train(name, dict(settings)) for name, settings in MODELS.items()}
reference = [
    {"text": text} | {name: model.encode(text) for name, model in models.items()}
    for text in SAMPLES
]  # fmt: skip
lines = ",\n".join(json.dumps(entry, ensure_ascii=True) for entry in reference)
(FOLDER / "reference.json").write_text(f"[\n{lines}\n]\n")
for path in sorted(FOLDER.iterdir()):
    print(path.name, path.stat().st_size)
