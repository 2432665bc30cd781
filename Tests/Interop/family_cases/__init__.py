"""Small random models of families, a module for each mechanism. Each has

- CASES: by name, the class of the configuration, what is unusual, and what published configurations say besides;
- VARIANTS: larger ones of `make interop`: name, case, what is otherwise;
- KEYS: of cases, what they call usual keys; None for those they have not;
- NO_GGUF, INEXACT, NO_PROGRAM: cases and variants that llama.cpp has no place for, that go there with --allow-inexact only, and of which its
  program computes something else.
"""

from . import classics, layers, recurrent, routers_and_attention, sparse

GROUPS = [routers_and_attention, classics, layers, recurrent, sparse]
CASES = {name: case for group in GROUPS for name, case in group.CASES.items()}
VARIANTS = [variant for group in GROUPS for variant in group.VARIANTS]
VARIANTS += [(f"{name}-wide", name, {}) for name in CASES if f"{name}-wide" not in {variant[0] for variant in VARIANTS}]
NO_GGUF, INEXACT, NO_PROGRAM = (
    {name for group in GROUPS for name in getattr(group, kind)} for kind in ("NO_GGUF", "INEXACT", "NO_PROGRAM"))

KEYS = {name: keys for group in GROUPS for name, keys in getattr(group, "KEYS", {}).items()}


def spelled(case, values):
    """Usual keys as the case calls them."""
    keys = KEYS.get(case, {})
    return {keys.get(key, key): value for key, value in values.items() if keys.get(key, key) is not None}


def seed(name):
    """By the place in its own module, so that modules do not move each other's."""
    return next(1 + list(group.CASES).index(name) for group in GROUPS if name in group.CASES)
