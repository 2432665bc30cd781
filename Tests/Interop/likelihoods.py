"""What a text costs: by Recast, by transformers, and whether both say the same."""

import json
import math

import torch

from referee import WORK, recast, report


def likelihood(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()


def measured(path, *options):
    total = json.loads(recast("perplexity", path, "--text", WORK / "text.txt", "--json", "--context", 128, *options))["total"]
    return math.log(total["perplexity"])


def compare(name, found, expected, at_most=2e-5):
    off = abs(found - expected)
    report(name, off <= at_most, f"{found:.6f}, transformers {expected:.6f}, off by {off:.1e} (at most {at_most:.0e})")
